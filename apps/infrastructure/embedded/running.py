"""One service's process: started, watched, logged, ended with everything it started."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from apps.infrastructure.embedded import files, process
from apps.infrastructure.embedded.child import Child
from apps.infrastructure.embedded.nursery import Gone, Nursery
from apps.infrastructure.embedded.plan import Service

LOG_BYTES = 5 * 1024 * 1024
LOGS_KEPT = 3


class Running:
    """The process of `service`, at most one at a time. `state` is the platform's state directory."""

    def __init__(self, service: Service, state: Path, nursery: Nursery | None = None) -> None:
        self.service = service
        self._nursery = nursery if service.forked else None
        self.log = state / "log" / f"{service.name}.log"
        self._pid_file = state / "run" / f"{service.name}.pid"
        self._child: asyncio.subprocess.Process | Child | None = None
        self._pulse: tuple[int, object] | None = None
        self._still = 0

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child and self._child.returncode is None else None

    async def start(self) -> None:
        """Raises OSError or PlatformError when there is nothing to start."""
        for path in self.service.leftovers:
            path.unlink(missing_ok=True)
        self._child = await self._inherit() or await self._fork() or await self._execute()
        pid = self._child.pid
        files.write(self._pid_file, f"{pid} {self.service.orphan.name} {process.identity(pid)}\n")

    async def _inherit(self) -> Child | None:
        """The one that went on while a supervisor took its own place, if it is still what it should be."""
        reload = self.service.reload
        if reload is None or self._child is not None or not (pid := inherited(self._pid_file)):
            return None
        child = Child(pid)
        if await asyncio.to_thread(reload, pid):
            return child
        child.send_signal(self.service.stop)
        with suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), self.service.grace)
        process.end_group(pid, signal.SIGKILL)
        await child.wait()
        return None

    async def _fork(self) -> Child | None:
        if self._nursery:
            with suppress(Gone):
                return Child(await asyncio.to_thread(self._nursery.fork, self.service.name, self.log))
        return None

    async def _execute(self) -> asyncio.subprocess.Process | Child:
        command = await asyncio.to_thread(self.service.command)
        with self.log.open("ab") as out:
            how: dict[str, Any] = {
                "stdin": subprocess.DEVNULL,
                "stdout": out,
                "stderr": out,
                "env": dict(self.service.env),
                "start_new_session": True,
                "preexec_fn": process.dies_with_parent(self.service.orphan),
            }
            if not process.can_adopt():
                return await asyncio.create_subprocess_exec(*command, **how)
            popen = subprocess.Popen(command, **how)  # in this thread: it is with its end that a child would die
            return Child(popen.pid, popen)

    async def wait(self) -> int:
        """The exit code, once the process has ended and what it started has been killed."""
        assert self._child is not None
        code = await self._child.wait()
        # An nginx worker or a pool's child would keep the port or the task of the one that died.
        process.end_group(self._child.pid, signal.SIGKILL)
        return code

    async def stop(self, *, leaving: bool = False) -> None:
        """End it in order, and with force after its grace; `leaving`: but not what it runs, if it knows how."""
        if self._child is None:
            return
        group = self._child.pid
        if self._child.returncode is None:
            self.signal(self.service.leave if leaving and self.service.leave else self.service.stop)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), self.service.grace)
        process.end_group(group, signal.SIGKILL)
        await self._child.wait()
        self._pid_file.unlink(missing_ok=True)

    def signal(self, how: signal.Signals) -> None:
        if self._child and self._child.returncode is None:
            with suppress(ProcessLookupError):
                self._child.send_signal(how)

    def kill(self) -> None:
        if self._child:
            process.end_group(self._child.pid, signal.SIGKILL)

    def still(self) -> int:
        """How many times in a row its pulse has been found the same. Asked for at intervals.

        Looks are counted, not seconds: a machine that was paused has had neither.
        """
        if self.service.pulse is None or (pid := self.pid) is None:
            return 0
        pulse = (pid, self.service.pulse())
        self._still = self._still + 1 if pulse == self._pulse else 0
        self._pulse = pulse
        return self._still

    def rotate(self) -> None:
        """Copy a log that has grown too long aside and empty it: the process goes on appending to the same file."""
        with suppress(OSError):
            if self.log.stat().st_size > LOG_BYTES:
                for number in range(LOGS_KEPT - 1, 0, -1):
                    with suppress(FileNotFoundError):
                        self.log.with_suffix(f".log.{number}").replace(self.log.with_suffix(f".log.{number + 1}"))
                self._put_aside(self.log.with_suffix(".log.1"))
                os.truncate(self.log, 0)

    def _put_aside(self, copy: Path) -> None:
        """Without room for a copy there is none: a log that may not grow is worth more than what stood in it."""
        try:
            shutil.copyfile(self.log, copy)
        except OSError:
            copy.unlink(missing_ok=True)


def tail(log: Path, lines: int = 15) -> str:
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""


def inherited(pid_file: Path) -> int:
    """The process that the file names, if it is a child of this one: started by the supervisor whose place this took
    (see `Supervisor`). 0 if there is none."""
    with suppress(OSError, ValueError):
        pid_text, _, identity = pid_file.read_text().strip().split(" ", maxsplit=2)
        pid = int(pid_text)
        if process.parent(pid) == os.getpid() and process.identity(pid) == identity:
            return pid
    return 0


def end_leftovers(state: Path, report: Callable[[str], None], seconds: float = 10.0) -> None:
    """End what a killed supervisor left behind, by the pid files; a number that now means another process is let be,
    and so is what this one was left."""
    for pid_file in sorted((state / "run").glob("*.pid")):
        if inherited(pid_file):
            continue
        with suppress(ValueError, KeyError):
            pid_text, how, identity = [*pid_file.read_text().strip().split(" ", maxsplit=2), ""][:3]
            pid = int(pid_text)
            now = process.identity(pid)
            boot = identity.partition(":")[0]
            same = now == identity if now else process.boot() == boot
            if identity and same and process.group_alive(pid):
                report(f"ending {pid_file.stem} (process {pid}), left from before")
                process.end_group(pid, signal.Signals[how])
                if not process.wait_group(pid, seconds):
                    process.end_group(pid, signal.SIGKILL)
                    process.wait_group(pid, seconds)
        pid_file.unlink(missing_ok=True)
