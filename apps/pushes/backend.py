"""`git http-backend` as a process: a request goes in as it arrives, the answer comes out as it is made.

Nothing of a pack is kept here. What arrived completely is carried to its end even if nobody reads the answer any more:
then git's own locks and half-written files are never left behind, and a push that moved a branch is always told of.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

import structlog

from apps.sources import processes

PIECE = 64 * 1024
EARLY = 8 * 1024 * 1024  # bytes git may say before it has read everything
GRACE = 10.0  # seconds between being asked to end and being killed
Source = Callable[[int], bytes]  # reads at most so many bytes; none: that was all

log = structlog.get_logger(__name__)


class Cut(Exception):
    """What was sent did not arrive: `why` is aborted, late or large."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Backend:
    """One request. `deadline`, of time.monotonic(), is of its arrival; `fds` are inherited."""

    def __init__(
        self, env: Mapping[str, str], config: Sequence[str], *, deadline: float, fds: Sequence[int] = ()
    ) -> None:
        self.deadline = deadline
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            processes.command(["http-backend"], config), env=_environment(env), cwd="/",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
            start_new_session=True, pass_fds=tuple(fds), bufsize=0,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        self._early = bytearray()
        self._ended = False

    def feed(self, read: Source, *, expected: int | None, most: int) -> None:
        """Pass everything on that `read` gives: `expected` bytes where that is known. Raises Cut."""
        os.set_blocking(self._in.fileno(), False)
        taken = 0
        open_ = True
        while piece := _read(read):
            taken += len(piece)
            if taken > most:
                raise Cut("large")
            if open_:
                open_ = self._pass_on(piece)  # what git does not want is read all the same: its answer is waited for
            if time.monotonic() > self.deadline:
                raise Cut("late")
        if expected is not None and taken < expected:
            raise Cut("aborted")
        self._in.close()

    def head(self) -> tuple[int, dict[str, str]]:
        """The status and the headers of the answer."""
        while (end := self._early.find(b"\r\n\r\n")) < 0:
            if not (piece := self._more()):
                self._log("git_backend_silent")
                return 500, {}
            self._early += piece
        lines = bytes(self._early[:end]).decode("latin-1").split("\r\n")
        del self._early[: end + 4]
        headers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(headers.pop("Status", "200").split()[0])
        if status >= 500:
            self._log("git_backend_failed", status=status)
        return status, headers

    def body(self) -> Iterator[bytes]:
        """The rest of the answer."""
        if self._early:
            yield bytes(self._early)
            self._early.clear()
        while piece := self._more():
            yield piece

    def finish(self) -> None:
        """Have it end by itself, its answer thrown away."""
        until = time.monotonic() + 60
        while time.monotonic() < until and self._more(until):
            pass
        self.end()

    def end(self) -> None:
        """Nothing of it runs afterwards."""
        if self._ended:
            return
        self._ended = True
        for how, seconds in ((None, 0.5), (signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
            try:
                if how:
                    os.killpg(self._process.pid, how)
                self._process.wait(seconds)
            except (subprocess.TimeoutExpired, ProcessLookupError):
                continue
            break
        try:
            os.killpg(self._process.pid, signal.SIGKILL)  # what it may have left behind
        except ProcessLookupError:
            pass
        for stream in (self._in, self._out, self._said):
            try:
                stream.close()
            except OSError:
                pass

    def _pass_on(self, piece: bytes) -> bool:
        """Give git `piece`, taking what it says meanwhile; False once it reads no more."""
        rest = memoryview(piece)
        asked = select.poll()
        asked.register(self._in, select.POLLOUT)
        asked.register(self._out, select.POLLIN)
        while rest:
            ready = dict(asked.poll(1000))
            if time.monotonic() > self.deadline:
                raise Cut("late")
            if ready.get(self._out.fileno(), 0) & select.POLLIN:
                self._early += os.read(self._out.fileno(), PIECE)
                if len(self._early) > EARLY:
                    raise Cut("large")
            elif ready.get(self._out.fileno()):
                asked.unregister(self._out)  # it has closed its side
            if ready.get(self._in.fileno()):
                try:
                    rest = rest[os.write(self._in.fileno(), rest) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    return False
        return True

    def _more(self, until: float | None = None) -> bytes:
        if until is not None and not select.select([self._out], [], [], max(0.0, until - time.monotonic()))[0]:
            return b""
        return os.read(self._out.fileno(), PIECE)

    def _log(self, event: str, **more: Any) -> None:
        size = os.fstat(self._said.fileno()).st_size
        self._said.seek(max(0, size - 2000))
        log.warning(event, said=processes.clean(self._said.read().decode(errors="replace")), **more)


def _read(read: Source) -> bytes:
    try:
        return read(PIECE)
    except Exception as error:
        raise Cut("aborted") from error


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """It reaches nobody, and needs to know no proxy."""
    return {name: value for name, value in processes.environment(extra).items() if not name.lower().endswith("_proxy")}
