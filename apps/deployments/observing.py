"""What was seen of instances, written into their rows and told in the feed.

Two look: the reconciler at what the engine says, the checker at what health checks find. That a process runs does not
make what has a check healthy again: it is starting until its check passes.
"""

from __future__ import annotations

import datetime
import time
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.core.states import move
from apps.deployments import announcing, feed
from apps.deployments.events import changed
from apps.deployments.models import WORKLOAD_MOVES, AppEvent, Workload
from apps.engines import recovery
from apps.engines.base import State, Status

RUNS_AGAIN = "It runs again; its health check has not passed yet."
LONGEST = 300  # characters of a reason
CRASHES = 3  # ends of one instance within CRASH_WINDOW, after which its app keeps crashing
CRASH_WINDOW = datetime.timedelta(hours=1)
CRASH_SILENCE = datetime.timedelta(hours=6)  # before that is told again
SILENT = datetime.timedelta(seconds=45)  # without an answer of the engine: the state is unknown


def note(workload: Workload, status: Status, *, checked: bool) -> bool:
    """Write down what the engine says of one it knows; whether that is news.

    `checked`: a health check says when it is healthy.
    """
    if status.state is not State.UNKNOWN:
        _note_return(workload, status)
    state, reason = _seen(workload, status, checked)
    if state is None:
        return False
    down = status.state is not State.RUNNING
    fields: dict[str, Any] = {"reason": reason[:LONGEST], "restarts": status.restarts}
    if down:
        fields["failing"] = ""  # what the check found was of the process that has ended
    if workload.state == state and all(getattr(workload, name) == value for name, value in fields.items()):
        return False
    news = down and (workload.state != "unhealthy" or workload.failing or status.restarts > workload.restarts)
    fields["observed_at"] = timezone.now()
    if workload.state == state:
        Workload.objects.filter(pk=workload.pk).update(**fields)
    elif not _moved(workload, state, **fields):
        return True
    if news and workload.serving:
        words = f"{status.reason[:1].upper()}{status.reason[1:]}."
        with transaction.atomic():
            feed.tell(workload, "restart", words, level="warn")
            _note_crashing(workload, words)
    changed(workload.pod_id)
    return True


def _note_crashing(workload: Workload, words: str) -> None:
    """Tell that an app keeps crashing, once for all of its instances and for as long as it goes on."""
    now = timezone.now()
    of_app = AppEvent.objects.filter(pod=workload.pod_id, app=workload.app)
    ends = of_app.filter(workload=workload.pk, kind="restart", at__gt=now - CRASH_WINDOW).count()
    if ends >= CRASHES and not of_app.filter(kind="crashing", at__gt=now - CRASH_SILENCE).exists():
        feed.tell(workload, "crashing", f"It keeps crashing: {ends} times within an hour.", level="error")
        announcing.crashing(workload, ends, words)


def _seen(workload: Workload, status: Status, checked: bool) -> tuple[str | None, str]:
    """The state that is to stand there, None for the one that does, and why."""
    match status.state:
        case State.RESTARTING | State.EXITED:
            return "unhealthy", status.reason
        case State.RUNNING if not workload.serving:
            return None, ""  # what does not serve yet is judged by its health check
        case State.RUNNING if not checked:
            return "healthy", status.reason
        case State.RUNNING if status.restarts > workload.restarts:
            return "starting", RUNS_AGAIN
        case State.RUNNING if workload.state in ("healthy", "starting"):
            return workload.state, workload.reason if workload.state == "starting" else status.reason
        case State.RUNNING if workload.failing:
            return "unhealthy", workload.failing
        case State.RUNNING:
            return "starting", RUNS_AGAIN
    return None, ""


def _note_return(workload: Workload, status: Status) -> None:
    """Tell that the engine, or the node it is on, answers again, after it had been told that it does not."""
    away = workload.handle.get("away")
    if away is not None:
        _keep(workload, away=None)
        if status.host == workload.handle.get("host"):
            age = recovery.age(time.time() - away)
            feed.tell(workload, "node", f"The node {status.host} answers again, after {age}.")
    if workload.observed_at is None or not workload.serving:
        return
    silent = timezone.now() - workload.observed_at
    if silent > SILENT and feed.told_since([workload], "engine"):
        words = f"The engine answers again, after {recovery.age(silent.total_seconds())}."
        feed.tell(workload, "engine", words)


