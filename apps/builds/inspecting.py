"""What a build of an app would do, found out as the build does: clone, detect, and a look at the toolchains."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from django.conf import settings
from django.db.models import Max

from apps import artifacts, sources
from apps.builds import toolchains
from apps.builds.caching.cache import Cache, Shelf
from apps.builds.detect.origins import origins
from apps.builds.detect.plan import Overrides, Plan
from apps.builds.image.choice import Builder, choose
from apps.builds.models import Inspection
from apps.builds.pipeline import overrides_of
from apps.builds.stages import clone, detect
from apps.builds.stages.room import Room
from apps.connections.access import access
from apps.core import claims
from apps.core.errors import UserError
from apps.pods.models import Pod, Resource

PINNED = ("repo", "branch", "rootDir", "submodules", "commit")


def inputs(resource: Resource) -> str:
    """The digest of everything that the look at an app with a source depends on, its branch's tip left out."""
    source = resource.spec["source"]
    whole: list[Any] = [[source.get(key) or "" for key in PINNED], _said(resource)]
    if resource.revision.engine:
        whole.append(resource.revision.engine)
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def newest(resource: Resource, pod_id: str) -> Inspection | None:
    """The last inspection of `resource` as it is now."""
    return newest_of([resource], pod_id).get(resource.name)


def newest_of(resources: Collection[Resource], pod_id: str) -> dict[str, Inspection]:
    """By app, as `newest`."""
    wanted = {resource.name: inputs(resource) for resource in resources}
    rows = Inspection.objects.filter(pod=pod_id, app__in=wanted, inputs__in=set(wanted.values()))
    newest = rows.order_by().values("app", "inputs").annotate(newest=Max("pk")).values("newest")
    found = Inspection.objects.filter(pk__in=newest)
    return {row.app: row for row in found if row.inputs == wanted[row.app]}


def fields(resource: Resource) -> dict[str, Any]:
    """What an Inspection of `resource` has to know."""
    source = resource.spec["source"]
    return {
        "app": resource.name,
        "inputs": inputs(resource),
        "repo": source["repo"],
        "branch": source.get("branch", ""),
        "root_dir": source.get("rootDir", ""),
        "submodules": bool(source.get("submodules")),
        "commit": source.get("commit", ""),
        "overrides": _said(resource),
    }


def _said(resource: Resource) -> dict[str, Any]:
    return {key: value for key, value in asdict(overrides_of(resource.spec)).items() if value}


@contextmanager
def room_for(inspection: Inspection, cancelled: Callable[[], bool]) -> Iterator[Room]:
    """Where it works; gone afterwards."""
    discard(inspection)
    scratch = artifacts.artifacts().scratch(_scratch(inspection))
    nothing = Cache(Shelf(scratch / "cache"), on=False)  # nothing is installed
    try:
        yield Room(scratch, nothing, inspection.pod_id, write=lambda _: None, cancelled=cancelled)
    finally:
        claims.end(scratch)


def discard(inspection: Inspection) -> None:
    """Remove what a worker that was killed left behind; for one that nobody works on."""
    artifacts.artifacts().discard_scratch(_scratch(inspection))


def _scratch(inspection: Inspection) -> str:
    return f"inspection-{inspection.pk}"


def look(inspection: Inspection, room: Room) -> tuple[Plan, Builder, dict[str, Any]]:
    """The plan, who would build it, and the fields of the row that say what was found.

    Raises UserError with the failure's name, Interrupted.
    """
    repo, branch = inspection.repo, inspection.branch
    with access(inspection.pod.team, repo) as way:
        commit = inspection.commit or sources.source().resolve(repo, branch, credential=way.credential)
        cloned = clone.run(room, repo=repo, commit=commit, branch=branch, submodules=inspection.submodules, way=way)
    overrides = Overrides(**inspection.overrides)
    builder = choose(room, _spec(inspection, overrides), _engine(inspection.pod))
    plan = detect.make_plan(room, root_dir=inspection.root_dir, overrides=replace(overrides, builder=builder))
    found = origins(detect.place(room, inspection.root_dir), plan, overrides)
    shown = asdict(plan) | {"title": plan.title, "origins": found}
    return plan, builder, {"commit": cloned.sha, "message": cloned.message[:200], "plan": shown}


def _engine(pod: Pod) -> str:
    """Of the revision that was looked at: what the editors see."""
    revision = pod.draft or pod.head or pod.live
    return revision.engine if revision else ""


def _spec(inspection: Inspection, overrides: Overrides) -> dict[str, Any]:
    """As much of the app's as the builder is chosen by."""
    wanted = {"framework": overrides.framework, "builder": overrides.builder, "dockerfile": overrides.dockerfile}
    return {"type": overrides.kind, "source": {"rootDir": inspection.root_dir}, "build": wanted}


def lacking(plan: Plan, builder: Builder, room: Room) -> UserError | None:
    """What this machine has not and the build would fail for; nothing where others build, or images bring it along."""
    if builder != "bundle" or not settings.BRAINPOD.builds:
        return None
    try:
        toolchains.find(plan, room.tools)
    except UserError as error:
        return error
    return None
