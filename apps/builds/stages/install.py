"""install: the dependencies, as an immutable layer that is made once for a lockfile and mounted ever after."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from apps import engines
from apps.builds import toolchains
from apps.builds.caching import keys
from apps.builds.caching.index import LAYERS
from apps.builds.detect.plan import Plan
from apps.builds.stages import commands, modules, storing
from apps.builds.stages.room import Room
from apps.engines.base import Mount


@dataclass(frozen=True, slots=True)
class Layer:
    """A stored tree of dependencies; `reused`: nothing had to be run for it."""

    digest: str
    reused: bool
    size: int = 0


def run(room: Room, plan: Plan, env: Mapping[str, str]) -> Layer | None:
    """The layer of `plan`; None if there is none to make. With the cache off everything is fetched anew."""
    room.check()
    if room.caching.state:
        room.write(f"Cache: {room.caching.state}")
    if not plan.install:
        room.write("Nothing to install.")
        return None
    tools = toolchains.find(plan, room.tools)
    if not plan.layer:
        _fill(room, plan, env, tools)
        return None
    key = keys.layer(plan, room.app(plan.root), tools.versions, env, tools.prefixes)
    if modules.several(plan) and not engines.builder().check().sandbox:
        key = ""  # nothing inside leads from a package of the workspace to a layer
    layer = _restored(room, key, tools) or _install(room, plan, env, tools, key)
    if layer and plan.layer == "modules":
        modules.link(room, plan, layer.digest)
    return layer


def _restored(room: Room, key: str, tools: toolchains.Toolchain) -> Layer | None:
    began = time.monotonic()
    entry = room.caching.find(LAYERS, key, outside=tools.prefixes)
    if entry is None:
        return None
    took = (time.monotonic() - began) * 1000
    room.write(f"Cache: restored dependencies ({entry.size / 1e6:.1f} MB) in {took:.0f} ms")
    return Layer(entry.digest, reused=True, size=entry.size)


def _install(room: Room, plan: Plan, env: Mapping[str, str], tools: toolchains.Toolchain, key: str) -> Layer | None:
    _fill(room, plan, env, tools)
    if plan.layer == "modules" and not modules.take(room, plan, whole=bool(key)):
        return None
    tree = storing.adopt(room, room.dependencies, outside=tools.prefixes)
    room.caching.keep(LAYERS, key, tree)
    room.write(f"Installed {tree.files} files, {tree.size / 1e6:.1f} MB.")
    return Layer(tree.digest, reused=False, size=tree.size)


def _fill(room: Room, plan: Plan, env: Mapping[str, str], tools: toolchains.Toolchain) -> None:
    packages = room.caching.packages()
    os.utime(packages)
    room.directory("deps")
    mounts = (Mount(str(room.dependencies), commands.DEPS, "write"), Mount(str(packages), commands.CACHE, "write"))
    for line in plan.install:
        commands.run(room, "install", line, root=plan.root, env={**plan.env, **env}, tools=tools, mounts=mounts)
