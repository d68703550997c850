"""What a kind of database knows of its backups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from apps.backups.sealing import Readable
from apps.disks.places import Disk
from apps.servers.base import NAME, Installed, Server

Place = TypeVar("Place", contravariant=True)
Rows = dict[
    str, tuple[int, int]
]  # of each table, or whatever is counted: the least and the most there were while it was looked at
WAIT = 15  # seconds for a connection


@dataclass(frozen=True, slots=True)
class At:
    """A database of a server that runs, and how the platform reaches it. `tools`: this host's programs of its version.

    `disk`: the one with its data, of a kind whose backups are read off it. `work`: a place of the pod's for what is
    being restored, of a kind that has no other. `database` belongs to `user`, with `password`; `admin` is the
    platform's own user there, with `admin_password`. `shared`: others have databases there.
    """

    server: Server
    version: str
    host: str
    port: int
    password: str = field(repr=False)
    admin_password: str = field(repr=False)
    tools: Installed
    disk: Disk | None = None
    work: Path | None = None
    database: str = NAME
    user: str = NAME
    admin: str = field(kw_only=True)
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found in a scratch, and what is still to be made of the backup once it takes its place."""

    rows: Rows
    rest: bytes = b""


class Dump(Protocol):
    """`read` until there is nothing more; then `finish`, which raises if what was read is not all of it."""

    extension: str

    def read(self, size: int, /) -> bytes: ...

    def finish(self) -> Rows: ...


class Kind(Protocol[Place]):
    """All raise UserError or PlatformError with words for people. `at`: what apps.backups.places.at gives for it."""

    def dump(self, at: Place) -> AbstractContextManager[Dump]: ...

    def load(self, at: Place, stream: Readable, scratch: str, step: Callable[[str], None]) -> Loaded:
        """Everything of `stream` into `scratch`, which nobody else knows. `step` is told what is done."""
        ...

    def swap(self, at: Place, scratch: str, loaded: Loaded) -> None:
        """What is in `scratch` in the place of what apps see, all of it; or nothing, once `drop` was called too."""
        ...

    def drop(self, at: Place, scratch: str) -> None:
        """Nothing of `scratch` is left. It need not be there."""
        ...


def differences(expected: Mapping[str, tuple[int, int]], found: Mapping[str, tuple[int, int]]) -> list[str]:
    """What is not as it was when the backup was made, in words."""
    said = [f"{table} is missing" for table in expected.keys() - found.keys()]
    said += [f"{table} is there besides" for table in found.keys() - expected.keys()]
    for table in expected.keys() & found.keys():
        least, most = expected[table]
        low, high = found[table]
        if high < least or low > most:
            were = str(least) if least == most else f"{least} to {most}"
            said.append(f"{table}: {high} instead of {were}")
    return sorted(said)
