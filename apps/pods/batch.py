"""Many resources of a draft at once: all of them or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import transaction

from apps.audit import trail
from apps.core.errors import Conflict, Detail, Invalid
from apps.pods import actions, hosts, kinds
from apps.pods.databases import forget_unused, make_credentials
from apps.pods.domains import claims
from apps.pods.models import Pod, Resource, Revision, Snapshot
from apps.pods.resources import (
    CREDENTIALS,
    PASSWORD,
    check_resource_name,
    check_secrets,
    prepare,
    write_hash,
    write_secrets,
)

if TYPE_CHECKING:
    from apps.accounts.models import User

_ABSENT = "has no value here: give it one."
Versions = Mapping[str, Mapping[str, int | None]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A resource as it should be. `named`: the secrets it has from then on (of a route `password`), by name.

    `secrets`: values for those, where new ones are given; the others keep the version that counts now. `create`: it
    must not be in the draft yet.
    """

    kind: str
    name: str
    spec: Mapping[str, Any]
    named: frozenset[str] = frozenset()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    create: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """`keep`: what is there and not mentioned stays. `engine` None: as it is."""

    resources: Sequence[Wanted]
    keep: bool = False
    engine: str | None = None


def standing(pod: Pod) -> Snapshot:
    """What a resource goes on from: that of the draft, else the live one of its name."""
    pod = Pod.objects.select_related("head", "live").get(pk=pod.pk)
    live = pod.live.snapshot() if pod.live else {}
    shown = pod.draft or pod.head or pod.live
    return live | (shown.snapshot() if shown else {})


def missing(pod: Pod, batch: Batch) -> list[tuple[str, str]]:
    """The secrets that are named, have no value here and are given none: (resource, secret)."""
    there = standing(pod)
    return [
        (item.name, secret)
        for item in batch.resources
        for secret in sorted(item.named - item.secrets.keys() - _held(item, there))
    ]


@contextmanager
def rehearsed(*, pod: Pod, batch: Batch, by: User | None) -> Iterator[Revision]:
    """The draft as `put` would leave it, every secret taken for given; nothing stays of it. Raises as `put`."""
    with transaction.atomic():
        yield _put(pod, batch, by, {item.name: _pretended(item, item.named) for item in batch.resources})
        transaction.set_rollback(True)


def put(*, pod: Pod, batch: Batch, by: User | None) -> Revision:
    """Make the draft, which is returned, what `batch` says.

    Raises Invalid with every problem, its path `<name>.<field>`, Conflict("name_taken" | "host_taken"), and Unavailable
    when the secret store does not answer; then nothing has changed.
    """
    with transaction.atomic():
        _put(pod, batch, by, {item.name: _pretended(item, item.secrets) for item in batch.resources})
        transaction.set_rollback(True)
    # Outside the transaction, as save_resource does it.
    there, written = standing(pod), {}
    for item in batch.resources:
        written[item.name] = write_secrets(pod, item.name, item.secrets)
        if kinds.get(item.kind).server and not _same(item, there):
            written[item.name][CREDENTIALS] = make_credentials(pod, item.name)
    with transaction.atomic():
        row = _put(pod, batch, by, written)
        trail.note("draft.batch", by=by, about=row.pod, parts=len(batch.resources), keep=batch.keep)
        return row


def _pretended(item: Wanted, secrets: Iterable[str]) -> dict[str, int | None]:
    """What writing `secrets` would give."""
    return dict.fromkeys([*secrets, CREDENTIALS] if kinds.get(item.kind).server else secrets, 1)


def _same(item: Wanted, there: Snapshot) -> Resource | None:
    """The resource that `item` replaces, if it is of its kind."""
    current = there.get(item.name)
    return current if current and current.kind == item.kind else None


def _held(item: Wanted, there: Snapshot) -> set[str]:
    """The names of the secrets it has now."""
    current = _same(item, there)
    if current is None:
        return set()
    if item.kind == "Route":
        return {PASSWORD} if current.spec.get(PASSWORD) else set()
    return set(current.spec.get("secrets", {}))


def _put(pod: Pod, batch: Batch, by: User | None, written: Versions) -> Revision:
    row = actions.draft(pod=pod, by=by)
    there = standing(row.pod)
    _check_new(row, batch)
    normal = _normal(row.pod, batch, there, written)
    if batch.engine is not None:
        row = actions.choose_engine(pod=row.pod, engine=batch.engine, by=by)
    before = row.snapshot()
    wanted = {item.name: item for item in batch.resources}
    gone = {
        name: old
        for name, old in before.items()
        if (name in wanted and wanted[name].kind != old.kind) or (name not in wanted and not batch.keep)
    }
    if len(before.keys() - gone.keys() | wanted.keys()) > actions.MOST_RESOURCES:
        raise Invalid([Detail("", f"makes too many: a pod has at most {actions.MOST_RESOURCES} resources.")])
    row.resources.filter(name__in=gone).delete()
    hosts.release_unused(row.pod)
    for name, item in wanted.items():
        if item.kind == "Route":
            write_hash(row.pod, name, item.secrets, written[name])
            normal[name]["hostname"] = _host(row.pod, name)
        row.resources.update_or_create(name=name, defaults={"kind": item.kind, "spec": normal[name]})
    row.save(update_fields=["changed_at"])
    _claim(row)
    forget_unused(row.pod, gone)
    return row


def _check_new(row: Revision, batch: Batch) -> None:
    taken = {name: resource.kind for name, resource in row.snapshot().items()}
    for item in batch.resources:
        if item.create and item.name in taken:
            message = f"There is a {taken[item.name]} called {item.name} already."
            raise Conflict("name_taken", message, "Choose another name.")
        taken[item.name] = item.kind


def _host(pod: Pod, route: str) -> str:
    try:
        return hosts.assign(pod, route)
    except Invalid as error:
        raise Invalid([Detail(route, detail.message) for detail in error.details]) from None
    except Conflict as error:
        raise Conflict("host_taken", f"{route}: {error.message}", "Give the route another name.") from None


def _claim(row: Revision) -> None:
    """Every domain the draft names, and none that it names no more."""
    claims.claim_all(row.pod, row)
    hosts.release_unused(row.pod)


def _normal(pod: Pod, batch: Batch, there: Snapshot, written: Versions) -> dict[str, dict[str, Any]]:
    """The specs by name in their normal form. Raises Invalid with what is wrong with any of them."""
    live = pod.live.snapshot() if pod.live else {}
    found: dict[str, dict[str, Any]] = {}
    wrong: list[Detail] = []
    for item in batch.resources:
        try:
            check_resource_name(item.name)
            check_secrets(item.kind, item.secrets)
            found[item.name] = prepare(
                pod,
                kind=item.kind,
                name=item.name,
                spec=item.spec,
                current=_same(item, there),
                live=live,
                versions=_versions(item, _held(item, there), written[item.name]),
            )
        except Invalid as error:
            wrong += [Detail(".".join(filter(None, (item.name, it.path))), it.message) for it in error.details]
    if wrong:
        raise Invalid(wrong)
    return found


def _versions(item: Wanted, held: set[str], written: Mapping[str, int | None]) -> dict[str, int | None]:
    """Of what is written for `item`, None for what goes; what is held and stays is not mentioned.

    Raises Invalid naming the secrets that would have no value.
    """
    if absent := sorted(item.named - held - written.keys()):
        raise Invalid([Detail(name if item.kind == "Route" else f"secrets.{name}", _ABSENT) for name in absent])
    counts = {name: v for name, v in written.items() if name not in held or name in item.secrets}
    return counts | dict.fromkeys(held - item.named)
