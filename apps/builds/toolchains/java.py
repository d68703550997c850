"""The JDKs of this machine."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from apps.builds.toolchains.base import Part, missing

_DEFAULT = 17  # what a default-jdk has at least; a later one compiles for earlier ones
_PLACES = (Path("/usr/lib/jvm"), Path("/opt/java"), Path("/opt/jdk"))


def find(wanted: str, origin: str) -> Part:
    """The machine's own JDK if it is new enough, else the oldest that is. Raises UserError("missing_toolchain")."""
    least = int(wanted) if wanted.isdecimal() else 0
    there = [(major, home, version) for home in _homes() if (version := _version(home)) and (major := _major(version))]
    fitting = [found for found in there if found[0] >= least]
    if not fitting:
        what = f"A JDK for Java {wanted} or later ({origin})" if wanted else "A JDK"
        package = "default-jdk-headless" if least <= _DEFAULT else f"openjdk-{wanted}-jdk-headless"
        raise missing(what, f"install {package} (Debian: apt install {package}; or adoptium.net)")
    major, home, version = fitting[0] if fitting[0] == there[0] else min(fitting)
    more = [f"/etc/java-{major}-openjdk", *({"/etc/java"} if Path("/etc/java").is_dir() else ())]
    homes = (str(home), *(directory for directory in more if Path(directory).is_dir()))
    return Part({"java": version}, homes, (f"{home}/bin",), {"JAVA_HOME": str(home)})


def _homes() -> list[Path]:
    """Directories with a compiler, the one that `java` is first."""
    program = shutil.which("javac")
    named = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    own = [Path(program).resolve().parent.parent] if program else []
    others = [home for place in _PLACES if place.is_dir() for home in sorted(place.iterdir()) if not home.is_symlink()]
    return [home for home in dict.fromkeys((*named, *own, *others)) if (home / "bin/javac").exists()]


def _version(home: Path) -> str:
    try:
        match = re.search(r'^JAVA_VERSION="([^"]+)"', (home / "release").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return match[1] if match else ""


def _major(version: str) -> int:
    match = re.match(r"(?:1\.)?(\d+)", version)
    return int(match[1]) if match else 0
