"""Whether what was started is fit to take over: the health path of a web app, the liveness of a worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from apps import engines
from apps.builds import failures
from apps.core.errors import Unavailable, UserError
from apps.deployments.models import Workload
from apps.engines.base import Finished, State, Status

FIRST, SLOWEST = 0.01, 0.5  # seconds between two probes: at once in the beginning, then slower
LATE = 0.05  # of the time an app took to start, at most, until that is seen
ALIVE = 2.0  # seconds a worker has to stay up
ANSWER = 10.0  # seconds one probe may take
PATIENCE = 600.0  # seconds an engine that does not answer is waited for
LAST_LINES = 200  # of what an app wrote, read for why it ended or is not healthy
STARTS = 3  # starts that ended by themselves before the app is called broken

# What an app that runs may say of why it answers badly; anything else in its log may have nothing to do with it.
BEHIND = frozenset(
    {"host_not_allowed", "database_unreachable", "database_auth_failed", "database_missing", "variable_missing"}
)


@dataclass(frozen=True, slots=True)
class Check:
    """`path` is None for a worker. `window`: seconds to become healthy; `grace`: seconds more while degraded."""

    path: str | None
    window: float
    host: str

    @property
    def grace(self) -> float:
        return min(30.0, self.window / 2)


@dataclass(slots=True)
class Seen:
    """The last thing a probe found, in words."""

    words: str = "nothing answered"
    code: str = "health_check_failed"
    hint: str = ""


def wait(workload: Workload, check: Check, *, tick: Callable[[], None], degraded: Callable[[str], None]) -> str:
    """Wait until `workload` is healthy; what the passing check saw, in words.

    `tick` is called between probes and may raise. `degraded(words)` is called once when the window has passed.
    Raises UserError naming what was found when the grace after the window has passed too, or it keeps exiting.
    """
    began = time.monotonic()
    told, seen = False, Seen()
    transport = _transport(workload.address) if check.path is not None else None
    with httpx.Client(transport=transport, timeout=ANSWER, trust_env=False) as client:
        while True:
            tick()
            status, silent = _status(workload, tick)
            began += silent  # the window is the app's, not the engine's
            _refuse_crash_loop(workload, status)
            elapsed = time.monotonic() - began
            words = _worker(status) if check.path is None else _web(client, check, workload, status, seen)
            if words:
                return words
            if elapsed > check.window and not told:
                degraded(seen.words)
                told = True
            if elapsed > check.window + check.grace:
                raise _diagnosis(workload, check, seen)
            time.sleep(min(SLOWEST, max(FIRST, LATE * elapsed)))


def _status(workload: Workload, tick: Callable[[], None]) -> tuple[Status, float]:
    """What the engine says, and for how many seconds it said nothing. Raises Unavailable after PATIENCE."""
    began = time.monotonic()
    while (status := engines.engine().status(workload.handle)).state == State.UNKNOWN:
        if time.monotonic() - began > PATIENCE:
            raise Unavailable("engine_unavailable", "The engine does not answer.")
        tick()
        time.sleep(SLOWEST)
    return status, time.monotonic() - began


def _transport(address: str) -> httpx.HTTPTransport:
    """Without certificates: reading them takes longer than many an app to start, and probes are plain HTTP."""
    uds = address.removeprefix("unix:") if address.startswith("unix:") else None
    return httpx.HTTPTransport(uds=uds, verify=False)


def _web(client: httpx.Client, check: Check, workload: Workload, status: Status, seen: Seen) -> str:
    host = "app" if workload.address.startswith("unix:") else workload.address
    try:
        answer = client.get(
            f"http://{host}{check.path}", headers={"Host": check.host, "User-Agent": "Brainpod-Health/1"}
        )
    except httpx.TimeoutException:
        seen.words, seen.code = f"{check.path} did not answer within {ANSWER:.0f} s", "health_check_timeout"
        seen.hint = "Answer the health path without waiting for anything slow."
        return ""
    except httpx.HTTPError:
        seen.words = status.reason or "nothing listens on $PORT yet"
        return ""
    if 200 <= answer.status_code < 400:
        return f"{check.path} answered {answer.status_code}"
    seen.words, seen.code = f"{check.path} answered {answer.status_code}", "health_check_status"
    seen.hint = "The health path has to answer 2xx or 3xx; set another one if this is not it."
    return ""


def _worker(status: Status) -> str:
    if status.state != State.RUNNING or status.since is None:
        return ""
    alive = time.time() - status.since.timestamp()
    return f"running for {alive:.0f} s" if alive >= ALIVE else ""


def _refuse_crash_loop(workload: Workload, status: Status) -> None:
    if status.restarts >= STARTS or status.state in (State.EXITED, State.GONE):
        raise _said(workload, status.exit_code)
    if status.state == State.RESTARTING and status.exit_code == 127:
        raise UserError(
            "start_command_not_found", f"{workload.app}: the start command was not found.", "Check its spelling."
        )


def _said(workload: Workload, code: int | None) -> UserError:
    """Why it ended, as far as its own last lines tell."""
    if code is None:
        hint = "Its last lines stand above. A start command has to keep running."
        return UserError("app_exited", f"{workload.app} ended by itself.", hint)
    error = failures.explain("launch", _last_lines(workload), Finished(code))
    return UserError(error.code, f"{workload.app} ended by itself with status {code}. {error.message}", error.hint)


def _last_lines(workload: Workload) -> list[str]:
    try:
        lines = [line.text for line in engines.engine().logs(workload.handle) if line.stream != "engine"]
    except Unavailable:
        return []
    return lines[-LAST_LINES:]


def _diagnosis(workload: Workload, check: Check, seen: Seen) -> UserError:
    """Why it never became healthy, as far as can be found."""
    status = engines.engine().status(workload.handle)
    if status.state == State.RESTARTING and status.exit_code is not None:
        return _said(workload, status.exit_code)
    try:
        listens = engines.engine().probe(workload.handle)
    except Unavailable:
        listens = None
    if listens:
        return UserError(
            "not_listening",
            f"{workload.app} {listens}.",
            "Listen on 0.0.0.0 and the port in the variable PORT.",
        )
    words = f"{workload.app} was not healthy within {check.window:.0f} s: {seen.words}."
    said = failures.diagnose("launch", _last_lines(workload), Finished(0))
    if said.entry.code in BEHIND:
        return UserError(said.entry.code, f"{words} {said.cause}", said.remedy)
    return UserError(seen.code, words, seen.hint or "Raise the window if it needs longer to start.")
