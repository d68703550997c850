"""Pods branched off others: what a child takes over from its parent's live revision, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog
from django.db import models, transaction
from django.utils import timezone

from apps.audit import trail
from apps.core.errors import Conflict, Detail, Invalid, PlatformError
from apps.core.names import check_variable
from apps.pods import actions, kinds, revisions
from apps.pods.batch import Batch, Wanted, put
from apps.pods.contents import disks_used
from apps.pods.environment import KEY, secret_path
from apps.pods.kinds.types import check_value
from apps.pods.models import Pod, PodRole, Resource, Revision, Snapshot
from apps.pods.references import references_in
from apps.pods.resources import PASSWORD
from apps.secretstore import secrets as secret_store

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
_ASSIGNED = {"Route": ("hostname", PASSWORD), "Config": ("secrets",)}  # by the platform, or given beside the spec


class DatabasePolicy(models.TextChoices):
    """What a child has of its parent's databases.

    `SEEDED`: databases as with `EMPTY`; what is in the parent's newest backups is put into them by who knows those,
    once they run (apps.deployments.filling).
    """

    NONE = "none", "None"
    EMPTY = "empty", "New and empty"
    SEEDED = "seeded", "New, filled from the newest backups"


@dataclass(frozen=True, slots=True)
class Outline:
    """What a child of `revision` begins with, secret values aside; `left_out`: what it has not, and why."""

    revision: Revision
    resources: tuple[Wanted, ...]
    left_out: tuple[Detail, ...]


def branch_off(
    parent: Pod,
    *,
    lineage: str,
    name: str,
    by: User | None,
    variables: Mapping[str, str] | None = None,
    with_secrets: bool,
    databases: DatabasePolicy,
) -> Pod:
    """A new pod of the parent's team, with the parent's live revision as its draft; nothing is deployed.

    Members have the roles in it that they have in the parent: in a preview for good, else to begin with.

    `variables` have these values in the child, whatever they are in the parent. What is left out says `outline`, given
    the same. Raises Invalid naming `name` or `variables.<name>`, else `<resource>.<field>`;
    Conflict("not_live_yet" | "is_a_child" | "pod_deleting" | "name_taken" | "host_taken"), and Unavailable when the
    secret store does not answer; then nothing was made, or what was is being deleted.
    """
    found = outline(parent, variables=variables or {}, with_secrets=with_secrets, databases=databases)
    given = [_valued(found.revision, item) for item in found.resources]
    with transaction.atomic():
        revisions.lock(parent)
        child = actions.create_pod(
            team=parent.team, name=name, by=by, parent=parent, lineage=lineage,
            seeded=databases == DatabasePolicy.SEEDED,
        )  # fmt: skip
        # Who has less in the parent is not let in to its secrets by way of the child. A preview has no roles itself.
        held = PodRole.objects.filter(pod=parent) if child.roles_from == child.pk else PodRole.objects.none()
        PodRole.objects.bulk_create(PodRole(membership_id=r.membership_id, pod=child, role=r.role) for r in held)
    try:
        put(pod=child, batch=Batch(given, engine=found.revision.engine), by=by)
    except BaseException:
        _unmake(child)
        raise
    trail.note(
        "pod.branch", by=by, about=child, parent=parent.name, lineage=lineage, with_secrets=with_secrets,
        databases=str(databases),
    )  # fmt: skip
    return child


def _unmake(child: Pod) -> None:
    """Nothing is left of a child that could not be made. While the store is away it is marked: it goes as pods do."""
    try:
        secret_store().clear(child.pk)
    except PlatformError as error:
        log.warning("child_left", pod=child.pk, error=str(error))
        Pod.objects.filter(pk=child.pk, deleting_at=None).update(deleting_at=timezone.now())
        return
    with transaction.atomic():
        Pod.objects.filter(pk=child.pk, head=None, live=None).delete()


def outline(parent: Pod, *, variables: Mapping[str, str], with_secrets: bool, databases: DatabasePolicy) -> Outline:
    """What `branch_off` would make of the parent as it is live now. Raises what that says of the parent."""
    parent = Pod.objects.select_related("parent", "live").get(pk=parent.pk)
    if parent.parent:
        raise Conflict("is_a_child", f"{parent.name} is a child of {parent.parent.name}.", "Branch off that one.")
    if parent.live is None:
        raise Conflict("not_live_yet", f"{parent.name} has no live revision to start from.", "Deploy it first.")
    _check(variables)
    whole = parent.live.snapshot()
    gone = _without(whole) if databases == DatabasePolicy.NONE else {}
    kept = {name: dict(item.spec) for name, item in whole.items() if name not in gone}
    left = [Detail(name, why) for name, why in sorted(gone.items())]
    _override(whole, kept, variables)
    left += _undangled(whole, kept, variables, gone)
    resources = []
    for name in sorted(kept):
        item, omitted = _branched(whole[name], kept[name], with_secrets=with_secrets)
        resources.append(item)
        left += omitted
    return Outline(parent.live, tuple(resources), tuple(left))


def _check(variables: Mapping[str, str]) -> None:
    wrong: list[Detail] = []
    for name, value in variables.items():
        try:
            check_variable(name, "")
            check_value(value)
        except Invalid as error:
            wrong += [Detail(f"variables.{name}", it.message) for it in error.details]
    if wrong:
        raise Invalid(wrong)


def _without(whole: Snapshot) -> dict[str, str]:
    """The databases of a snapshot and the disks that are theirs alone, each with why it is left out."""
    servers = {name: item for name, item in whole.items() if kinds.get(item.kind).server}
    mounted = {disk for name, item in whole.items() if name not in servers for disk in disks_used(item)}
    gone = dict.fromkeys(servers, "is a database, and left out.")
    for name, item in servers.items():
        gone |= {disk: f"is the disk of {name}, and left out with it." for disk in disks_used(item) if disk in whole}
    return {name: why for name, why in gone.items() if name not in mounted}


def _override(whole: Snapshot, kept: dict[str, dict[str, Any]], variables: Mapping[str, str]) -> None:
    """Have every app get `variables`: where they are set already, else among its own."""
    for name, spec in kept.items():
        if whole[name].kind == "Config":
            spec["variables"] = [_replaced(entry, variables) for entry in spec.get("variables", [])]
    for name, spec in kept.items():
        if whole[name].kind != "App":
            continue
        own = [_replaced(entry, variables) for entry in spec.get("env", [])]
        attached = [kept[config] for config in spec.get("configs", []) if config in kept]
        set_there = {entry["name"] for config in attached for entry in config.get("variables", [])}
        set_there -= {secret for config in attached for secret in config.get("secrets", {})}
        missing = variables.keys() - set_there - {entry["name"] for entry in own}
        spec["env"] = own + [{"name": variable, "value": variables[variable]} for variable in sorted(missing)]


def _replaced(entry: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    return {**entry, "value": variables.get(entry["name"], entry.get("value", ""))}


def _undangled(
    whole: Snapshot, kept: dict[str, dict[str, Any]], variables: Mapping[str, str], gone: Mapping[str, str]
) -> Iterator[Detail]:
    """Take out the variables that refer to what is `gone`, at once or through others; each with why.

    Raises Invalid for one of `variables` that does.
    """
    dropped: dict[tuple[str, str], str] = {}
    while found := dict(_dangling(whole, kept, gone, dropped)):
        if wrong := [
            Detail(f"variables.{n}", f"refers to {to}, which is left out.")
            for (_, n), to in found.items()
            if n in variables
        ]:
            raise Invalid(wrong)
        for (owner, name), to in found.items():
            field = "env" if whole[owner].kind == "App" else "variables"
            kept[owner][field] = [entry for entry in kept[owner][field] if entry["name"] != name]
            yield Detail(f"{owner}.{field}.{name}", f"refers to {to}, and is left out with it.")
        dropped |= found


def _dangling(
    whole: Snapshot, kept: Mapping[str, Mapping[str, Any]], gone: Mapping[str, str], dropped: Mapping[Any, str]
) -> Iterator[tuple[tuple[str, str], str]]:
    """((resource, variable), what it refers to and is not there) of what is kept."""
    for owner, spec in kept.items():
        field = {"App": "env", "Config": "variables"}.get(whole[owner].kind, "")
        for entry in spec.get(field, []):
            for ref in references_in(entry.get("value", "")):
                if ref.name in gone or (ref.name, ref.attr) in dropped:
                    yield (owner, entry["name"]), str(ref)


def _branched(resource: Resource, spec: dict[str, Any], *, with_secrets: bool) -> tuple[Wanted, list[Detail]]:
    """One resource of the child, and what of it is left out."""
    left: list[Detail] = []
    named: frozenset[str] = frozenset()
    if resource.kind == "Route":
        # The apps never see it, and without it all would read what the parent shows to few.
        named = frozenset({PASSWORD} if spec.get(PASSWORD) else ())
        left += [Detail(f"{resource.name}.domains", f"{d} leads to the parent.") for d in spec.get("domains", [])]
        left += [
            Detail(f"{resource.name}.redirects", f"{entry['source']} is of a domain of the parent's.")
            for entry in spec.get("redirects", []) if not entry["source"].startswith("/")
        ]  # fmt: skip
        redirects = [entry for entry in spec.get("redirects", []) if entry["source"].startswith("/")]
        spec |= {"domains": [], "redirects": redirects}
    elif resource.kind == "Config" and with_secrets:
        named = frozenset(spec.get("secrets", {}))
    elif resource.kind == "Config":
        why = "is a secret, and left out: give it a value if the apps need one."
        left += [Detail(f"{resource.name}.secrets.{secret}", why) for secret in spec.get("secrets", {})]
    assigned = ("credentials",) if kinds.get(resource.kind).server else _ASSIGNED.get(resource.kind, ())
    for field in assigned:
        spec.pop(field, None)
    return Wanted(resource.kind, resource.name, spec, named, create=True), left


def _valued(revision: Revision, item: Wanted) -> Wanted:
    """`item` with the values that its secrets have in `revision`. Raises Unavailable."""
    if not item.named:
        return item
    spec, store = revision.snapshot()[item.name].spec, secret_store()
    versions = {PASSWORD: spec[PASSWORD]} if item.kind == "Route" else spec["secrets"]
    paths = {name: secret_path(revision.pod_id, item.name, name) for name in item.named}
    return replace(item, secrets={name: store.read(path, versions[name])[KEY] for name, path in paths.items()})
