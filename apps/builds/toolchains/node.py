"""Node.js and npm: this machine's if they fit, else those of the npm registry."""

from __future__ import annotations

import shutil
from pathlib import Path

from apps.builds.toolchains import fetched
from apps.builds.toolchains.base import Part, asked, prefix
from apps.builds.versions import fits_node

_OLD = 18  # npm 10 refuses what is older


def find(wanted: str, origin: str, tools: Path) -> Part:
    """Raises UserError("missing_toolchain")."""
    program = shutil.which("node")
    version = asked(program, "--version").strip().removeprefix("v") if program else ""
    if not program or not version or not fits_node(version, wanted):
        return fetched.node(wanted, origin, tools)
    return Part({"node": version}, (prefix(program), str(Path(program).parent)), (str(Path(program).parent),))


def npm(wanted: str, origin: str, tools: Path, runtime: Part) -> Part:
    """npm for the Node.js `runtime`. Raises UserError("missing_toolchain")."""
    version = runtime.versions["node"]
    found = fetched.find("npm", wanted, origin, tools)
    runs_on = fetched.package(Path(found.path[0], "npm")).get("engines", {}).get("node", "")
    if fits_node(version, runs_on):
        return found
    return fetched.find("npm", "9" if int(version.partition(".")[0]) < _OLD else "10", origin, tools)
