"""The interpreters, compilers and package managers of this machine that a plan asks for."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from apps.builds.detect.plan import Plan
from apps.builds.toolchains import fetched, java, node, programs, python, rust
from apps.builds.toolchains.base import Part, Toolchain, together
from apps.core.errors import UserError

__all__ = ["Toolchain", "find"]


def find(plan: Plan, tools: Path) -> Toolchain:
    """The tools of `plan`; what a package registry has is put into the directory `tools`.

    Raises UserError("missing_toolchain") naming the package to install, or "dockerfile_needs_docker".
    """
    if plan.stack == "docker":
        hint = (
            "Commit one of the files that the detection knows (see `manage.py detect`), or use an installation whose"
            " engine is Docker."
        )
        raise UserError("dockerfile_needs_docker", "There is only a Dockerfile, and this engine makes no images.", hint)
    parts = [_part(tool, plan, tools) for tool in plan.tools]
    parts += [python.uv_home(tools)] if "python" in plan.tools else []
    before = ("/layers/deps/venv/bin",) if plan.stack == "python" else ()
    before = ("/app/node_modules/.bin",) if plan.layer == "modules" else before
    found = together(parts, before)
    _mark_used(found, tools)
    return found


def _mark_used(found: Toolchain, tools: Path) -> None:
    """The time of a directory in `tools` is when a build last needed it: what is idle for long is removed."""
    for mount in found.mounts:
        if tools in Path(mount.source).parents:
            home = tools / Path(mount.source).relative_to(tools).parts[0]
            with contextlib.suppress(OSError):
                os.utime(home)


def _part(tool: str, plan: Plan, tools: Path) -> Part:
    wanted, origin = plan.versions.get({"cargo": "rust"}.get(tool, tool), ("", "default"))
    match tool:
        case "python":
            return python.find(wanted, origin, tools)
        case "node":
            return node.find(wanted, origin, tools)
        case "npm":
            runtime = node.find(*plan.versions.get("node", ("", "default")), tools)
            return node.npm(wanted, origin, tools, runtime)
        case "pnpm" | "yarn" | "bun" | "deno" | "hugo":
            return fetched.find(tool, wanted, origin, tools)
        case "java":
            return java.find(wanted, origin)
        case "cargo":
            return rust.find(wanted, origin)
    return programs.find(tool, wanted, origin)
