"""`railpack prepare`: run, waited for, and its answer read."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.builds.detect.plan import Overrides
from apps.builds.detect.project import Project
from apps.builds.failures import found_in
from apps.builds.failures.diagnosis import diagnose
from apps.builds.image.railpack import config, program, sandbox
from apps.builds.stages.room import Interrupted
from apps.core.errors import PlatformError, UserError
from apps.engines.base import Finished
from apps.engines.process.logs import Splitter
from apps.infrastructure.embedded import process

SECONDS = 300.0  # mise alone is 30 MB to fetch, and asks slow servers for versions
WORK = "railpack"  # the directory of a room
MISE = "railpack"  # the one among the platform's tools
PLAN, INFO, CONFIG = "plan.json", "info.json", "railpack.json"
_LARGEST = 20_000_000  # bytes of an answer
_LOOK = 0.2
_LINES = 200


@dataclass(frozen=True, slots=True)
class Prepared:
    """Railpack's answer: `plan` for its frontend, `info` on what it found; the version that gave it."""

    version: str
    plan: dict[str, Any]
    info: dict[str, Any]


def prepare(
    project: Project,
    overrides: Overrides,
    *,
    work: Path,
    mise: Path,
    cancelled: Callable[[], bool] = lambda: False,
    seconds: float = SECONDS,
) -> Prepared:
    """Have the app in `project` planned. `work`: a directory of this build's own. `mise`: shared by all.

    Raises UserError with the failure's name, Interrupted.
    """
    binary = program.find()
    work.mkdir(parents=True, exist_ok=True)
    words = [f"--plan-out={sandbox.WORK}/{PLAN}", f"--info-out={sandbox.WORK}/{INFO}", "--error-missing-start"]
    if told := config.config(project, overrides):
        work.joinpath(CONFIG).write_text(json.dumps(told, indent=2))
        words.append(f"--config-file=..{sandbox.WORK}/{CONFIG}")
    env = config.variables(overrides)
    words += [f"--env={name}" for name in env]  # by name alone: it takes the value from its environment
    task = sandbox.Task(binary.path, project.root, work, mise, tuple(words), env)
    code, lines = _run(task, cancelled, seconds)
    info = read(work / INFO)
    if code or not info.get("success"):
        raise _failed(info, lines, code)
    return Prepared(binary.version or str(info.get("railpackVersion", "")), read(work / PLAN), info)


def _run(task: sandbox.Task, cancelled: Callable[[], bool], seconds: float) -> tuple[int, list[str]]:
    """Its exit code and what it printed last."""
    tail: deque[str] = deque(maxlen=_LINES)
    splitter = Splitter()
    until = time.monotonic() + seconds
    try:
        child = sandbox.start(task)
    except (OSError, subprocess.SubprocessError) as error:
        raise PlatformError("railpack_start", f"Railpack could not be started: {error}") from error
    try:
        assert child.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while True:
                if cancelled():
                    raise Interrupted
                if time.monotonic() > until:
                    raise _told("railpack_unreachable", [f"Railpack did not answer in {seconds:.0f} s."])
                if selector.select(_LOOK):
                    data = os.read(child.stdout.fileno(), 65536)
                    tail.extend(splitter.feed(data) if data else splitter.finish())
                    if not data:
                        return child.wait(), list(tail)
    finally:
        process.end_group(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout:
            child.stdout.close()


def read(path: Path) -> dict[str, Any]:
    """What Railpack wrote; empty for what is not there, or no plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            found = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _failed(info: dict[str, Any], lines: list[str], code: int) -> UserError:
    """By what it says itself: errors in its answer, else what it printed."""
    logs = [row for row in info.get("logs") or () if isinstance(row, dict)]
    said = [line for row in logs if row.get("Level") == "error" for line in str(row.get("Msg", "")).split("\n")]
    told = [line for line in said or lines if line.strip()]
    found = diagnose("detect", told, Finished(code or 1))
    if found.line and found_in(found.entry.code, told) and "detect" in found.entry.stages:
        return UserError(found.entry.code, f"{found.cause} Railpack says: {found.line[:400]}", found.remedy)
    first = told[0].strip()[:400] if told else "nothing"
    return _told("railpack_failed", [f"Railpack could not plan this app (exit code {code}): {first}"])


def _told(code: str, lines: list[str]) -> UserError:
    found = found_in(code, lines)
    assert found is not None, code
    return UserError(code, f"{lines[0]} {found.cause}".strip(), found.remedy)
