"""What Nomad says of an allocation, its tasks' events and its evaluations, as a Status and in words. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from apps.engines.base import State, Status
from apps.engines.nomad.job import PORT, SECOND, TASK
from apps.engines.recovery import ATTEMPTS, WINDOW

OVER = ("complete", "failed", "lost")
TROUBLE = (
    "Driver Failure",
    "Setup Failure",
    "Failed Artifact Download",
    "Failed Validation",
    "Template",
    "Sibling Task Failed",
    "Failed Restoring Task",
    "Not Restarting",
)
EXCEEDED = "Exceeded allowed attempts"
DIMENSIONS = {"memory": "memory free", "cpu": "CPU free", "disk": "disk free"}
MOST = 300  # characters of what Nomad says that are passed on
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """`at`: nanoseconds since 1970, by the node's clock; one task has no two events of one time."""

    kind: str
    at: int
    text: str
    details: Mapping[str, str]

    @property
    def exit_code(self) -> int:
        return int(self.details.get("exit_code") or 0)

    @property
    def out_of_memory(self) -> bool:
        return self.details.get("oom_killed") == "true"


def current(allocations: Iterable[Body], since: int, answers: Callable[[str], bool] = bool) -> Body | None:
    """The allocation that counts for a job registered at the index `since`: what runs, what is to run, the last.

    Those of an earlier start under the same name do not; while a node is away its allocation and the replacement do.
    What is replaced counts as long as it serves and its replacement does not: Nomad has seen that run for a while, and
    it `answers` at its address.
    """
    found = list(allocations)
    own = [one for one in found if one["CreateIndex"] >= since or one["DesiredStatus"] == "run"]
    ranks = {"running": 3, "pending": 2, "unknown": 1}

    def rank(one: Body) -> tuple[bool, int, int]:
        return one["DesiredStatus"] == "run", ranks.get(one["ClientStatus"], 0), one["CreateIndex"]

    best = max(own, key=rank, default=None)
    replaced = [one for one in found if one is not best and serves(one)]
    if best is None or best["DesiredStatus"] != "run" or not replaced:
        return best
    if serves(best) and (best.get("DeploymentStatus") or {}).get("Healthy") and answers(address(best)):
        return best
    return max(replaced, key=lambda one: int(one["CreateIndex"]))


def serves(allocation: Body) -> bool:
    """Whether it listens and runs, and has not been told to end."""
    if allocation["ClientStatus"] != "running" or not address(allocation):
        return False
    state, happened = task_state(allocation), events(allocation)
    return state.get("State") == "running" and not (happened and happened[-1].kind in ("Killing", "Killed"))


def task_state(allocation: Body, task: str = TASK) -> Body:
    return (allocation.get("TaskStates") or {}).get(task) or {}


def events(allocation: Body, task: str = TASK) -> list[Event]:
    """Oldest first; Nomad keeps the last ten."""
    raw = task_state(allocation, task).get("Events") or []
    return [Event(one["Type"], one["Time"], one.get("DisplayMessage") or "", one.get("Details") or {}) for one in raw]


def address(allocation: Body) -> str:
    """host:port of what listens; empty where nothing does, or it has no place yet."""
    shared = (allocation.get("AllocatedResources") or {}).get("Shared") or {}
    for port in shared.get("Ports") or []:
        if port["Label"] == PORT:
            host = port["HostIP"]
            return f"[{host}]:{port['Value']}" if ":" in host else f"{host}:{port['Value']}"
    return ""


def status(allocation: Body | None, evaluations: Iterable[Body] = (), now: float | None = None) -> Status:
    """`evaluations` are asked about only where there is no allocation."""
    now = time.time() if now is None else now
    if allocation is None:
        return Status(State.STARTING, reason=unplaced(evaluations) or "waits to be placed on a node")
    found = _by_client(allocation, now)
    where = address(allocation)
    leaving = allocation["DesiredStatus"] != "run" and serves(allocation)
    host = allocation.get("NodeName") or ""
    return Status(found.state, found.restarts, found.exit_code, found.reason[:MOST], found.since, where, leaving, host)


def _by_client(allocation: Body, now: float) -> Status:
    node = allocation.get("NodeName") or "its node"
    state, happened = task_state(allocation), events(allocation)
    restarts = int(state.get("Restarts") or 0)
    if allocation["DesiredStatus"] == "stop" and allocation["ClientStatus"] in OVER:
        return Status(State.EXITED, restarts, _last_code(happened), "stopped")
    match allocation["ClientStatus"]:
        case "unknown":
            return Status(State.UNKNOWN, restarts, reason=f"the node {node} does not answer Nomad")
        case "lost":
            return Status(State.RESTARTING, restarts, reason=f"the node {node} is lost; it goes to another one")
        case "failed" | "complete":
            why = trouble(happened) or "it ended"
            return Status(State.RESTARTING, restarts, _last_code(happened), f"{why}; Nomad tries again on another node")
    if state.get("State") == "running":
        return Status(State.RUNNING, restarts, since=_moment(state.get("StartedAt")))
    waiting = restarting(happened)
    if waiting is not None:
        done = max(0, restarts - 1)  # Nomad counts the one it waits for
        last = ended(happened)
        since = datetime.fromtimestamp(last.at / SECOND, UTC) if last else None
        return Status(State.RESTARTING, done, last.exit_code if last else None, delay(happened, done, now), since)
    return Status(State.STARTING, restarts, reason=trouble(happened) or (happened[-1].text if happened else ""))


