"""Anything else that says itself how it starts: start.sh, or a Procfile."""

from __future__ import annotations

from apps.builds.detect.detector import Detector, no_start, started
from apps.builds.detect.plan import Overrides, Plan
from apps.builds.detect.project import Project


def _plan(project: Project, overrides: Overrides) -> Plan:
    kind, start = started(project, overrides, lambda kind: _start(project, kind))
    return Plan(stack="shell", kind=kind, start=start, output="public" if kind == "static" else "")


def _start(project: Project, kind: str) -> str:
    if not project.has("start.sh"):
        raise no_start("repository", f"Write `{kind}: <command>` in the Procfile, or set the start command of the app.")
    return "bash start.sh" if "bash" in project.text("start.sh").partition("\n")[0] else "sh start.sh"


DETECTOR = Detector(
    name="shell", title="Shell script", looks_for="start.sh or a Procfile",
    matches=lambda project: project.has("start.sh", "Procfile"), plan=_plan,
)  # fmt: skip
