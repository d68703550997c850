"""Node.js and npm."""

from __future__ import annotations

import shutil
from pathlib import Path

from apps.builds.toolchains.base import Part, asked, missing, prefix
from apps.builds.versions import fits_node


def find(wanted: str, origin: str) -> Part:
    """Raises UserError("missing_toolchain")."""
    program = shutil.which("node")
    if program is None:
        raise missing("Node.js", "install nodejs (Debian: apt install nodejs; or nodejs.org)")
    version = asked(program, "--version").strip().removeprefix("v")
    if not fits_node(version, wanted):
        install = f"install Node.js {wanted} (nodejs.org), or ask for {version.partition('.')[0]}, which is there"
        raise missing(f"Node.js {wanted} ({origin})", install)
    return Part({"node": version}, (prefix(program), str(Path(program).parent)), (str(Path(program).parent),))
