"""What can be done to pods. Each action locks the pod's row, so that two editors cannot make two drafts."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction

from apps import engines
from apps.audit import trail
from apps.core.errors import Conflict, Detail, Invalid, NotFound
from apps.pods import hosts, kinds, moving, revisions
from apps.pods.databases import forget_unused, make_credentials
from apps.pods.domains import claims
from apps.pods.kinds.app import COMMIT
from apps.pods.kinds.database import NEW_DISK
from apps.pods.models import Pod, Resource, Revision, Snapshot
from apps.pods.resources import (
    CREDENTIALS,
    check_current,
    check_resource_name,
    check_secrets,
    prepare,
    write_hash,
    write_secrets,
)

if TYPE_CHECKING:
    from apps.accounts.models import Team, User

MOST_RESOURCES = 100


@transaction.atomic
def create_pod(
    *, team: Team, name: str, by: User | None, parent: Pod | None = None, lineage: str = "", seeded: bool = False
) -> Pod:
    """An empty pod. Raises Invalid for the name, Conflict("name_taken") or ("host_taken").

    Children of a pod are made by apps.pods.children, which gives them their draft.
    """
    name = check_resource_name(name.strip(), longest=40)
    try:
        with transaction.atomic():
            pod = Pod.objects.create(
                team=team, name=name, region=settings.BRAINPOD.region, created_by=by, parent=parent, lineage=lineage,
                seeded=seeded,
            )  # fmt: skip
    except IntegrityError:
        raise Conflict("name_taken", f"There is a pod called {name} already.", "Choose another name.") from None
    hosts.reserve(pod)
    trail.note("pod.make", by=by, about=pod, parent=parent.name if parent else "", lineage=lineage)
    return pod


@transaction.atomic
def move_pod(*, pod: Pod, region: str, by: User | None) -> None:
    """Have the pod built in `region` from now on."""
    Pod.objects.filter(pk=pod.pk).update(region=region)
    trail.note("pod.region", by=by, about=pod, region=region)


@transaction.atomic
def draft(*, pod: Pod, by: User | None) -> Revision:
    """The pod's draft; opened off what was deployed last if there is none."""
    pod = revisions.lock(pod)
    return pod.draft or revisions.open_draft(pod, by, pod.head or pod.live)


@transaction.atomic
def choose_engine(*, pod: Pod, engine: str, by: User | None) -> Revision:
    """Have the draft, which is returned, run on `engine`; empty: the installation's default.

    Raises Invalid for an engine that is not offered here.
    """
    if engine and engine not in engines.offered():
        raise Invalid([Detail(moving.FIELD, f"must be {' or '.join(engines.offered())}.")])
    row = draft(pod=pod, by=by)
    row.engine = engine
    row.save(update_fields=["engine", "changed_at"])
    trail.note("draft.engine", by=by, about=pod, engine=engine)
    return row


def save_resource(
    *,
    pod: Pod,
    kind: str,
    name: str,
    spec: Mapping[str, Any],
    by: User | None,
    create: bool,
    secrets: Mapping[str, str | None] | None = None,
    seen: str | None = None,
) -> Resource:
    """Make or replace a resource of the draft.

    `secrets`: values to keep as new versions, None to remove one; of a route the one called `password`. What the spec
    says of these is the platform's and ignored, as is a route's `hostname`. `seen`: the `Resource.token` of what the
    editor changed. Raises Invalid, NotFound, Conflict (name_taken, draft_changed, host_taken), and Unavailable when
    the secret store does not answer; then nothing has changed.
    """
    secrets = secrets or {}
    name = check_resource_name(name) if create else name
    check_secrets(kind, secrets)
    expected: dict[str, Any] = {"kind": kind, "name": name, "create": create, "seen": seen}
    rehearsal = {key: None if value is None else 1 for key, value in secrets.items()}
    _checked(pod, expected, spec, rehearsal, current=_shown(pod).get(name))
    # Written outside the transaction: a store that answers slowly must not hold the database. A version that no
    # row comes to name is harmless.
    versions = write_secrets(pod, name, secrets)
    if kinds.get(kind).server and create:
        versions[CREDENTIALS] = make_credentials(pod, name)
    with transaction.atomic():
        row = draft(pod=pod, by=by)
        current = row.resources.filter(name=name).first()
        if current is None and row.resources.count() >= MOST_RESOURCES:
            raise Invalid([Detail("name", f"is one too many: a pod has at most {MOST_RESOURCES} resources.")])
        normal = _checked(row.pod, expected, spec, versions, current=current)
        if kind == "Route":
            write_hash(row.pod, name, secrets, versions)
            normal["hostname"] = hosts.assign(row.pod, name)
        resource, _ = Resource.objects.update_or_create(
            revision=row, name=name, defaults={"spec": normal}, create_defaults={"kind": kind, "spec": normal}
        )
        row.save(update_fields=["changed_at"])
        trail.note("draft.change", by=by, about=row.pod, part=name, kind=kind, new=create)
        if kind == "Route":
            claims.claim(row.pod, dict.fromkeys(normal["domains"], name))
            claims.release_unused(row.pod)
    return resource


