"""Programs that write a stream or read one: started by their argument lists, ended with the block."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from apps.backups.sealing import BLOCK, Readable
from apps.core.errors import PlatformError, UserError
from apps.core.masking import Mask
from apps.servers.base import Installed

F_SETPIPE_SZ = 1031
SAID = 2000  # bytes of a program's errors that are looked at


class Program:
    """`secrets`: what no error may show."""

    def __init__(self, child: subprocess.Popen[bytes], errors: IO[bytes], secrets: Sequence[str]) -> None:
        self.child, self._errors, self._mask = child, errors, Mask(secrets)

    @property
    def output(self) -> IO[bytes]:
        assert self.child.stdout is not None
        return self.child.stdout

    def feed(self, stream: Readable) -> None:
        """All of `stream`, as far as it wants it; then its end is waited for. Raises as `ended` does."""
        assert self.child.stdin is not None
        try:
            while block := stream.read(BLOCK):
                self.child.stdin.write(block)
            self.child.stdin.close()
        except BrokenPipeError:
            pass  # it says why
        self.ended()

    def ended(self) -> None:
        """Raises PlatformError("backup_program_failed") with its last words."""
        code = self.child.wait()
        if code:
            program = Path(str(self.child.args[0])).name  # type: ignore[index]
            words = f"{program} ended with {code}: {self._said() or 'it gave no reason'}"
            raise PlatformError("backup_program_failed", words[:400])

    def _said(self) -> str:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - SAID))
        lines = [line.strip() for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()]
        return self._mask(" ".join(lines[-3:]))


@contextmanager
def started(
    command: Sequence[str], env: Mapping[str, str], *, secrets: Sequence[str], feeds: bool = False
) -> Iterator[Program]:
    """`feeds`: it is given a stream, and what it says is nothing; else it makes one. It is dead when the body ends."""
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "PATH", "TZDIR")}
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            list(command), env=kept | {"LC_ALL": "C.UTF-8"} | dict(env), stderr=errors,
            stdin=subprocess.PIPE if feeds else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if feeds else subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        pipe = child.stdin if feeds else child.stdout
        assert pipe is not None
        try:
            fcntl.fcntl(pipe.fileno(), F_SETPIPE_SZ, BLOCK)
        except OSError:
            pass  # smaller blocks then
        try:
            yield Program(child, errors, secrets)
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
            try:
                pipe.close()
            except BrokenPipeError:
                pass


def program(tools: Installed, name: str, package: str) -> str:
    """Where `name` is. Raises UserError("backup_tools_missing")."""
    found = shutil.which(name, path=":".join(tools.path))
    if found is None:
        raise UserError(
            "backup_tools_missing", f"{name} is not installed on this host.", f"Install the package {package} on it."
        )
    return found
