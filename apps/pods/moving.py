"""A pod that goes from one engine to another: what differs, what a plan says of it, and what keeps it where it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from apps import engines
from apps.core.errors import Detail, UserError
from apps.engines.offers import TITLES
from apps.pods.contents import databases_of, disks_of
from apps.pods.diff import Change, FieldChange, diff
from apps.pods.models import Revision, Snapshot

FIELD = "engine"


def engine_of(revision: Revision | None) -> str:
    """The name of the engine it runs on."""
    return (revision.engine if revision else "") or engines.default()


def moves(before: Revision | None, after: Revision) -> bool:
    """Whether what is deployed goes to another engine."""
    return before is not None and engine_of(before) != engine_of(after)


def changes(before: Revision | None, after: Revision) -> list[Change]:
    """The diff of two whole revisions: that of their resources, and the pod's own, last."""
    found = diff(before.snapshot() if before else {}, after.snapshot())
    old, new = engine_of(before), engine_of(after)
    if old == new or not (before or found):
        return found
    return [*found, Change("Pod", after.pod.name, "update", (FieldChange(FIELD, TITLES[old], TITLES[new]),))]


def problems(live: Revision | None, target: Revision, after: Snapshot) -> Iterator[Detail]:
    """Why `target`, with the resources `after`, cannot run on its engine."""
    engine = engine_of(target)
    if engine not in engines.offered():
        there = " or ".join(TITLES[name] for name in engines.offered())
        yield Detail(FIELD, f"{TITLES[engine]} is not offered here any more: choose {there}.")
        return
    databases, disks = databases_of(after), disks_of(after).keys()
    if databases and not engines.named(engine).peers:
        yield Detail(FIELD, f"{TITLES[engine]} runs no databases yet: choose another for {', '.join(databases)}.")
    if disks and engines.named(engine).disks == "nowhere":
        yield Detail(FIELD, f"{TITLES[engine]} has no disks here: {', '.join(sorted(disks))} would have no place.")
    elif live and moves(live, target):
        kept = disks & disks_of(live.snapshot()).keys()
        try:
            check_disks(kept, engine_of(live), engine)
        except UserError as error:
            yield Detail(FIELD, f"{error.message} {error.hint}")


def check_disks(disks: Collection[str], old: str, new: str) -> None:
    """Raises UserError("disks_stay") when what is on `disks` cannot be had on the engine `new`."""
    places = {engines.named(name).disks for name in (old, new)}
    if disks and old != new and places != {"host"}:
        names = ", ".join(sorted(disks))
        raise UserError(
            "disks_stay",
            f"What is on disk {names} cannot go from {TITLES[old]} to {TITLES[new]}: that is on other machines.",
            f"Stay on {TITLES[old]}, or take the disk out of the pod first.",
        )
