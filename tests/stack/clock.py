"""A clock of a platform's own that can be set while everything runs, as an operator or NTP would set the machine's.

The platform's dynamic processes (Python, Valkey, git) are started with a small library before libc, which adds to the
real time what the clock is wrong by, in everything that tells the time of day and in the stamps of files. The programs
that are linked statically keep the machine's time, as if they were on another host: nginx, OpenBao, and what runs in
sandboxes. libfaketime was tried: with its version 0.9.10 `time.sleep` fails with EINVAL in Python 3.11 once the clock
was set.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

_SIZE = 8 + 63 * 16  # struct table in clock.c


class Clock:
    """Right until it is `put`. `settings` go into the environment of whoever shall go by it."""

    def __init__(self) -> None:
        if not (compiler := shutil.which("cc")):
            pytest.skip("there is no C compiler (cc)")
        self._home = Path(tempfile.mkdtemp(prefix="bp-clock-"))
        self._home.chmod(0o755)
        self._table, library = self._home / "table", self._home / "clock.so"
        self._table.write_bytes(bytes(_SIZE))
        source = Path(__file__).with_suffix(".c")
        subprocess.run([compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source], check=True)
        self.settings = {"LD_PRELOAD": str(library), "TEST_CLOCK": str(self._table)}
        self._times = 0

    def put(self, by: float) -> None:
        """Set it: from now on it is wrong by so many seconds."""
        with self._table.open("r+b", buffering=0) as file:
            file.seek(8 + self._times * 16)
            file.write(struct.pack("=qq", time.time_ns(), round(by * 1e9)))
            self._times += 1
            file.seek(0)
            file.write(struct.pack("=q", self._times))

    def remove(self) -> None:
        shutil.rmtree(self._home)
