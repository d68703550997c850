"""detect: what the checkout is, and how it will be built; the head of the log says both."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from apps.builds import toolchains
from apps.builds.detect import detect
from apps.builds.detect.plan import Overrides, Plan
from apps.builds.stages.room import Room
from apps.core.errors import Detail, Invalid


def run(
    room: Room,
    *,
    root_dir: str = "",
    overrides: Overrides | None = None,
    builder: Literal["bundle", "image"] = "bundle",
) -> Plan:
    """The plan for the app in `root_dir`, which a bundle needs tools of this machine for.

    Raises UserError with the failure's name; missing_toolchain too.
    """
    plan = make_plan(room, root_dir=root_dir, overrides=overrides)
    for line in plan.lines():
        room.write(line)
    if builder == "image":
        room.write("An image is made by Docker.")
        return plan
    for line in toolchains.find(plan, room.tools).lines:
        room.write(line)
    return plan


def make_plan(room: Room, *, root_dir: str = "", overrides: Overrides | None = None) -> Plan:
    """The plan, whatever this machine has."""
    room.check()
    return detect(place(room, root_dir), overrides, repository=room.source)


def place(room: Room, root_dir: str) -> Path:
    """Where the app is in the checkout. Raises Invalid naming source.rootDir."""
    app = room.app(root_dir)
    if not app.is_dir():
        raise Invalid([Detail("source.rootDir", f"There is no directory {root_dir} in this commit.")])
    return app