def restarting(happened: list[Event]) -> Event | None:
    """The announcement of a restart that has not been made yet."""
    for event in reversed(happened):
        if event.kind == "Restarting":
            return event
        if event.kind in ("Started", "Not Restarting", "Killed"):
            return None
    return None


def ended(happened: list[Event]) -> Event | None:
    """The last end of the task."""
    return next((event for event in reversed(happened) if event.kind == "Terminated"), None)


def _last_code(happened: list[Event]) -> int | None:
    last = ended(happened)
    return last.exit_code if last else None


def end(event: Event) -> str:
    return "out of memory" if event.out_of_memory else f"exited with code {event.exit_code}"


def trouble(happened: list[Event]) -> str:
    """The last event that says what went wrong before the task ran, as Nomad says it."""
    found = next((event for event in reversed(happened) if event.kind in TROUBLE), None)
    return found.text if found else ""


def delay(happened: list[Event], done: int, now: float) -> str:
    """ "exited with code 3; restarted 0 of 10 in this window, next try in 20 s"."""
    told, waiting = ended(happened), restarting(happened)
    words = end(told) if told else trouble(happened) or "could not be started"
    if waiting is None:
        return words
    wait = max(0, round(waiting.at / SECOND + int(waiting.details.get("start_delay") or 0) / SECOND - now))
    if EXCEEDED in waiting.details.get("restart_reason", ""):
        return f"{words}; restarted {ATTEMPTS} of {ATTEMPTS} in this window, waiting for the next window in {wait} s"
    return f"{words}; restarted {_used(happened, done, now)} of {ATTEMPTS} in this window, next try in {wait} s"


def _used(happened: list[Event], done: int, now: float) -> int:
    """Restarts made within the window. Those that Nomad's ten events do not reach back to are taken to be in it."""
    made = [event.at / SECOND for event in happened if event.kind == "Restarting"][:-1]
    recent = sum(now - at < WINDOW for at in made)
    return min(done if recent == len(made) else recent, ATTEMPTS - 1)


def lines(happened: list[Event], restarts: int) -> list[tuple[int, str]]:
    """(time, sentence) of each event that people are told of in the log; `restarts`: Nomad's count by now."""
    found = []
    announced = sum(event.kind == "Restarting" for event in happened)
    seen: list[Event] = []
    for event in happened:
        seen.append(event)
        if event.kind == "Restarting":
            announced -= 1
            words = delay(seen, max(0, restarts - announced - 1), event.at / SECOND)
            found.append((event.at, _sentence(words)))
        elif event.kind in TROUBLE:
            found.append((event.at, _sentence(event.text)))
    return found


def unplaced(evaluations: Iterable[Body]) -> str:
    """Why nothing could be placed, from the last evaluation that says so; empty: none does."""
    for evaluation in sorted(evaluations, key=lambda one: -one["ModifyIndex"]):
        failed = (evaluation.get("FailedTGAllocs") or {}).values()
        if failed:
            return next(iter(map(_metric, failed)))
        if evaluation.get("Status") == "failed":
            return f"could not be placed: {evaluation.get('StatusDescription') or 'Nomad does not say why'}"
        if evaluation.get("Status") == "complete":
            return ""
    return ""


def _metric(metric: Body) -> str:
    available = sum((metric.get("NodesAvailable") or {}).values())
    if not available:
        return "cannot be placed: no node of its datacenter is ready"
    exhausted = (metric.get("DimensionExhausted") or {}).items()
    parts = [f"{number} without enough {DIMENSIONS.get(what, what)}" for what, number in exhausted]
    parts += [f"{number} excluded ({what})" for what, number in (metric.get("ConstraintFiltered") or {}).items()]
    parts += [f"quota: {what}" for what in metric.get("QuotaExhausted") or []]
    nodes = f"{available} node{'s' if available != 1 else ''}"
    return f"cannot be placed: of {nodes} none fits" + (f", {', '.join(parts)}" if parts else "")


def _sentence(text: str) -> str:
    text = text[:MOST].rstrip(". ")
    return f"{text[:1].upper()}{text[1:]}."


def _moment(text: str | None) -> datetime | None:
    """Nomad writes nanoseconds, which datetime does not read."""
    if not text or text.startswith("0001-"):
        return None
    head, _, rest = text.partition(".")
    digits = rest.rstrip("Z")[:6]
    return datetime.fromisoformat(f"{head.rstrip('Z')}.{digits or '0':0<6}+00:00")
