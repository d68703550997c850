"""A command with a terminal beside a running workload, and everything it started ended with it.

The terminal is made by the child when it is inside: a sandbox has terminals of its own, so the command can open its
by name. Its other end comes back here and goes on to the client.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Callable

from apps.core.errors import PlatformError
from apps.engines import terminals
from apps.engines.base import LaunchSpec, Size
from apps.engines.process import inside, namespaces, processes
from apps.engines.process.launcher import Launcher

KILLING = 5.0  # seconds after which what does not die is left to the end of the workload
KILL_POLL = 0.02


class Terminal:
    """One of them. `code` is the command's once it has ended by itself, beside a workload that goes on."""

    def __init__(self, launcher: Launcher, spec: LaunchSpec, name: str) -> None:
        self.code: int | None = None
        self._launcher = launcher
        self._spec = spec
        self._name = f"terminal:{name}"
        self._group = launcher.group(self._name)
        self._variables = terminals.variables(name) | dict([launcher.marker(self._name).split("=")])
        self._process: subprocess.Popen[bytes] | None = None
        self._master = -1
        self._workload = 0
        self._stopped = False
        self._over = asyncio.Event()

    def start(self, pid: int, port: int, command: tuple[str, ...], size: Size) -> None:
        """Beside the process `pid` of the workload. Raises PlatformError("engine_start")."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(inside.TERMINAL_PATIENCE)
            if self._group is not None:
                self._group.create(self._spec.limits)
            given = inside.surroundings(
                self._launcher, self._spec, pid, port, group=self._group, last=_taking(theirs, size)
            )
            try:
                self._workload = os.pidfd_open(pid)
                self._process = subprocess.Popen(
                    [*inside.BY_NAME, *command],
                    env={os.fsencode(k): os.fsencode(v) for k, v in {**given.env, **self._variables}.items()},
                    cwd=given.workdir,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    preexec_fn=given.become,
                )
                _, (self._master,), _, _ = socket.recv_fds(ours, 1, 1)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                raise PlatformError("engine_start", f"The terminal could not be started: {error}") from error

    def hand_over(self, connection: int, message: bytes) -> None:
        """Send the terminal's descriptor along with `message`, and keep none: the client's is the only one."""
        with socket.socket(fileno=os.dup(connection)) as sock:
            socket.send_fds(sock, [message], [self._master])
        os.close(self._master)
        self._master = -1

    def cancel(self) -> None:
        """The workload is being stopped."""
        self._stopped = True
        self._over.set()

    async def wait(self, client: asyncio.StreamReader) -> None:
        """Until the command ends, the client goes, the workload's process ends, or `cancel`."""
        if self._process is None:
            return
        loop = asyncio.get_running_loop()
        ended = os.pidfd_open(self._process.pid)
        gone = loop.create_task(client.read(1))
        gone.add_done_callback(lambda _: self._over.set())
        try:
            for fd in (ended, self._workload):
                loop.add_reader(fd, self._over.set)
            await self._over.wait()
        finally:
            for fd in (ended, self._workload):
                loop.remove_reader(fd)
            os.close(ended)
            gone.cancel()

    def end(self) -> None:
        """Kill all that is left of it, and forget it. Blocks."""
        process = self._process
        if process is not None:
            code = None if self._stopped or _readable(self._workload) else process.poll()
            self.code = code if code is None or code >= 0 else 128 - code
        deadline = time.monotonic() + KILLING
        while (left := self._left()) and time.monotonic() < deadline:
            for pid in left:
                processes.send(pid)
            time.sleep(KILL_POLL)
        if process is not None:
            process.kill()
            process.wait()
        if self._group is not None:
            self._group.remove()
        for fd in (self._master, self._workload):
            if fd > 0:
                os.close(fd)
        self._master = self._workload = -1

    def _left(self) -> set[int]:
        """Its processes: what descends from it, what is in its group, and what it left that has its mark."""
        found = set(processes.marked(self._launcher.marker(self._name)))
        if self._group is not None:
            found |= set(self._group.pids())
        if self._process is not None and self._process.poll() is None:
            found |= set(processes.descendants(self._process.pid))
        return {pid for pid in found if processes.birth(pid)}


def _readable(pidfd: int) -> bool:
    """Whether that process has ended."""
    poll = select.poll()  # descriptors here are many, and may have large numbers
    if pidfd >= 0:
        poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _taking(give: socket.socket, size: Size) -> Callable[[], None]:
    """For the child: make a terminal, have it for its own, give its other end away."""

    def take() -> None:
        if os.getsid(0) != os.getpid():
            os.setsid()
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        socket.send_fds(give, [b"t"], [master])
        namespaces.keep_orphans()

    return take
