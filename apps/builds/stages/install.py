"""install: the dependencies, as an immutable layer that is made once for a lockfile and mounted ever after."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from apps import artifacts
from apps.builds import layers, toolchains
from apps.builds.detect.plan import Plan
from apps.builds.layers import Layer
from apps.builds.stages import commands
from apps.builds.stages.room import Room
from apps.engines.base import Mount

MODULES = "node_modules"


def run(room: Room, plan: Plan, env: Mapping[str, str], *, use_cache: bool = True) -> Layer | None:
    """The layer of `plan`; None if there is none to make. Without `use_cache` everything is fetched anew."""
    room.check()
    if not plan.install:
        room.write("Nothing to install.")
        return None
    tools = toolchains.find(plan, room.tools)
    if not plan.layer:
        _fill(room, plan, env, tools, room.cache / "packages" if use_cache else room.directory("packages"))
        return None
    # Where installing runs or links code of the repository, it may also change the app: it has to happen each time.
    key = "" if "." in plan.lockfiles else layers.key(plan, room.app(plan.root), tools.versions)
    layer = layers.find(room.cache, key) if use_cache and key else None
    if layer:
        room.write("Dependencies unchanged: the stored layer is used.")
    else:
        layer = _install(room, plan, env, tools, use_cache)
        if layer and key:
            layers.remember(room.cache, key, layer.digest)
    if layer and plan.layer == "modules":
        link_modules(room, plan)
    return layer


def _install(
    room: Room, plan: Plan, env: Mapping[str, str], tools: toolchains.Toolchain, use_cache: bool
) -> Layer | None:
    packages = room.cache / "packages" if use_cache else room.directory("packages")
    _fill(room, plan, env, tools, packages)
    if plan.layer == "modules" and not _take_modules(room, plan):
        return None
    tree = artifacts.artifacts().adopt(room.dependencies, outside=tools.prefixes)
    room.write(f"Installed {tree.files} files, {tree.size / 1e6:.1f} MB.")
    return Layer(tree.digest, reused=False, size=tree.size)


def _fill(room: Room, plan: Plan, env: Mapping[str, str], tools: toolchains.Toolchain, packages: Path) -> None:
    packages.mkdir(parents=True, exist_ok=True)
    os.utime(packages)
    room.directory("deps")
    mounts = (Mount(str(room.dependencies), commands.DEPS, "write"), Mount(str(packages), commands.CACHE, "write"))
    for line in plan.install:
        commands.run(room, "install", line, root=plan.root, env={**plan.env, **env}, tools=tools, mounts=mounts)


def _take_modules(room: Room, plan: Plan) -> bool:
    """Move what was installed into the layer; False if nothing was."""
    modules = room.app(plan.root) / MODULES
    if modules.is_symlink() or not modules.is_dir():
        return False
    taken = room.dependencies / MODULES
    modules.rename(taken)
    for link in _top_links(taken):
        target = str(link.readlink())
        if target.startswith("../"):  # a workspace's package: it stays in the app
            inside = os.path.normpath(link.parent.relative_to(taken.parent) / target)
            link.unlink()
            link.symlink_to(f"/app/{inside.lstrip('/')}")
    return True


def _top_links(modules: Path) -> list[Path]:
    entries = [*modules.glob("*"), *modules.glob("@*/*")]
    own = os.path.realpath(modules)
    return [e for e in entries if e.is_symlink() and not os.path.realpath(e).startswith(f"{own}/")]


def link_modules(room: Room, plan: Plan) -> None:
    """The app sees the layer where it expects its modules; modules in the repository make room."""
    modules = room.app(plan.root) / MODULES
    if modules.is_symlink():
        modules.unlink()
    elif modules.exists():
        modules.rename(room.workspace / "replaced")
    modules.symlink_to(f"{commands.DEPS}/{MODULES}")
