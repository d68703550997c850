"""Certificates asked for, and served as soon as they are there; what happens to them is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from apps import edge
from apps.certificates import actions, following, issuing, news
from apps.certificates.models import Certificate
from apps.core.errors import PlatformError
from apps.deployments import announcing, wake
from apps.deployments.desired import edge_state
from apps.deployments.duties import duty
from apps.deployments.events import changed
from apps.deployments.feed import LONGEST
from apps.deployments.models import AppEvent

if TYPE_CHECKING:
    from apps.accounts.models import User


def tend() -> None:
    """Have workers request what is due; look after what is there."""
    with duty("certificates") as lease:
        if lease is None:
            return
        issuing.sweep()
        following.follow()
        for pk in following.due():
            wake.wake(wake.CERTIFY, pk)
        _look_after()
        _tell_news()


def _look_after() -> None:
    """While the store or nginx is away, the next look makes up for it."""
    try:
        mended = following.look()
        for one in mended:
            _told(one.certificate, one.words, level=one.level)
        if mended:
            edge.edge().apply(edge_state)
    except PlatformError:
        return


def certify(certificate_id: str) -> None:
    """Request one, and serve it. While nginx is away the reconciler does the latter."""
    issued = issuing.issue(certificate_id, tell=_tell)
    if issued:
        try:
            edge.edge().apply(edge_state)
        except PlatformError:
            pass
        _tell_issued(certificate_id)
    _tell_news()


@transaction.atomic
def _tell_issued(certificate_id: str) -> None:
    row = Certificate.objects.select_related("hostname").filter(pk=certificate_id).first()
    if row is not None and row.not_after is not None:
        Certificate.objects.filter(pk=row.pk).update(told="")
        words = f"A certificate of {row.host} was issued by {row.issuer}. It lasts until {row.not_after:%d %B %Y}."
        _told(row, words)
        announcing.certificate("certificate.issued", row, words)


def _tell_news() -> None:
    for row in news.candidates():
        with transaction.atomic():
            if found := news.take(row):
                _told(row, found.words, level=found.level)
                if found.level != "info":
                    event = "certificate.failed" if found.failed else "certificate.expiring"
                    announcing.certificate(event, row, found.words)


def request(*, certificate: Certificate, by: User, by_hand: bool = False) -> None:
    """See apps.certificates.actions; the others below too. A worker begins at once."""
    actions.request(certificate=certificate, by=by, by_hand=by_hand)
    _told(certificate, f"A certificate of {certificate.host} was asked for.", by=by)
    wake.wake(wake.CERTIFY, certificate.pk)


def confirm(*, certificate: Certificate, count: int, by: User) -> None:
    actions.confirm(certificate=certificate, count=count, by=by)
    _tell(certificate.hostname.pod_id if certificate.hostname else None)


def upload(*, certificate: Certificate, chain: str, key: str, by: User) -> None:
    """It is served from the edge's next look on: within seconds."""
    actions.upload(certificate=certificate, chain=chain, key=key, by=by)
    _told(certificate, f"A certificate of {certificate.host} was uploaded.", by=by)
    wake.wake(wake.RECONCILE)


def take_away(*, certificate: Certificate, by: User) -> None:
    actions.take_away(certificate=certificate, by=by)
    _told(certificate, f"The uploaded certificate of {certificate.host} was taken away.", by=by)
    wake.wake(wake.RECONCILE)
    wake.wake(wake.CERTIFY, certificate.pk)


def _told(certificate: Certificate, words: str, *, level: str = "info", by: User | None = None) -> None:
    """Among the events of the route that has the name; the platform's own names have none."""
    name = certificate.hostname
    if name is not None:
        AppEvent.objects.create(
            pod_id=name.pod_id, app=name.route, kind="tls", level=level, words=words[:LONGEST], actor=by
        )
    _tell(name.pod_id if name else None)


def _tell(pod_id: str | None) -> None:
    if pod_id is not None:
        changed(pod_id)