def _shown(pod: Pod) -> Snapshot:
    """What the editors see: the draft, or what the next one starts from."""
    pod = Pod.objects.select_related("head", "live").get(pk=pod.pk)
    revision = pod.draft or pod.head or pod.live
    return revision.snapshot() if revision else {}


def _checked(
    pod: Pod,
    expected: Mapping[str, Any],
    spec: Mapping[str, Any],
    versions: Mapping[str, int | None],
    *,
    current: Resource | None,
) -> dict[str, Any]:
    kinds.get(expected["kind"])
    check_current(current, **expected)
    live = pod.live.snapshot() if pod.live else {}
    return prepare(
        pod, kind=expected["kind"], name=expected["name"], spec=spec, current=current, live=live, versions=versions
    )


def save_with_disk(
    *,
    pod: Pod,
    kind: str,
    name: str,
    spec: Mapping[str, Any],
    size: Any,
    by: User | None,
    create: bool,
    seen: str | None = None,
) -> Resource:
    """`save_resource` of a database, and of a new disk of `size` GB for it; both or neither.

    Raises what save_resource raises; Invalid naming `newDisk` for a size that cannot be.
    """
    shown = _shown(pod)
    disk = _free(f"{name[:58]}-data", shown)
    given = {**spec, "disk": disk}
    if create:
        check_resource_name(name)
    expected: dict[str, Any] = {"kind": kind, "name": name, "create": create, "seen": seen}
    _checked(pod, expected, given, {}, current=shown.get(name))
    try:
        save_resource(pod=pod, kind="Disk", name=disk, spec={"size": size}, by=by, create=True)
    except Invalid as error:
        raise Invalid(
            [Detail(NEW_DISK if it.path == "size" else it.path, it.message) for it in error.details]
        ) from None
    try:
        return save_resource(pod=pod, kind=kind, name=name, spec=given, by=by, create=create, seen=seen)
    except Exception:
        delete_resource(pod=pod, name=disk, by=by)
        raise


def _free(name: str, taken: Collection[str]) -> str:
    """`name`, or with the first number that nothing has."""
    others = (f"{name}-{number}" for number in itertools.count(2))
    return name if name not in taken else next(other for other in others if other not in taken)


@transaction.atomic
def give_credentials(*, pod: Pod, name: str, version: int, by: User | None, base: Revision | None = None) -> Revision:
    """A sealed revision off `base` (else the live one) in which the database `name` has the passwords of `version`.

    The open draft is not part of it, and gets them too. Raises NotFound for what is no database there.
    """
    pod = revisions.lock(pod)
    base = base or pod.live
    if base is None:
        raise NotFound(f"database {name} in what is live")
    row = Revision(pod=pod, parent=base)
    revisions.close(pod, row, f"New passwords for {name}", by)
    revisions.copy(base, row)
    if not _give(row, name, version):
        raise NotFound(f"database {name} in what is live")
    revisions.check_deployable(pod, row)
    if pod.draft:
        _give(pod.draft, name, version)
    return row


def _give(row: Revision, name: str, version: int) -> bool:
    """False where there is no such database."""
    databases = [kind.name for kind in kinds.DATABASES]
    resource = row.resources.filter(kind__in=databases, name=name).first()
    if resource is None:
        return False
    resource.spec = resource.spec | {"credentials": version}
    resource.save(update_fields=["spec"])
    return True


