"""From a staging pod to its parent: what was built there serves here, and nothing is built again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db import transaction

from apps import secretstore
from apps.audit import trail
from apps.builds.caching.place import PRODUCTION
from apps.builds.inputs import differing, has_source, inputs, secrets_built_in
from apps.builds.models import Build, Promotion
from apps.builds.stored import runs_on
from apps.core.errors import Conflict, Detail, Invalid
from apps.pods import revisions
from apps.pods.batch import Batch, Wanted, put, standing
from apps.pods.diff import Change, FieldChange, diff
from apps.pods.environment import KEY, secret_path
from apps.pods.models import Lineage, Pod, Resource, Revision, Snapshot
from apps.pods.moving import changes

if TYPE_CHECKING:
    from apps.accounts.models import User

_OWN = ("source.commit", "hostname", "domains", "password", "credentials")  # differ by what pods and promotions are


@dataclass(frozen=True, slots=True)
class Offer:
    """An app of the staging pod's live revision. `why`: it cannot be promoted; `there`: the parent runs it already.

    `inputs`: what the build was found to be made with, as the parent has it.
    """

    app: str
    build: Build | None
    why: str = ""
    there: bool = False
    inputs: str = ""


@dataclass(frozen=True, slots=True)
class Offers:
    """`differences`: from the parent to the staging pod, of what a promotion does not carry over. `along`: what the
    parent's draft changes already, which is deployed along with what is promoted.
    """

    parent: Pod
    revision: Revision
    apps: tuple[Offer, ...]
    differences: tuple[Change, ...]
    along: tuple[Change, ...]


def offers(child: Pod) -> Offers:
    """What of `child` can be promoted now. Raises Conflict("not_staging" | "nothing_to_promote").

    Secrets that go into what is built are compared by their values, which stay here. Raises Unavailable for those.
    """
    child = Pod.objects.select_related("live", "parent__live", "parent__head", "parent__team").get(pk=child.pk)
    parent, live = child.parent, child.live
    if parent is None or child.lineage != Lineage.STAGING:
        raise Conflict("not_staging", f"{child.name} is no staging pod.", "Promote from a staging pod.")
    if live is None:
        raise Conflict("nothing_to_promote", f"Nothing of {child.name} can be promoted.", "Deploy it first.")
    there, here = standing(parent), live.snapshot()
    builds = {row.app: row for row in live.builds.filter(zone=PRODUCTION).select_related("artifact")}
    named = [name for name in sorted(here) if has_source(here[name])]
    apps = tuple(_offer(parent, name, live, there, builds.get(name)) for name in named)
    along = tuple(changes(parent.live, parent.draft)) if parent.draft else ()
    return Offers(parent, live, apps, tuple(_differences(parent, there, here)), along)


def _offer(parent: Pod, app: str, live: Revision, there: Snapshot, build: Build | None) -> Offer:
    base = parent.draft or parent.head or parent.live
    if app not in there or there[app].kind != "App" or base is None:
        return Offer(app, build, f"{parent.name} has no app of this name: add it there first.")
    if build is None or build.artifact is None or not build.commit:
        return Offer(app, build, "what was built is not kept any more: redeploy the staging pod.")
    if not runs_on(base, build.artifact):
        return Offer(app, build, f"it was built for another engine than that of {parent.name}.")
    here = live.snapshot()
    if unlike := differing(there, here, app) or _other_secrets(parent.pk, there, live.pod_id, here, app):
        return Offer(app, build, f"it was built with another {', '.join(unlike)}: make that the same in both first.")
    running = parent.live.builds.filter(app=app).first() if parent.live else None
    runs = running is not None and running.artifact_id == build.artifact_id
    return Offer(app, build, there=runs, inputs=inputs(there, app))


def _other_secrets(parent: str, there: Snapshot, child: str, here: Snapshot, app: str) -> list[str]:
    """The secrets that go into what is built of `app` and have other values in the two pods."""
    ours, theirs = secrets_built_in(there, app), secrets_built_in(here, app)
    both = sorted(ours.keys() & theirs.keys())
    return [path for path in both if _value(parent, *ours[path]) != _value(child, *theirs[path])]


def _value(pod_id: str, config: str, name: str, version: int) -> str:
    return secretstore.secrets().read(secret_path(pod_id, config, name), version)[KEY]


def _differences(parent: Pod, there: Snapshot, here: Snapshot) -> list[Change]:
    base = parent.draft or parent.head or parent.live
    before = base.snapshot() if base else {}
    found = [replace(one, fields=tuple(filter(_counts, one.fields))) for one in diff(before, here)]
    return [one for one in found if one.change != "update" or one.fields]


def _counts(field: FieldChange) -> bool:
    """Versions of secrets mean nothing from pod to pod; that there is one does."""
    if field.path.startswith("secrets."):
        return field.before is None or field.after is None
    return field.path not in _OWN


@transaction.atomic
def promote(*, child: Pod, apps: Collection[str], version: int, by: User | None) -> Revision:
    """Pin `apps` in the parent's draft, which is returned, to what `version`, live in `child`, has built.

    Deploying that draft builds none of them, while neither their commit nor what their build depends on is changed.
    That `by` may change both pods is for the caller to know. Raises Invalid naming the apps that cannot be promoted,
    Conflict("not_staging" | "nothing_to_promote"), ("stale_plan") when another revision is live meanwhile.
    """
    found = offers(child)
    revisions.lock(found.parent)
    if found.revision.version != version:
        raise Conflict("stale_plan", f"Another revision of {child.name} is live since you looked.", "Look at it again.")
    wanted = [offer for offer in found.apps if offer.app in apps]
    if not wanted:
        raise Conflict("nothing_to_promote", f"Nothing of {child.name} can be promoted.", "Choose an app.")
    if wrong := [Detail(offer.app, offer.why) for offer in wanted if offer.why]:
        raise Invalid(wrong)
    there = standing(found.parent)
    if any(offer.inputs != inputs(there, offer.app) for offer in wanted):
        raise Conflict("stale_plan", f"{found.parent.name} was changed since you looked.", "Look at it again.")
    builds = {offer.app: offer.build for offer in wanted if offer.build}
    pinned = [_pinned(there[app], build.commit) for app, build in builds.items()]
    row = put(pod=found.parent, batch=Batch(pinned, keep=True), by=by)
    for app, build in builds.items():
        served = {"build": build, "inputs": inputs(there, app)}
        Promotion.objects.update_or_create(revision=row, app=app, defaults=served)
    row.summary = f"Promote {', '.join(sorted(builds))} of {child.name}, revision {version}"[:200]
    row.save(update_fields=["summary", "changed_at"])
    trail.note("draft.promote", by=by, about=found.parent, of=child.name, version=version, apps=sorted(builds))
    return row


def _pinned(app: Resource, commit: str) -> Wanted:
    return Wanted("App", app.name, app.spec | {"source": app.spec["source"] | {"commit": commit}})
