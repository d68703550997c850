"""What lies between a draft and what runs: for the bar, the map and the review."""

from __future__ import annotations

from dataclasses import dataclass

from apps.builds.stored import stored_apps
from apps.pods import moving
from apps.pods.diff import Change
from apps.pods.models import Pod, Revision
from apps.pods.plan import Plan, make_plan


@dataclass(frozen=True, slots=True)
class Review:
    """The diff and the plan of going from what is live to `target`."""

    target: Revision
    changes: list[Change]
    plan: Plan


def changes_of(pod: Pod, revision: Revision) -> list[Change]:
    """From what is live to `revision`."""
    return moving.changes(pod.live, revision)


def review(pod: Pod, target: Revision, stored: frozenset[str]) -> Review:
    """`stored`: the apps of `target` that need no build."""
    return Review(target, changes_of(pod, target), make_plan(pod, target, stored=stored))


def plan_of(pod: Pod, target: Revision) -> Plan:
    """What deploying `target`, sealed or a draft, will do."""
    return make_plan(pod, target, stored=stored_apps(target))
