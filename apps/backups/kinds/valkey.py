"""Valkey and Redis: the snapshot that the server itself saves; a restore is a disk on which one like it has put it.

A backup asks for BGSAVE, which costs the server a fork and no pause, and reads the file off the disk. What is restored
is loaded by a server of our own that nobody reaches, and written by it as the append-only file the real one starts with
(https://valkey.io/topics/persistence/: with `appendonly yes` a snapshot alone is not read).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.backups.kinds import disk
from apps.backups.kinds.base import WAIT, At, Loaded, Rows
from apps.backups.sealing import BLOCK, Readable
from apps.core import room
from apps.core.errors import PlatformError, UserError
from apps.disks import archive, beneath, places
from apps.servers.valkey import VALKEY

HOME = "valkey"  # its directory on the disk: apps/servers/scripts/valkey.sh
SNAPSHOT = "dump.rdb"
LOOK_EVERY = 0.05
PATIENCE = 3600.0  # seconds for a save, a load or a rewrite
KEYS, LASTING = "keys", "keys without an end"  # what is counted


class Valkey:
    """A scratch is a directory beside the disk, as one of a disk is."""

    @contextmanager
    def dump(self, at: At) -> Iterator[_Snapshot]:
        with telling(), closing(client(at)) as asked:
            before = counted(asked)
            _save(asked)
            with beneath.top(_disk(at).path) as top, beneath.file(top, (HOME.encode(), SNAPSHOT.encode())) as file:
                yield _Snapshot(file, asked, before)

    def load(self, at: At, stream: Readable, scratch: str, step: Callable[[str], None]) -> Loaded:
        if at.tools.version.partition(".")[0] != at.version:
            missing = f"This host has no {VALKEY.title} {at.version}: a later one writes what it cannot read."
            raise UserError(
                "backup_tools_missing", missing, f"Install the package {VALKEY.package} {at.version} on it."
            )
        step("Loading it into a server beside what is there")
        found: Rows = {}

        def put(into: int) -> None:
            home = incoming / HOME
            home.mkdir(mode=0o700)
            _written(home / SNAPSHOT, stream)
            with telling(), _server(at, home) as asked:
                found.update(counted(asked))
                step("Writing it down as the server reads it")
                _append_only(asked)
            (home / SNAPSHOT).unlink()
            _hand_over(incoming, target)

        target = _disk(at)
        incoming = target.beside("incoming", scratch)
        archive.filled(target, put, key=scratch)
        return Loaded(found)

    def swap(self, at: At, scratch: str, loaded: Loaded) -> None:
        disk.Disk().swap(disk.At(_disk(at)), scratch, loaded)

    def drop(self, at: At, scratch: str) -> None:
        disk.Disk().drop(disk.At(_disk(at)), scratch)


class _Snapshot:
    extension = "rdb"

    def __init__(self, file: int, asked: Any, before: Rows) -> None:
        self._file, self._asked, self._before = file, asked, before

    def read(self, size: int, /) -> bytes:
        return os.read(self._file, size)

    def finish(self) -> Rows:
        """Between the fewest and the most that may be found: keys end, and come and go while it is saved."""
        with telling():
            after = counted(self._asked)
        both = {name: (min(self._before[name][0], low), max(self._before[name][1], high))
                for name, (low, high) in after.items()}  # fmt: skip
        return both | {KEYS: (both[LASTING][0], both[KEYS][1])}


def counted(asked: Any) -> Rows:
    """In all its numbered databases: every key, and those that stay until somebody deletes them."""
    rows = asked.info("keyspace").values()
    keys, ending = sum(row["keys"] for row in rows), sum(row["expires"] for row in rows)
    return {KEYS: (keys, keys), LASTING: (keys - ending, keys - ending)}


def _disk(at: At) -> places.Disk:
    assert at.disk is not None
    return at.disk


def client(at: At) -> Any:
    return redis.Redis(
        host=at.host, port=at.port, username=at.admin, password=at.admin_password, retry=Retry(NoBackoff(), 0),
        max_connections=1, socket_timeout=WAIT, socket_connect_timeout=WAIT,
    )  # fmt: skip


@contextmanager
def telling() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise PlatformError("backup_database_failed", f"{VALKEY.title}: {error}."[:400]) from None


def _save(asked: Any) -> None:
    """A snapshot of now, or of the moment one began that was under way."""
    begun = asked.info("persistence")["rdb_saves"]
    try:
        asked.execute_command("BGSAVE", "SCHEDULE")  # scheduled where the append-only file is being rewritten
    except redis.ResponseError as error:
        if "in progress" not in str(error):
            raise
        begun -= 1

    def done(said: dict[str, Any]) -> bool:
        if said["rdb_bgsave_in_progress"] or said["rdb_saves"] <= begun:
            return False
        if said["rdb_last_bgsave_status"] == "ok":
            return True
        raise PlatformError("backup_database_failed", f"{VALKEY.title} could not save its snapshot: is its disk full?")

    _until(asked, done)


def _append_only(asked: Any) -> None:
    """What it has loaded, written as the files that `appendonly yes` begins with."""
    asked.config_set("appendonly", "yes")

    def done(said: dict[str, Any]) -> bool:
        if said["aof_rewrite_in_progress"] or said["aof_rewrite_scheduled"]:
            return False
        if said["aof_last_bgrewrite_status"] == "ok":
            return True
        raise PlatformError("backup_database_failed", f"{VALKEY.title} could not write what it had loaded.")

    _until(asked, done)


def _until(asked: Any, done: Callable[[dict[str, Any]], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not done(asked.info("persistence")):
        if time.monotonic() > until:
            raise PlatformError("backup_database_failed", f"{VALKEY.title} was not done within an hour.")
        time.sleep(LOOK_EVERY)


def _written(path: Path, stream: Readable) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while block := stream.read(BLOCK):
            file.write(block)
            room.check()


@contextmanager
def _server(at: At, home: Path) -> Iterator[Any]:
    """One of `at`'s version over `home`, which nobody but us reaches, once it has loaded what is there."""
    program = next(
        (found for name in ("valkey-server", "redis-server") if (found := shutil.which(name, path=_path(at)))), None
    )
    if program is None:
        raise UserError("backup_tools_missing", f"{VALKEY.title} is not installed on this host.", "Install it.")
    with tempfile.TemporaryDirectory(prefix="bp-v-") as place:
        door, said = Path(place, "door"), Path(place, "said")
        settings = {
            "port": "0", "unixsocket": str(door), "unixsocketperm": "700", "dir": str(home), "dbfilename": SNAPSHOT,
            "appendonly": "no", "save": "", "sanitize-dump-payload": "yes", "loglevel": "warning",
        }  # fmt: skip
        command = [program, *(word for name, value in settings.items() for word in (f"--{name}", value))]
        with said.open("wb") as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"LC_ALL": "C"})
        try:
            with closing(redis.Redis(unix_socket_path=str(door), retry=Retry(NoBackoff(), 0))) as asked:
                _loaded(asked, child, said)
                yield asked
        finally:
            child.terminate()  # in order: it syncs what it has written
            try:
                child.wait(WAIT)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _loaded(asked: Any, child: subprocess.Popen[bytes], said: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if child.poll() is not None:
            last = said.read_text(errors="replace").strip().splitlines()[-2:]
            raise PlatformError("backup_program_failed", f"The snapshot could not be loaded: {' '.join(last)}"[:400])
        try:
            asked.ping()
            return
        except (redis.ConnectionError, redis.BusyLoadingError):
            time.sleep(LOOK_EVERY)
    raise PlatformError("backup_program_failed", "The snapshot was not loaded within an hour.")


def _path(at: At) -> str:
    return ":".join(at.tools.path)


def _hand_over(incoming: Path, target: places.Disk) -> None:
    """Everything to whoever has what is on the disk now."""
    there = target.path / HOME
    owner = (there if there.is_dir() else target.path).stat(follow_symlinks=False)
    if os.geteuid() != 0:
        return
    for directory, _, files in os.walk(incoming):
        for path in (directory, *(os.path.join(directory, name) for name in files)):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
