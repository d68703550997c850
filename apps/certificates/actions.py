"""What people ask of certificates: request now, confirm a record, upload one's own, take it away again."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from apps.certificates import keeping, pairs
from apps.certificates.models import HOUR, Certificate, Kind, State
from apps.core.errors import Conflict

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)


MOST_TRIES = 4  # of one name in an hour before people are asked to wait: Let's Encrypt takes five that fail
FRESH = datetime.timedelta(days=2)  # what is younger is not replaced: Let's Encrypt issues five for a name in a week


def request(*, certificate: Certificate, by: User, by_hand: bool = False) -> None:
    """Request it as soon as a worker can, whenever it was due. Raises Conflict, see `refusal`."""
    if refused := refusal(certificate, by_hand=by_hand):
        raise refused
    rows = Certificate.objects.filter(pk=certificate.pk, kind=Kind.ACME)
    rows.update(next_at=timezone.now(), by_hand=by_hand, requested_by=by)
    log.info("certificate_requested", host=certificate.host, by=by.pk, by_hand=by_hand)


def refusal(certificate: Certificate, *, by_hand: bool = False) -> Conflict | None:
    """Why it cannot be requested now, if it cannot."""
    if not settings.BRAINPOD.acme_on:
        return Conflict(
            "acme_off",
            "This installation requests no certificates.",
            "Upload one of your own, or have an operator set BRAINPOD_ACME.",
        )
    if certificate.kind == Kind.OWN:
        return Conflict(
            "certificate_own",
            "This name has a certificate of your own, which is not renewed by itself.",
            "Upload the next one, or take it away: then one is requested.",
        )
    if certificate.state == State.ISSUING and certificate.held:
        return Conflict("acme_under_way", "A certificate for this name is being requested already.", "Wait for it.")
    return _too_early(certificate, by_hand=by_hand)


def _too_early(certificate: Certificate, *, by_hand: bool) -> Conflict | None:
    """What keeps people from using up what the authority allows for a name."""
    now = timezone.now()
    limited = certificate.error_code == "acme_rate_limited" and certificate.next_at and certificate.next_at > now
    if limited and not by_hand:
        return Conflict(
            "acme_limited",
            "The certificate authority takes no request for this name yet.",
            f"It is asked again by itself at {certificate.next_at:%d %B %H:%M} UTC.",
        )
    tries = certificate.recent_tries
    if len(tries) >= MOST_TRIES:
        free = datetime.datetime.fromtimestamp(tries[-MOST_TRIES] + HOUR, datetime.UTC)
        return Conflict(
            "acme_too_often",
            f"A certificate for this name was requested {len(tries)} times within an hour; authorities refuse more.",
            f"Mend what the last answer said, and try again after {free:%H:%M} UTC.",
        )
    issued = certificate.not_before
    if certificate.version and not certificate.failures and issued and issued > now - FRESH:
        return Conflict(
            "acme_fresh",
            "This certificate is new: authorities issue few of them for a name in a week.",
            f"It can be renewed by hand from {issued + FRESH:%d %B %H:%M} UTC on; it is renewed by itself in time.",
        )
    return None


def confirm(*, certificate: Certificate, count: int, by: User) -> None:
    """The first `count` of its records are in the DNS. Raises Conflict when they are those of an earlier request."""
    rows = Certificate.objects.filter(pk=certificate.pk, state=State.ISSUING, confirmed__lt=count)
    if count != len(certificate.records) or not rows.update(confirmed=count):
        raise Conflict(
            "acme_record_old",
            "That record is no longer asked for.",
            "Load the page again: it shows the present one.",
        )
    log.info("certificate_confirmed", host=certificate.host, by=by.pk)


def upload(*, certificate: Certificate, chain: str, key: str, by: User) -> None:
    """Serve one's own from now on. Raises Invalid naming "chain" or "key", Unavailable; the present one then stays.

    Whoever is requesting one for the name just now finds its lease lost.
    """
    hosts = [certificate.host]
    pair = pairs.read(chain, key, hosts=hosts, now=timezone.now())
    Certificate.objects.filter(pk=certificate.pk).update(fence=F("fence") + 1, leased_until=None)
    if not keeping.keep(certificate, pair, where={}, renewed=False, kind=Kind.OWN, requested_by=by, by_hand=False):
        raise Conflict("certificate_gone", "This name is no longer yours.", "Add the domain again, and prove it.")
    log.info("certificate_uploaded", host=certificate.host, by=by.pk, fingerprint=pair.fingerprint)


def take_away(*, certificate: Certificate, by: User) -> None:
    """Serve the default one until another is issued, if this installation requests any. Raises Unavailable."""
    now = timezone.now() if settings.BRAINPOD.acme_on else None
    rows = Certificate.objects.filter(pk=certificate.pk, kind=Kind.OWN)
    if not rows.update(
        kind=Kind.ACME, state=State.WAITING, version=None, names=[], issuer="", fingerprint="", not_before=None,
        not_after=None, next_at=now, failures=0, error="", error_code="", hint="", damage="", requested_by=by,
    ):  # fmt: skip
        raise Conflict("certificate_not_own", "This name has no certificate of your own.", "Load the page again.")
    log.info("certificate_taken_away", host=certificate.host, by=by.pk)
