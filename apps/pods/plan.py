"""What deploying a revision will do, line by line, each with its consequence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal, cast

from apps.core.errors import Conflict, Detail
from apps.engines.offers import TITLES
from apps.pods import moving
from apps.pods.consequences import app_line, gone_line, order, other_line
from apps.pods.contents import disks_of
from apps.pods.diff import content
from apps.pods.domains import standing
from apps.pods.models import Pod, Revision, Snapshot
from apps.pods.validation import problems, warnings

Action = Literal["create", "rebuild", "restart", "update", "no-op", "destroy"]


@dataclass(frozen=True, slots=True)
class PlanLine:
    """`consequence` is a sentence with the name in it. `destructive`: something is lost that no rollback returns.

    `aside`: what holds now, and may not any more when it is deployed: no part of what is confirmed.
    """

    kind: str
    name: str
    action: Action
    consequence: str
    destructive: bool = False
    aside: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """`problems` keep it from being deployed. `notes`: what this rollback cannot bring back."""

    lines: tuple[PlanLine, ...]
    token: str
    problems: tuple[Detail, ...] = ()
    warnings: tuple[Detail, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def destructive(self) -> tuple[PlanLine, ...]:
        return tuple(line for line in self.lines if line.destructive)

    @property
    def changes(self) -> tuple[PlanLine, ...]:
        return tuple(line for line in self.lines if line.action != "no-op")


def make_plan(pod: Pod, target: Revision, *, stored: frozenset[str]) -> Plan:
    """From what is live to `target`. `stored`: the apps of `target` whose artifact exists already."""
    live = pod.live
    before, after = live.snapshot() if live else {}, target.snapshot()
    wrong = (*problems(after), *moving.problems(live, target, after))
    lines = (
        ()
        if wrong
        else (
            *_move(live, target),
            *_lines(before, after, stored, moved=_moved(live, target)),
            *_domains(pod, before, after),
        )
    )
    rollback = bool(live and target.version and live.version and target.version < live.version)
    notes = tuple(_notes(before, after, target)) if rollback else ()
    return Plan(lines, _token(pod, target, after, lines), wrong, tuple(warnings(after)), notes)


def check_token(pod: Pod, target: Revision, token: str, *, stored: frozenset[str]) -> Plan:
    """The plan, if it is still the one that `token` was made for. Raises Conflict("stale_plan")."""
    plan = make_plan(pod, target, stored=stored)
    if plan.token != token:
        raise Conflict(
            "stale_plan", "What would happen has changed since you looked.", "Read the new plan and confirm."
        )
    return plan


def _moved(live: Revision | None, target: Revision) -> str:
    """What the engine is called that `target` goes to; empty when it stays."""
    return TITLES[moving.engine_of(target)] if moving.moves(live, target) else ""


def _move(live: Revision | None, target: Revision) -> Iterator[PlanLine]:
    if to := _moved(live, target):
        name, gone = target.pod.name, TITLES[moving.engine_of(live)]
        yield PlanLine("Pod", name, "update", f"moves {name} from {gone} to {to}")


def _lines(before: Snapshot, after: Snapshot, stored: frozenset[str], *, moved: str) -> Iterator[PlanLine]:
    for name in sorted(after, key=lambda name: (order(after[name].kind), name)):
        if after[name].kind == "App":
            line = app_line(name, before, after, stored, moved=moved)
        else:
            line = other_line(name, before, after, stored)
        yield PlanLine(after[name].kind, name, *line)
    for name in sorted(before, key=lambda name: (-order(before[name].kind), name)):
        if name not in after or after[name].kind != before[name].kind:
            yield PlanLine(before[name].kind, name, *gone_line(name, before))


def _domains(pod: Pod, before: Snapshot, after: Snapshot) -> Iterator[PlanLine]:
    found = list(standing.changes(before, after))
    asides = standing.asides(pod, [host for host, action, _ in found if action != "destroy"])
    for host, action, consequence in found:
        yield PlanLine("Domain", host, cast("Action", action), consequence, aside=asides.get(host, ""))


def _notes(before: Snapshot, after: Snapshot, target: Revision) -> Iterator[str]:
    there = disks_of(before)
    for name in disks_of(after):
        if name in there:
            yield f"What is on disk {name} stays as it is now; nothing on it goes back to {target}."
        else:
            yield f"Disk {name} is made anew and empty: its content went when it was destroyed."
    yield "Migrations, and whatever else the apps changed outside of this pod, are not undone."


def _token(pod: Pod, target: Revision, after: Snapshot, lines: tuple[PlanLine, ...]) -> str:
    meaning = [
        pod.pk,
        pod.live_id,
        target.pk,
        moving.engine_of(target),
        content(after),
        [asdict(line) | {"aside": ""} for line in lines],
    ]
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:32]
