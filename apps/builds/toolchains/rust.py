"""Rust: the toolchain that rustup would take, without asking rustup inside, or the system's own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from apps.builds.toolchains.base import Part, asked, missing
from apps.builds.versions import at_least

_PACKAGE = "install cargo (Debian: apt install cargo; or rustup.rs)"


def find(wanted: str, origin: str) -> Part:
    """Raises UserError("missing_toolchain")."""
    if shutil.which("cc") is None:
        raise missing("A linker, which Rust needs", "install gcc (Debian: apt install gcc libc6-dev)")
    homes = _homes()
    for home in homes:
        version = _version(home)
        if version and _fits(home, version, wanted):
            return Part({"cargo": version}, (str(home),), (f"{home}/bin",), runs=False)
    if not homes:
        raise missing("Rust", _PACKAGE)
    raise missing(f"Rust {wanted} ({origin})", f"rustup toolchain install {wanted}; there is {_version(homes[0])}")


def _fits(home: Path, version: str, wanted: str) -> bool:
    """A later stable compiler builds what an earlier one did; nightly is only what is called so."""
    nightly = "nightly" in home.name or "nightly" in asked(f"{home}/bin/rustc", "--version")
    if wanted.startswith("nightly"):
        return nightly
    return not nightly and (not wanted[:1].isdigit() or at_least(version, wanted))


def _homes() -> list[Path]:
    """The default toolchain first, then rustup's others."""
    program = shutil.which("rustc")
    if program is None:
        return []
    own = Path(asked(program, "--print", "sysroot").strip() or "/nowhere")
    others = sorted(own.parent.iterdir(), reverse=True) if own.parent.name == "toolchains" else []
    return [home for home in dict.fromkeys((own, *others)) if (home / "bin/cargo").exists()]


def _version(home: Path) -> str:
    match = re.search(r"(\d+\.\d+\.\d+)", asked(f"{home}/bin/cargo", "--version"))
    return match[1] if match else ""