@transaction.atomic
def delete_resource(*, pod: Pod, name: str, by: User | None, seen: str | None = None) -> Revision:
    """Take a resource out of the draft, which is returned. Secrets that a revision names stay, for rollbacks."""
    row = draft(pod=pod, by=by)
    current = row.resources.filter(name=name).first()
    if current is None:
        raise NotFound(f"resource {name}")
    check_current(current, name=name, kind=current.kind, create=False, seen=seen)
    trail.note("draft.remove", by=by, about=row.pod, part=name, kind=current.kind)
    current.delete()
    forget_unused(row.pod, {name: current})
    row.save(update_fields=["changed_at"])
    hosts.release_unused(row.pod)
    return row


@transaction.atomic
def discard_draft(*, pod: Pod, by: User | None) -> bool:
    """Forget the draft; False if there was none."""
    pod = revisions.lock(pod)
    row = pod.draft
    if row is None:
        return False
    gone = row.snapshot()
    trail.note("draft.discard", by=by, about=pod)
    row.delete()
    forget_unused(pod, gone)
    hosts.release_unused(pod)
    return True


@transaction.atomic
def seal(*, pod: Pod, summary: str, by: User | None) -> Revision:
    """The draft becomes the pod's next version and never changes again.

    Raises Invalid with every problem of the snapshot, Conflict("nothing_to_deploy") without a difference to live.
    """
    summary = revisions.check_summary(summary)
    pod = revisions.lock(pod)
    row = pod.draft
    if row is None:
        raise Conflict("nothing_to_deploy", "There is no draft.", "Change something first, or redeploy.")
    revisions.check_deployable(pod, row)
    return revisions.close(pod, row, summary or revisions.summarise(pod, row), by)


@transaction.atomic
def pin_commit(
    *, pod: Pod, commits: Mapping[str, str], by: User | None, summary: str, base: Revision | None = None
) -> Revision:
    """A sealed revision off `base` (else the live one, else the last deployed) with these apps at these commits.

    The open draft is not part of it, and gets the commits where it still has the same repository and branch. Raises
    NotFound for an app that is not there, Conflict("nothing_to_deploy") when it is all live already.
    """
    if wrong := [
        Detail(f"{a}.source.commit", "is no commit id.") for a, c in commits.items() if not COMMIT.fullmatch(c)
    ]:
        raise Invalid(wrong)
    pod = revisions.lock(pod)
    base = base or pod.live or pod.head
    if base is None:
        raise Conflict("nothing_to_deploy", "Nothing of this pod was deployed yet.", "Deploy the draft first.")
    # Sealed from its first moment: the draft of the team may be open beside it.
    row = Revision(pod=pod, parent=base)
    revisions.close(pod, row, revisions.check_summary(summary), by)
    revisions.copy(base, row)
    sources = _pin(row, commits)
    if missing := commits.keys() - sources.keys():
        raise NotFound(f"app {min(missing)}")
    revisions.check_deployable(pod, row)
    if pod.draft:
        _pin(pod.draft, commits, sources)
    return row


def _pin(row: Revision, commits: Mapping[str, str], only: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Set the commits of `row`'s apps, those alone whose repository and branch are as in `only`; the sources by app."""
    pinned = {}
    for resource in row.resources.filter(kind="App", name__in=commits.keys()):
        source = resource.spec.get("source", {})
        place = (source.get("repo", ""), source.get("branch", ""))
        if only is None or only.get(resource.name) == place:
            resource.spec = resource.spec | {"source": source | {"commit": commits[resource.name]}}
            resource.save(update_fields=["spec"])
            pinned[resource.name] = place
    return pinned


@transaction.atomic
def copy_revision(*, revision: Revision, by: User | None, replace: bool = False) -> Revision:
    """Start the draft from an earlier revision. Raises Conflict("draft_exists") unless it may `replace` one."""
    pod = revisions.lock(revision.pod)
    trail.note("draft.copy", by=by, about=pod, version=revision.version)
    row = pod.draft
    if row is None:
        row = revisions.open_draft(pod, by, revision)
        claims.claim_all(pod, row)
        return row
    if not replace:
        raise Conflict("draft_exists", "There is a draft with changes.", "Deploy or discard it first.")
    gone = row.snapshot()
    revisions.copy(revision, row)
    forget_unused(pod, gone)
    row.parent = revision
    row.save(update_fields=["parent", "changed_at"])
    claims.claim_all(pod, row)
    hosts.release_unused(pod)
    return row
