"""build: the project's own build commands, over the dependencies."""

from __future__ import annotations

from collections.abc import Mapping

from apps.builds import bundle, toolchains
from apps.builds.caching import intermediates
from apps.builds.detect.plan import Plan
from apps.builds.stages import commands
from apps.builds.stages.install import Layer
from apps.builds.stages.room import Room
from apps.engines.base import Mount


def run(room: Room, plan: Plan, env: Mapping[str, str], layer: Layer | None) -> None:
    """Run the plan's build commands in the workspace; what they write into the dependencies is dropped."""
    room.check()
    if not plan.build:
        room.write("Nothing to build.")
        return
    tools = toolchains.find(plan, room.tools)
    packages = room.caching.packages()
    digest = layer.digest if layer else None
    mounts = (*bundle.layer_mounts(digest), Mount(str(packages), commands.CACHE, "write"))
    links = bundle.links(digest, node=plan.layer == "modules")
    values = {**plan.env, **env, **intermediates.restore(room, plan, tools.versions)}
    for line in plan.build:
        commands.run(room, "build", line, root=plan.root, env=values, tools=tools, mounts=mounts, links=links)
    intermediates.keep(room, plan, tools.versions)
