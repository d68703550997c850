"""What a database server is: its program's versions, how it is started, how it is reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from apps.engines import base

DATA = "/data"  # where a server finds its disk
NAME = "brainpod"  # of the user and the database that apps are given
SERVICES = base.SERVICES  # the pod that engines take infrastructure services for
SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True, slots=True)
class Installed:
    """One version on this host. `path`: directories with its programs; `roots`: what of them is not the system's."""

    version: str  # as it says itself: "18.3"
    path: tuple[str, ...]
    roots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """How apps reach a database. Servers without users and databases have none.

    `prefix`: at a key store that is shared, what its keys and channels have to begin with, before a colon.
    """

    host: str
    port: int
    password: str = field(repr=False)
    user: str = ""
    database: str = ""
    scheme: str = ""
    prefix: str = ""

    @property
    def uri(self) -> str:
        who = f"{self.user}:{quote(self.password, safe='')}"
        where = f"{self.host}:{self.port}"
        return f"{self.scheme}://{who}@{where}" + (f"/{self.database}" if self.database else "")

    def attributes(self) -> dict[str, str]:
        """What `${name.attribute}` stands for."""
        named = {"host": self.host, "port": str(self.port), "password": self.password, "uri": self.uri}
        own = {"user": self.user, "database": self.database, "prefix": self.prefix}
        return named | {name: value for name, value in own.items() if value}


@dataclass(frozen=True, slots=True)
class Server:
    """`script`, for `sh -c`, makes the data directory beneath DATA on first use and then runs the server.

    It has PORT, LISTEN (the address to listen at), MEMORY (MB), PASSWORD (of apps), ADMIN_PASSWORD and, where it is not
    called `admin`, ADMIN (the platform's own user) in its environment. `ready`: a command line that ends with 0 once
    the server answers; empty: once it listens.
    """

    kind: str
    title: str
    port: int
    scheme: str
    versions: tuple[str, ...]  # release lines, the newest first
    image: str  # on engines that run images; {} stands for the version
    package: str  # the system's; {} stands for the version
    owners: tuple[str, ...]  # the users one of which it runs as in an image
    script: str
    installed: Callable[[], Mapping[str, Installed]]  # by release line
    users: bool = True
    admin: str = "platform"  # the platform's own user
    ready: str = ""

    def access(self, host: str, password: str, own: str = "") -> Access:
        """`own`: what a pod's database is called at a shared server."""
        if self.users:
            return Access(host, self.port, password, own or NAME, own or NAME, self.scheme)
        return Access(host, self.port, password, user=own, scheme=self.scheme, prefix=own)

    @classmethod
    def script_of(cls, name: str) -> str:
        return (SCRIPTS / f"{name}.sh").read_text()
