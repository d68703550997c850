"""Tools that are one program on PATH, which says its version itself."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from apps.builds.toolchains.base import Part, asked, missing, prefix
from apps.builds.versions import at_least, fits_range, same_minor


@dataclass(frozen=True, slots=True)
class Program:
    """`package`: what to install. `more`: directories it reads besides. `runs`: the app needs it when it runs."""

    title: str
    package: str
    name: str = ""
    ask: tuple[str, ...] = ("--version",)
    says: str = r"(\d+(?:\.\d+)+)"
    fits: Callable[[str, str], bool] = at_least
    more: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    runs: bool = True


_QUIET_GO = (("GOTOOLCHAIN", "local"), ("GOFLAGS", "-buildvcs=false -modcacherw"))
PROGRAMS = {
    "go": Program(
        "Go", "install Go (Debian: apt install golang-go; or go.dev/dl)", ask=("version",), env=_QUIET_GO, runs=False
    ),
    "mvn": Program("Maven", "install maven (Debian: apt install maven)", more=("/etc/maven",), runs=False),
    "gradle": Program("Gradle", "install gradle (gradle.org), or commit the Gradle wrapper", runs=False),
    "php": Program(
        "PHP", "install php-cli and the extensions composer.json names (Debian: apt install php-cli)", fits=fits_range,
        more=("/etc/php",),
    ),
    "composer": Program("Composer", "install composer (Debian: apt install composer)", runs=False),
    "ruby": Program(
        "Ruby", "install ruby (Debian: apt install ruby-full)", fits=same_minor, more=("/var/lib/gems",)
    ),
    "bundle": Program("Bundler", "install bundler (Debian: apt install ruby-bundler; or gem install bundler)"),
    "jekyll": Program("Jekyll", "install jekyll (Debian: apt install jekyll; or gem install jekyll)", runs=False),
    "elixir": Program(
        "Elixir", "install elixir and erlang (Debian: apt install elixir erlang)", says=r"Elixir (\d+(?:\.\d+)+)",
        fits=fits_range,
    ),
    "dotnet": Program(".NET", "install the SDK, dotnet-sdk-8.0 or the one asked for (learn.microsoft.com/dotnet)",
                      more=("/etc/dotnet",)),
}  # fmt: skip


def find(tool: str, wanted: str, origin: str) -> Part:
    """Raises UserError("missing_toolchain")."""
    program = PROGRAMS[tool]
    path = shutil.which(program.name or tool)
    if path is None:
        raise missing(program.title, program.package)
    match = re.search(program.says, asked(path, *program.ask))
    version = match[1] if match else "unknown"
    if match and not program.fits(version, wanted):
        raise missing(f"{program.title} {wanted} ({origin})", f"{program.package}; there is {version}")
    here = str(Path(path).parent)
    homes = (prefix(path), here, *(directory for directory in program.more if Path(directory).is_dir()))
    return Part({tool: version}, homes, (here,), dict(program.env), program.runs)