def failed(workload: Workload, words: str) -> bool:
    """The health check of one that serves has failed often enough; False: it is not for the check to say any more."""
    reason = words[:LONGEST]
    if workload.state == "unhealthy":
        Workload.objects.filter(pk=workload.pk, state="unhealthy").update(reason=reason, failing=reason)
        changed(workload.pod_id)
        return True
    if not _moved(workload, "unhealthy", where=_as_known(workload), reason=reason, failing=reason):
        return False
    feed.tell(workload, "health", f"Unhealthy: {words}.", level="error")
    return True


def passed(workload: Workload, words: str) -> bool:
    """Its health check passes; whether that is news."""
    before, since = workload.state, workload.since
    if not _moved(workload, "healthy", where=_as_known(workload), reason="", failing=""):
        return False
    took = f" after {recovery.age((timezone.now() - since).total_seconds())}" if since else ""
    again = "Healthy again" if before == "unhealthy" else "Healthy"
    feed.tell(workload, "health", f"{again}{took}: {words}.")
    return True


def _as_known(workload: Workload) -> dict[str, Any]:
    """Nobody has seen something else of it while it was checked."""
    return {"serving": True, "state": workload.state, "failing": workload.failing}


def silent(workloads: list[Workload]) -> None:
    """The engine does not answer for these, which serve. What is lost by the rule for its kind is called so.

    The time counts from when somebody first asked in vain: a platform that was down itself has lost nothing.
    """
    now = timezone.now()
    quiet = [w for w in workloads if w.observed_at is not None and now - w.observed_at > SILENT]
    told = feed.told_since(quiet, "engine")
    for workload in quiet:
        since = told.get(workload.pk)
        if since is None:
            feed.tell(workload, "engine", "The engine does not answer: its state is unknown.", level="warn")
            continue
        _lose(workload, (now - since + SILENT).total_seconds(), recovery.ENGINE)


def cut_off(workload: Workload, host: str) -> None:
    """The engine answers and says that the node of this one, which serves, does not. The same rule for it alone.

    It is told at once: the engine has waited before it said so. Since when stands in its handle, as `away`.
    """
    away = workload.handle.get("away")
    if away is None:
        _keep(workload, away=time.time(), host=host)
        feed.tell(workload, "node", f"The node {host} does not answer: its state is unknown.", level="warn")
    else:
        _lose(workload, time.time() - away, f"the node {host}")


def on_host(workload: Workload, host: str) -> None:
    """It runs on that machine: tell it, if it was on another one."""
    before = workload.handle.get("host", "")
    if before == host:
        return
    _keep(workload, host=host)
    if before and workload.serving:
        feed.tell(workload, "node", f"It runs on the node {host} now; it was on {before}.", level="warn")


def _keep(workload: Workload, **known: Any) -> None:
    """Keep in its handle what is known of its machine; None: nothing any more."""
    handle = {**workload.handle, **known}
    workload.handle = {name: value for name, value in handle.items() if value is not None}
    Workload.objects.filter(pk=workload.pk).update(handle=workload.handle)


def _lose(workload: Workload, silent: float, who: str) -> None:
    """Call it lost, if that is the rule for its kind after so many seconds in which `who` has not answered."""
    rule: dict[str, Any] = {"listens": bool(workload.address), "others": 0}
    if workload.state == "lost" or recovery.lost(silent, **rule) is recovery.Lost.WAIT:
        return
    words = recovery.lost_words(silent, **rule, who=who)
    if _moved(workload, "lost", reason=words[:LONGEST]):
        feed.tell(workload, "lost", f"{words[0].upper()}{words[1:]}.", level="error")


def _moved(workload: Workload, state: str, where: dict[str, Any] | None = None, **fields: Any) -> bool:
    won = move(workload, state, table=WORKLOAD_MOVES, where=where, since=timezone.now(), **fields)
    changed(workload.pod_id)
    return won
