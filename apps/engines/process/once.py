"""`run_once`: a process to its end, with its output as it comes; dead with everything it started at a limit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable

from apps.core.errors import PlatformError
from apps.engines.base import Finished, RunSpec
from apps.engines.process import identity, logs, processes
from apps.engines.process.context import Context, Reports, pipe, proxy_port, read_some
from apps.engines.process.launcher import Wires
from apps.engines.process.reach import Reach

OOM = 128 + signal.SIGKILL
READS = 256  # of what is left in the pipe when everything is dead


class Once:
    """One run. `lines` is called with each batch of whole lines."""

    def __init__(self, context: Context, spec: RunSpec, lines: Callable[[list[str]], None]) -> None:
        self.spec = spec
        self._context = context
        self._lines = lines
        self._splitter = logs.Splitter()
        self._reports = Reports()
        self._loop = asyncio.get_running_loop()
        self._exited = asyncio.Event()
        self._cancelled = asyncio.Event()
        self._reach = Reach(context, spec, self._key, build=True)
        self._fds: dict[str, int] = {}
        self._usage = 0  # kB
        self._code = 0
        self._pid = 0

    def cancel(self) -> None:
        self._cancelled.set()

    def hold(self, wait: bool) -> None:
        """Whether to leave output in the pipe for now: its reader is slower than its writer."""
        if "out" in self._fds and wait:
            self._loop.remove_reader(self._fds["out"])
        elif "out" in self._fds:
            self._loop.add_reader(self._fds["out"], self._on_output)

    async def run(self, timeout: float) -> Finished:
        """Raises Invalid, Unavailable or PlatformError when it cannot be started; the limit starts counting then."""
        launcher = self._context.launcher
        await asyncio.to_thread(launcher.prepare, self.spec)
        began = time.monotonic()
        try:
            self._start()
            killed = await self._wait(timeout)
        finally:
            self._kill()
            if self._pid:
                await self._exited.wait()
            self._close()
        group = launcher.group(self.spec.id)
        peak, starved = (group.peak_mb(), group.out_of_memory()) if group else (0, self._code == OOM)
        await asyncio.to_thread(self._remove)
        if not killed and starved and self._code != 0:
            killed = "memory"
        return Finished(self._code, killed, round(time.monotonic() - began, 3), peak or self._usage // 1024)

    def _start(self) -> None:
        sandboxed = self._context.launcher.bubblewrap is not None
        out_r, out_w = pipe()
        who = identity.of(self.spec)
        os.fchown(out_w, who.uid, who.gid)
        self._fds["out"] = out_r
        status_r, status_w = pipe() if sandboxed else (-1, -1)
        block_r, block_w = pipe(blocking=True) if sandboxed else (-1, -1)
        if sandboxed:
            self._fds |= {"status": status_r, "block": block_w}
        wires = Wires(out_w, out_w, status_w, block_r)
        proxy = proxy_port(None) if self.spec.network else None
        if not sandboxed:
            self._reach.peers()
        try:
            process = self._context.launcher.start(self.spec, wires, proxy_port=proxy, build=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise PlatformError("engine_start", f"The process could not be started: {error}") from error
        finally:
            for fd in (out_w, status_w, block_r):
                if fd >= 0:
                    os.close(fd)
        self._pid = process.pid
        self._fds["process"] = os.pidfd_open(process.pid)
        self._loop.add_reader(self._fds["process"], self._on_exit, process)
        self._loop.add_reader(out_r, self._on_output)
        if sandboxed:
            self._loop.add_reader(status_r, self._on_report)

    async def _wait(self, timeout: float) -> str:
        waits = [self._loop.create_task(event.wait()) for event in (self._exited, self._cancelled)]
        try:
            done, _ = await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._exited.is_set():
            return ""
        return "cancelled" if done else "timeout"

    def _on_output(self) -> bool:
        data = read_some(self._fds["out"], 262144)
        if data == b"":
            self._loop.remove_reader(self._fds["out"])
        if data:
            lines = self._splitter.feed(data)
            if lines:
                self._lines(lines)
        return bool(data)

    def _on_report(self) -> None:
        data = read_some(self._fds["status"])
        if data == b"":
            self._loop.remove_reader(self._fds["status"])
        had = self._reports.child
        self._reports.feed(data or b"")
        if self._reports.child and not had:
            self._open_ways(self._reports.child)

    def _open_ways(self, child: int) -> None:
        try:
            if self.spec.network or self.spec.peers:
                netns = os.open(f"/proc/{child}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
                self._context.keeper.put(self._key, {"netns": netns})
                os.close(netns)
            self._reach.peers()
            if self.spec.network:
                self._reach.serve(self._context.keeper.listen(self._key, proxy_port(None)))
            os.write(self._fds["block"], b"1")
        except (OSError, PlatformError) as error:
            self._lines([f"The sandbox could not be connected: {error}"])
            self._kill()

    @property
    def _key(self) -> str:
        return f"once:{self.spec.id}"

    def _on_exit(self, process: subprocess.Popen[bytes]) -> None:
        self._loop.remove_reader(self._fds["process"])
        _, status, used = os.wait4(process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        process.returncode = code
        self._code = code if code >= 0 else 128 - code
        self._usage = used.ru_maxrss
        self._kill()
        self._exited.set()

    def _kill(self) -> None:
        if self._reports.child is None and "status" in self._fds:
            self._reports.feed(read_some(self._fds["status"]) or b"")
        if self._reports.child:
            processes.send(self._reports.child)
        elif self._context.launcher.bubblewrap is None and self._pid:
            for pid in (
                *processes.descendants(self._pid),
                *processes.marked(self._context.launcher.marker(self.spec.id)),
            ):
                processes.send(pid)
        if self._pid and not self._exited.is_set():
            processes.send(self._pid)

    def _close(self) -> None:
        """Pass the last output on, then let go of everything."""
        if "out" in self._fds:
            for _ in range(READS):
                if not self._on_output():
                    break
            rest = self._splitter.finish()
            if rest:
                self._lines(rest)
        self._reach.close()
        with contextlib.suppress(PlatformError):
            self._context.keeper.drop(self._key)
        for fd in self._fds.values():
            self._loop.remove_reader(fd)
            os.close(fd)
        self._fds = {}

    def _remove(self) -> None:
        group = self._context.launcher.group(self.spec.id)
        if group is not None:
            group.remove()
        if self._context.launcher.bubblewrap is None:
            self._context.launcher.view(self.spec).remove()
