"""detect: what the checkout is, and how it will be built; the head of the log says both."""

from __future__ import annotations

from pathlib import Path

from apps.builds import toolchains
from apps.builds.detect import detect
from apps.builds.detect.plan import Overrides, Plan
from apps.builds.detect.project import Project
from apps.builds.image import context
from apps.builds.image.choice import Builder
from apps.builds.image.railpack import preparing, reading
from apps.builds.stages.room import Room
from apps.core.errors import Detail, Invalid

_BUILDERS: dict[Builder, str] = {
    "bundle": "bundle, in a sandbox with this machine's tools",
    "image": "image, by Docker's BuildKit",
    "railpack": "railpack, by Docker's BuildKit",
}


def run(
    room: Room,
    *,
    root_dir: str = "",
    overrides: Overrides | None = None,
    builder: Builder = "bundle",
) -> Plan:
    """The plan for the app in `root_dir`, which a bundle needs tools of this machine for.

    Raises UserError with the failure's name; missing_toolchain too.
    """
    plan = make_plan(room, root_dir=root_dir, overrides=overrides)
    for line in plan.lines():
        room.write(line)
    room.write(f"Builder: {_BUILDERS[builder]}")
    if builder != "bundle":
        return plan
    for line in toolchains.find(plan, room.tools).lines:
        room.write(line)
    return plan


def make_plan(room: Room, *, root_dir: str = "", overrides: Overrides | None = None) -> Plan:
    """The plan, whatever this machine has."""
    room.check()
    root = place(room, root_dir)
    if overrides and overrides.builder == "railpack":
        return _by_railpack(room, Project(root, root_dir.strip("/"), room.source), overrides)
    return detect(root, overrides, repository=room.source)


def _by_railpack(room: Room, project: Project, overrides: Overrides) -> Plan:
    """Railpack's plan; the room keeps what its frontend will need."""
    context.open_to_all(project.root)
    prepared = preparing.prepare(
        project, overrides, work=room.directory(preparing.WORK), mise=room.tools / preparing.MISE,
        cancelled=room.cancelled,
    )  # fmt: skip
    return reading.read(prepared, project, overrides)


def place(room: Room, root_dir: str) -> Path:
    """Where the app is in the checkout. Raises Invalid naming source.rootDir."""
    app = room.app(root_dir)
    if not app.is_dir():
        raise Invalid([Detail("source.rootDir", f"There is no directory {root_dir} in this commit.")])
    return app
