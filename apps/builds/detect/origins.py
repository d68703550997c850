"""Where the parts of a plan come from: the app's settings, a file of the repository, or what is usual for its stack."""

from __future__ import annotations

from pathlib import Path

from apps.builds.detect import settings
from apps.builds.detect.plan import Overrides, Plan, within
from apps.builds.detect.project import Project

SETTINGS = "settings"  # the app's own, in the dashboard
PARTS = ("framework", "install", "build", "start", "output", "packages")


def origins(root: Path, plan: Plan, overrides: Overrides) -> dict[str, str]:
    """Part of the plan → SETTINGS, or the name of the file that says so; what is not in it was found."""
    project = Project(root)
    files = ("brainpod.json", "railpack.json")
    said = settings.apply(project, overrides)
    found = {}
    for part in PARTS:
        if getattr(overrides, part):
            found[part] = SETTINGS
        elif getattr(said, part):
            found[part] = project.first(*files)
    declared = project.processes.get(plan.kind, "")
    if declared and "start" not in found and plan.start == within(plan.member, declared):
        found["start"] = "Procfile"
    if plan.lockfiles and "install" not in found and (names := [name for name in plan.lockfiles if name != "."]):
        found["install"] = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return found
