"""What admins do with the endpoints of a team. A secret is written before the row that names its version."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts import gate
from apps.accounts.labels import check_label
from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.audit import trail
from apps.core.errors import Conflict, Detail, Invalid
from apps.core.ids import new_id
from apps.core.leases import acquire
from apps.deployments.wake import wake
from apps.notify import checks, keys, outbox, sending
from apps.notify.carrying import Load, carry
from apps.notify.events import TEST
from apps.notify.models import Delivery, Endpoint, Kind, State
from apps.pods.models import Pod

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
MOST = 50
OVERLAP = datetime.timedelta(hours=24)  # how long the old key signs beside the new one
BETWEEN_TESTS = datetime.timedelta(seconds=5)
LATER = datetime.timedelta(minutes=1)  # nobody else sends a test meanwhile


def add(
    *, team: Team, kind: str, name: str, target: str, by: User, events: Iterable[str] = (),
    pods: Iterable[str] | None = None,
) -> tuple[Endpoint, str]:  # fmt: skip
    """A new endpoint, and the key that a webhook is signed with, which is shown this once; else empty.

    `pods`: names; None: all, also those to come. Raises Invalid naming the field, Conflict("name_taken"), Unavailable.
    """
    gate.access(by, team, Role.ADMIN)
    if kind not in Kind.values:
        raise Invalid([Detail("kind", f"must be one of {', '.join(Kind.values)}.")])
    name = check_label(name)
    chosen = checks.check_pods(team, pods) if pods is not None else []
    if team.endpoints.count() >= MOST:
        raise Invalid(f"A team has at most {MOST} of these: remove one first.")
    if team.endpoints.filter(name=name).exists():
        raise _taken(name)
    made = Endpoint(
        pk=new_id(), team=team, kind=kind, name=name, events=checks.check_events(events), all_pods=pods is None,
        created_by=by,
    )  # fmt: skip
    kept = keys.Kept(checks.check_target(kind, target), keys.make() if kind == Kind.WEBHOOK else "")
    made.shown, made.path = checks.shown(kind, kept.target), keys.path_of(made)
    made.version = keys.write(made, kept)
    try:
        with transaction.atomic():
            made.save(force_insert=True)
            made.pods.set(chosen)
            trail.note("notification.make", by=by, about=made, kind=kind, to=made.shown)
    except IntegrityError:
        keys.forget(made)
        raise _taken(name) from None
    log.info("endpoint_added", endpoint=made.pk, team=team.pk, kind=kind, by=by.pk)
    return made, kept.key


def change(
    *, endpoint: Endpoint, name: str, by: User, target: str = "", events: Iterable[str] = (),
    pods: Iterable[str] | None = None, enabled: bool = True,
) -> None:  # fmt: skip
    """`target`: another address; empty: the present one stays. Raises as `add`, Conflict("endpoint_changed")."""
    gate.access(by, endpoint.team, Role.ADMIN)
    chosen: list[Pod] = checks.check_pods(endpoint.team, pods) if pods is not None else []
    fields: dict[str, Any] = {
        "name": check_label(name), "events": checks.check_events(events), "all_pods": pods is None
    }  # fmt: skip
    if target.strip():
        checked = checks.check_target(endpoint.kind, target)
        _replace(endpoint, replace(keys.read(endpoint), target=checked), shown=checks.shown(endpoint.kind, checked))
    try:
        with transaction.atomic():
            Endpoint.objects.filter(pk=endpoint.pk).update(**fields)
            endpoint.pods.set(chosen)
            if not enabled:
                sending.switch_off(endpoint)
            elif not endpoint.enabled:
                on = {"enabled": True, "off_because": "", "failing_since": None}
                Endpoint.objects.filter(pk=endpoint.pk).update(**on)
            trail.note("notification.change", by=by, about=endpoint, enabled=enabled, moved=bool(target.strip()))
    except IntegrityError:
        raise _taken(fields["name"]) from None
    endpoint.refresh_from_db()
    log.info("endpoint_changed", endpoint=endpoint.pk, by=by.pk)


def remove(*, endpoint: Endpoint, by: User) -> None:
    """With all that was told there. Raises Unavailable."""
    gate.access(by, endpoint.team, Role.ADMIN)
    keys.forget(endpoint)
    with transaction.atomic():
        trail.note("notification.remove", by=by, about=endpoint)
        Endpoint.objects.filter(pk=endpoint.pk).delete()
    log.info("endpoint_removed", endpoint=endpoint.pk, team=endpoint.team_id, by=by.pk)


def rotate_key(*, endpoint: Endpoint, by: User) -> str:
    """Another key, which is shown this once; the present one signs for OVERLAP more, one before it no longer.

    Raises Conflict("endpoint_not_signed", "endpoint_changed").
    """
    gate.access(by, endpoint.team, Role.ADMIN)
    if endpoint.kind != Kind.WEBHOOK:
        raise Conflict("endpoint_not_signed", "Only webhooks are signed.", "There is no key to be replaced.")
    present = keys.read(endpoint)
    key, now = keys.make(), timezone.now()
    _replace(endpoint, replace(present, key=key, old=present.key), rotated_at=now, old_until=now + OVERLAP)
    trail.note("notification.rotate", by=by, about=endpoint)
    log.info("endpoint_key_rotated", endpoint=endpoint.pk, by=by.pk)
    return key


def end_old_key(*, endpoint: Endpoint, by: User) -> None:
    """The key that was replaced signs no longer, from now on."""
    gate.access(by, endpoint.team, Role.ADMIN)
    with transaction.atomic():
        Endpoint.objects.filter(pk=endpoint.pk).update(old_until=None)
        trail.note("notification.end_old", by=by, about=endpoint)
    log.info("endpoint_old_key_ended", endpoint=endpoint.pk, by=by.pk)


def send_test(*, endpoint: Endpoint, by: User) -> Delivery:
    """Send a test right now, once; how it went is on what is returned. Takes up to ten seconds.

    Raises Conflict("test_too_soon"), Unavailable.
    """
    gate.access(by, endpoint.team, Role.ADMIN)
    kept, now = keys.read(endpoint), timezone.now()
    recent = Delivery.objects.filter(endpoint=endpoint, message__event=TEST)
    if recent.filter(message__created_at__gt=now - BETWEEN_TESTS).exists():
        raise Conflict("test_too_soon", "A test was sent a moment ago.", "Wait five seconds.")
    words = f"This is a test of {endpoint.name}, sent by {by}."
    page = settings.BRAINPOD.public_address
    with transaction.atomic():
        message = outbox.write(team=endpoint.team, event=TEST, data={"words": words, "url": page})
        row = Delivery.objects.create(
            message=message, endpoint=endpoint, tries=len(sending.DELAYS), next_at=now + LATER, again_by=by
        )
        trail.note("notification.test", by=by, about=endpoint)
    lease = acquire(row)
    if lease is not None:
        load = Load(endpoint.kind, message.pk, message.body, kept, endpoint.old_counts)
        sending.note(sending.Claim(row, lease, load), carry(load, settings.BRAINPOD.networks))
    row.refresh_from_db()
    return row


def redeliver(*, delivery: Delivery, by: User) -> None:
    """Send it again, with the same id, and with all the tries. Raises Conflict("delivery_waits", "endpoint_off")."""
    gate.access(by, delivery.endpoint.team, Role.ADMIN)
    if not delivery.endpoint.enabled:
        raise Conflict("endpoint_off", f"{delivery.endpoint.name} is switched off.", "Switch it on first.")
    ended = Delivery.objects.filter(pk=delivery.pk).exclude(state=State.PENDING)
    again = {"state": State.PENDING, "tries": 0, "next_at": timezone.now(), "finished_at": None, "again_by": by}
    with transaction.atomic():
        if not ended.update(**again):
            raise Conflict("delivery_waits", "This delivery is still being tried.", "Wait for what comes of it.")
        trail.note("notification.redeliver", by=by, about=delivery.endpoint, event=delivery.message.event)
        wake(outbox.SEND)
    log.info("redelivery", delivery=delivery.pk, by=by.pk)


def _replace(endpoint: Endpoint, kept: keys.Kept, **fields: Any) -> None:
    """Keep `kept` in place of what was there, which is forgotten."""
    before = endpoint.version
    version = keys.write(endpoint, kept)
    won = Endpoint.objects.filter(pk=endpoint.pk, version=before).update(version=version, **fields)
    keys.forget(endpoint, before if won else version)
    if not won:
        raise Conflict("endpoint_changed", "Somebody else has just changed this.", "Reload the page to see it.")
    endpoint.refresh_from_db()


def _taken(name: str) -> Conflict:
    return Conflict("name_taken", f"There is one called {name} already.", "Choose another name.")
