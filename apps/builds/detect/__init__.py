"""Finds out how an app is built: detectors in a fixed order, and one of them makes the plan."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from apps.builds.detect import node, python, static
from apps.builds.detect.plan import Overrides, Plan
from apps.builds.detect.project import Project
from apps.core.errors import UserError

# The order of Railpack's providers; those of languages that are not here yet go between.
DETECTORS = (python, node, static)


def detect(root: Path, overrides: Overrides | None = None) -> Plan:
    """How the app in `root` is built and run. Raises UserError: no_framework_detected, multiple_builders_matched, …"""
    overrides = overrides or Overrides()
    project = Project(root)
    detector = _chosen(project, overrides)
    plan: Plan = detector.plan(project, overrides)
    return _overridden(plan, project, overrides)


def _chosen(project: Project, overrides: Overrides):  # type: ignore[no-untyped-def] # a module, or this raises
    if overrides.framework:
        for detector in DETECTORS:
            if overrides.framework == detector.NAME:
                return detector
        names = ", ".join(detector.NAME for detector in DETECTORS)
        raise UserError(
            "no_framework_detected", f"There is no builder {overrides.framework}.", f"Choose one of {names}."
        )
    found = [detector for detector in DETECTORS if detector.matches(project)]
    if python in found and node in found:
        if not node.runs(project) or python.carries_node(project):
            return python
        hint = "Set the framework to python or node in the app's build settings, or its root directory to one of them."
        raise UserError(
            "multiple_builders_matched", "Both Python (by its requirements) and Node.js (package.json) are here.", hint
        )
    if found:
        return found[0]
    if project.has("Dockerfile"):
        hint = "Add requirements.txt, pyproject.toml, package.json or index.html beside it."
        raise UserError("no_framework_detected", "There is only a Dockerfile, and this engine builds no images.", hint)
    hint = (
        "Put requirements.txt, pyproject.toml, package.json or index.html at the root, or set the root directory of the"
        " app to where they are."
    )
    raise UserError("no_framework_detected", "Nothing here says how the app is built.", hint)


def _overridden(plan: Plan, project: Project, overrides: Overrides) -> Plan:
    changes: dict[str, object] = {}
    if overrides.install:
        changes |= {
            "install": (*plan.install[:1], overrides.install) if plan.stack == "python" else (overrides.install,)
        }
        changes |= {"lockfiles": (".",)}  # the command may read anything
    if overrides.build:
        changes["build"] = (overrides.build,)
    if overrides.start and plan.kind != "static":
        changes["start"] = overrides.start
    if project.has("Dockerfile"):
        note = "There is a Dockerfile; this engine builds no images, so it is not used."
        changes["notes"] = (*plan.notes, note)
    return dataclasses.replace(plan, **changes)  # type: ignore[arg-type]
