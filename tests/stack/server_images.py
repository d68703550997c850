"""Images of database servers as the official ones are: started as root, the server's own user among others.

No image can be pulled, so each is made of this machine's own server of Debian's, as far as it takes to run it.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from apps.servers.catalogue import SERVERS
from apps.servers.postgres import DEBIAN
from tests.stack.docker import DockerDaemon
from tests.stack.docker_engine import add_file, fill_with_python, libraries

GOSU = b"""#!/bin/sh
user=$1
shift
exec /usr/local/bin/setpriv --reuid="$(id -u "$user")" --regid="$(id -g "$user")" --clear-groups -- "$@"
"""


@dataclass(frozen=True, slots=True)
class ServerImage:
    """`version`: its release line. `setting`: what names it in BRAINPOD_BASE_IMAGES."""

    kind: str
    version: str
    reference: str

    @property
    def setting(self) -> str:
        return f"{SERVERS[self.kind].scheme}={self.reference}"


Images = Callable[[str], ServerImage]


@dataclass(frozen=True, slots=True)
class _Content:
    """Of an image: `programs` with the libraries they need, and whole directories. `gosu`: whether it has that."""

    user: str
    version: str
    path: str
    programs: tuple[Path, ...]
    directories: tuple[Path, ...] = ()
    gosu: bool = True


@pytest.fixture(scope="session")
def server_image(docker_daemon: DockerDaemon) -> Images:
    """By the kind of server; each is made when it is first asked for."""
    made: dict[str, ServerImage] = {}

    def get(kind: str) -> ServerImage:
        if kind not in made:
            made[kind] = _imported(docker_daemon, kind)
        return made[kind]

    return get


def _imported(daemon: DockerDaemon, kind: str) -> ServerImage:
    content = {"PostgresDB": _postgres, "MariaDB": _mariadb, "Valkey": _redis}[kind]()
    repository = f"brainpod-test/{kind.lower()}"
    users = {
        "passwd": f"root:x:0:0::/:/bin/sh\n{content.user}:x:999:999::/data:/bin/sh\n",
        "group": f"root:x:0:\n{content.user}:x:999:\n",
    }
    with tempfile.TemporaryFile() as held:
        with tarfile.open(fileobj=held, mode="w", dereference=False) as archive:
            fill_with_python(archive, users)
            _fill(archive, content)
        held.seek(0)
        path = f"ENV PATH={content.path}:/usr/local/bin:/usr/bin:/bin"
        daemon.client().api.import_image_from_data(held, repository=repository, tag="1", changes=[path])
    return ServerImage(kind, content.version, f"{repository}:1")


def _fill(archive: tarfile.TarFile, content: _Content) -> None:
    dash, setpriv = _program("dash"), _program("setpriv")
    archive.add(dash, "usr/local/bin/sh")  # busybox's takes its own setpriv, which is another
    archive.add(setpriv, "usr/local/bin/setpriv")
    if content.gosu:
        add_file(archive, "usr/local/bin/gosu", GOSU, 0o755)
    for name in (*content.directories, Path("/usr/share/zoneinfo/Etc")):
        archive.add(name, str(name).lstrip("/"))
    for name in (*content.programs, *Path("/usr/lib/locale").glob("C.*"), Path("/usr/share/zoneinfo/UTC")):
        archive.add(name.resolve(), str(name).lstrip("/"))
    there = {f"/{name}" for name in archive.getnames()}
    shared = [path for place in content.directories for path in place.rglob("*.so")]
    for path in libraries([dash, setpriv, *content.programs, *shared]) - there:
        add_file(archive, path.lstrip("/"), Path(path).read_bytes(), 0o755)


def _postgres() -> _Content:
    there = sorted(DEBIAN.glob("*/bin/postgres"))
    if not there:
        _without("this host has no PostgreSQL of Debian's")
    home = there[-1].parents[1]
    programs = tuple((home / "bin").iterdir())
    share = Path("/usr/share/postgresql") / home.name
    return _Content("postgres", home.name, f"{home}/bin", programs, (home / "lib", share))


def _mariadb() -> _Content:
    names = ("mariadbd", "mariadb", "mariadb-admin", "mariadb-install-db", "my_print_defaults", "resolveip")
    (version,) = SERVERS["MariaDB"].installed() or ("",)
    places = (Path("/usr/share/mysql"), Path("/usr/lib/mysql"))
    return _Content("mysql", version, "/usr/sbin", tuple(map(_program, names)), places)


def _redis() -> _Content:
    """Without gosu, as the official ones of Valkey are."""
    server = _program("redis-server")
    version = next(line for line, it in SERVERS["Valkey"].installed().items() if it.path == (str(server.parent),))
    return _Content("redis", version, str(server.parent), (server,), gosu=False)


def _program(name: str) -> Path:
    """Where a package of Debian's puts it: not behind the link that /bin and /sbin are."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin")
    return Path(found or _without(f"this host has no {name}"))


def _without(why: str) -> str:
    """In CI nothing may be missing."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    return ""
