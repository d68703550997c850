"""MariaDB, as the system has it."""

from __future__ import annotations

import shutil
from pathlib import Path

from apps.core.programs import version_of
from apps.servers.base import Installed, Server

PROGRAMS = ("/usr/sbin", "/usr/bin")


def installed() -> dict[str, Installed]:
    server = shutil.which("mariadbd", path=":".join(PROGRAMS))
    version = version_of(Path(server), "--version") if server else ""
    line = ".".join(version.split(".")[:2])
    return {line: Installed(version, PROGRAMS)} if version else {}


MARIADB = Server(
    kind="MariaDB",
    title="MariaDB",
    port=3306,
    scheme="mysql",
    versions=("12.0", "11.8", "11.4", "10.11"),
    image="mariadb:{}",
    package="mariadb-server",
    owners=("mysql",),
    script=Server.script_of("mariadb"),
    installed=installed,
    ready='mariadb-admin --no-defaults -h 127.0.0.1 -P "$PORT" -u brainpod --password="$PASSWORD" ping',
)
