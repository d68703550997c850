"""A child of this process, however it became one: started here, out of the nursery, or left by who was here before."""

from __future__ import annotations

import asyncio
import os
import subprocess


class Child:
    """Has the manners of asyncio's own processes. Those are waited for by a thread that outlives its loop, and killed
    when they are forgotten. Linux only."""

    def __init__(self, pid: int, popen: subprocess.Popen[bytes] | None = None) -> None:
        """`popen`: what started it, which is not to wait for it. Raises ProcessLookupError if it is no child."""
        self.pid = pid
        self.returncode: int | None = None
        self._popen = popen
        self._ended = asyncio.Event()
        self._fd = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._fd, self._reap)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if self._popen:
            self._popen.returncode = self.returncode
        self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, how: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, how)
