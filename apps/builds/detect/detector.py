"""What a detector is, and what several of them need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from apps.builds.detect.plan import Overrides, Plan
from apps.builds.detect.project import Project
from apps.core.errors import UserError


def _always(project: Project) -> bool:
    return True


def _nothing(project: Project) -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, slots=True)
class Detector:
    """`matches` looks at names only where it can. `plan` raises UserError for what cannot be built as it is; its
    `start` and `output` are seen from the plan's `member`, an output with a slash before it from the plan's `root`.

    `serious`: whether what matches is an app of its own, not the tools of another one. `carries`: the detectors whose
    files belong to this one's app by custom, so that they are no second app beside it.
    """

    name: str
    title: str
    looks_for: str
    matches: Callable[[Project], bool]
    plan: Callable[[Project, Overrides], Plan]
    serious: Callable[[Project], bool] = _always
    carries: Callable[[Project], frozenset[str]] = _nothing


def started(
    project: Project, overrides: Overrides, find: Callable[[str], str], *, worker: bool = False, web: bool = False
) -> tuple[str, str]:
    """(kind, start command; none for static): by the settings, the Procfile, or `find`, which may raise.

    `worker`: what is there listens to nothing. `web`: it answers requests, whatever else the Procfile names.
    """
    kind = "worker" if overrides.kind == "worker" else "web"
    declared = project.processes
    if overrides.kind == "static":
        return "static", ""
    if kind == "web" and not overrides.kind and "web" not in declared and not web and ("worker" in declared or worker):
        kind = "worker"
    if overrides.start:
        return kind, overrides.start
    if kind in declared:
        return kind, declared[kind]
    return kind, find(kind)


def no_start(what: str, hint: str) -> UserError:
    return UserError("no_start_command", f"Nothing says how to start this {what}.", hint)


def several(what: str, names: list[str], hint: str) -> UserError:
    """More than one candidate, and nothing that says which."""
    shown = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
    return UserError("multiple_builders_matched", f"There are several {what} here: {shown}.", hint)
