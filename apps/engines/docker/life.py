"""What Docker does not remember of a workload: how often it was started again, when it will be, what was said of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from apps.core.ids import short
from apps.engines.base import LogLine, State, Status
from apps.engines.docker.frames import SECOND, as_datetime, moment
from apps.engines.recovery import RestartPolicy

NOTES = 100  # of the engine's own lines, kept for each workload
DAEMON_ENDED = 255  # what a container has that ended with its daemon


@dataclass(slots=True)
class Life:
    """`ended` is the end (Docker's words for its time) that `next_start` (epoch seconds) was reckoned for."""

    attempts: list[float] = field(default_factory=list)
    restarts: int = 0
    ended: str = ""
    next_start: float = 0.0
    words: str = ""
    notes: list[tuple[int, str]] = field(default_factory=list)

    def policy(self) -> RestartPolicy:
        return RestartPolicy(attempts=list(self.attempts))

    def note(self, text: str) -> None:
        """A line of the engine's own; its number is the time, as everybody's."""
        last = self.notes[-1][0] if self.notes else 0
        self.notes = [*self.notes, (max(time.time_ns(), last + 1), text)][-NOTES:]

    def lines(self, after: int) -> list[LogLine]:
        return [LogLine(at, as_datetime(at), "engine", text, after) for at, text in self.notes if at > after]


class Lives:
    """One small file for each workload; written by the watcher, and the mark of leaving by whoever stops it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load(self, workload: str) -> Life:
        try:
            raw = json.loads(self._path(workload).read_text())
        except (OSError, ValueError):
            return Life()
        raw["notes"] = [(at, text) for at, text in raw["notes"]]
        return Life(**raw)

    def changed(self, workload: str) -> int:
        """Differs from what it was when something was written; 0: nothing is known."""
        try:
            return self._path(workload).stat().st_mtime_ns
        except OSError:
            return 0

    def save(self, workload: str, life: Life) -> None:
        path = self._path(workload)
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(asdict(life)))
        beside.replace(path)

    def forget(self, workload: str) -> None:
        self._path(workload).unlink(missing_ok=True)
        self._mark(workload).unlink(missing_ok=True)

    def leave(self, workload: str) -> None:
        """Its stop was asked for: it is not started again."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._mark(workload).touch()

    def leaving(self, workload: str) -> float | None:
        """When its stop was asked for (epoch seconds), if it was."""
        try:
            return self._mark(workload).stat().st_mtime
        except OSError:
            return None

    def _path(self, workload: str) -> Path:
        return self._directory / f"{short(workload, 24)}.json"

    def _mark(self, workload: str) -> Path:
        return self._path(workload).with_suffix(".leaving")


def words(state: Mapping[str, Any]) -> str:
    """How it ended, from what `docker inspect` calls State."""
    if state.get("OOMKilled"):
        return "out of memory"
    if state.get("Error") and not moment(state.get("StartedAt", "0001")):
        return f"could not be started: {state['Error']}"
    return f"exited with code {state.get('ExitCode')}"


def status(state: Mapping[str, Any], life: Life, *, leaving: bool, once: bool = False) -> Status:
    """A container's Status, from what `docker inspect` calls State."""
    match state["Status"]:
        case "created":
            return Status(State.STARTING, life.restarts)
        case "running" | "paused" | "restarting":
            started = moment(state["StartedAt"])
            return Status(State.RUNNING, life.restarts, since=as_datetime(started))
    ended = moment(state["FinishedAt"])
    since = as_datetime(ended) if ended else None
    if leaving or once or state["Status"] == "removing":
        return Status(State.EXITED, life.restarts, state.get("ExitCode"), words(state), since)
    policy = life.policy()
    known = life.ended == state["FinishedAt"]
    at = life.next_start if known else policy.next_start(ended / SECOND)
    told = life.words if known else words(state)
    reason = f"{told}; {policy.reason(time.time(), at)}"
    return Status(State.RESTARTING, life.restarts, state.get("ExitCode"), reason, since)
