"""Bun: a package.json with Bun's lockfile, Bun as its package manager, or a bunfig.toml."""

from __future__ import annotations

from apps.builds.detect import node
from apps.builds.detect.detector import Detector
from apps.builds.detect.project import Project


def _matches(project: Project) -> bool:
    return project.has("package.json") and node.uses_bun(project)


DETECTOR = Detector(
    name="bun", title="Bun", looks_for="bun.lock, bun.lockb or bunfig.toml beside package.json", matches=_matches,
    plan=lambda project, overrides: node.plan(project, overrides, stack="bun"),
    serious=node.runs, carries=lambda _: frozenset({"node"}),
)  # fmt: skip
