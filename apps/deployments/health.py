"""Whether what was started is fit to take over: its health check has to pass once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from apps.builds import failures
from apps.core.errors import Unavailable, UserError
from apps.deployments import checks
from apps.deployments.checks import Check, Found
from apps.deployments.models import Workload
from apps.engines.base import Finished, State, Status

FIRST, SLOWEST = 0.01, 0.5  # seconds between two probes: at once in the beginning, then slower
LATE = 0.05  # of the time an app took to start, at most, until that is seen
ALIVE = 2.0  # seconds a worker has to stay up
COMMANDS = 2.0  # seconds between two check commands, at most
PATIENCE = 600.0  # seconds an engine that does not answer is waited for
LAST_LINES = 200  # of what an app wrote, read for why it ended or is not healthy
STARTS = 3  # starts that ended by themselves before the app is called broken

# What an app that runs may say of why it answers badly; anything else in its log may have nothing to do with it.
BEHIND = frozenset(
    {"host_not_allowed", "database_unreachable", "database_auth_failed", "database_missing", "variable_missing"}
)


def wait(workload: Workload, check: Check, *, tick: Callable[[], None], degraded: Callable[[str], None]) -> str:
    """Wait until `workload` is healthy; what the passing check saw, in words.

    `tick` is called between probes and may raise. `degraded(words)` is called once when the window has passed.
    Raises UserError naming what was found when the grace after the window has passed too, or it keeps exiting.
    """
    began = time.monotonic()
    told, seen = False, Found(False, "nothing answered")
    with asyncio.Runner() as loop:
        while True:
            tick()
            status, silent = _status(workload, tick)
            began += silent  # the window is the app's, not the engine's
            _refuse_crash_loop(workload, status)
            elapsed = time.monotonic() - began
            seen = _try(loop, workload, check, status, seen)
            if seen.healthy:
                return seen.words
            if elapsed > check.window and not told:
                degraded(seen.words)
                told = True
            if elapsed > check.window + check.grace:
                raise _diagnosis(workload, check, seen)
            time.sleep(min(_pause(check), max(FIRST, LATE * elapsed)))


def _pause(check: Check) -> float:
    """Seconds between two tries, at most: a command costs the host a process each time."""
    return SLOWEST if check.type != "command" else COMMANDS


def _try(loop: asyncio.Runner, workload: Workload, check: Check, status: Status, before: Found) -> Found:
    """One look. Where the app said something before and nothing now, what it said is worth more."""
    match check.type:
        case "alive":
            return _alive(status)
        case "http":
            found = loop.run(checks.http(workload.address, check))
        case _:
            try:
                found = checks.beside(workload.runner, workload.handle, check, status)
            except Unavailable:
                return before  # waited for at the next look
    if found.words != checks.NOBODY:
        return found
    return replace(before, words=status.reason or found.words)


def _status(workload: Workload, tick: Callable[[], None]) -> tuple[Status, float]:
    """What the engine says, and for how many seconds it said nothing. Raises Unavailable after PATIENCE."""
    began = time.monotonic()
    while (status := workload.runner.status(workload.handle)).state == State.UNKNOWN:
        if time.monotonic() - began > PATIENCE:
            raise Unavailable("engine_unavailable", "The engine does not answer.")
        tick()
        time.sleep(SLOWEST)
    return status, time.monotonic() - began


def _alive(status: Status) -> Found:
    if status.state != State.RUNNING or status.since is None:
        return Found(False, status.reason or "it does not run")
    alive = time.time() - status.since.timestamp()
    return Found(alive >= ALIVE, f"running for {alive:.0f} s")


def _refuse_crash_loop(workload: Workload, status: Status) -> None:
    if status.restarts >= STARTS or status.state in (State.EXITED, State.GONE):
        raise _said(workload, status.exit_code)
    if status.state == State.RESTARTING and status.exit_code == 127:
        raise UserError(
            "start_command_not_found", f"{workload.app}: the start command was not found.", "Check its spelling."
        )


def _listens(workload: Workload) -> str | None:
    """What it listens on instead of $PORT, if that can be told."""
    try:
        return workload.runner.probe(workload.handle)
    except Unavailable:
        return None


def _said(workload: Workload, code: int | None) -> UserError:
    """Why it ended, as far as its own last lines tell."""
    if code is None:
        hint = "Its last lines stand above. A start command has to keep running."
        return UserError("app_exited", f"{workload.app} ended by itself.", hint)
    error = failures.explain("launch", _last_lines(workload), Finished(code))
    return UserError(error.code, f"{workload.app} ended by itself with status {code}. {error.message}", error.hint)


def _last_lines(workload: Workload) -> list[str]:
    try:
        lines = [line.text for line in workload.runner.logs(workload.handle) if line.stream != "engine"]
    except Unavailable:
        return []
    return lines[-LAST_LINES:]


def _diagnosis(workload: Workload, check: Check, seen: Found) -> UserError:
    """Why it never became healthy, as far as can be found."""
    status = workload.runner.status(workload.handle)
    if status.state == State.RESTARTING and status.exit_code is not None:
        return _said(workload, status.exit_code)
    if check.type in ("http", "tcp") and (listens := _listens(workload)):
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
