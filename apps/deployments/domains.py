"""Looking domains up: by the clock, and when somebody asks. What follows is written down, told, and served."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.core.errors import NotFound
from apps.deployments import announcing, wake
from apps.deployments.duties import duty
from apps.deployments.events import changed
from apps.deployments.models import AppEvent
from apps.dns.lookup import SECONDS, Found, addresses_of, look_up
from apps.dns.names import shown
from apps.pods import hosts
from apps.pods.domains import claims
from apps.pods.domains.settling import Event, Outcome, settle
from apps.pods.models import HostName, Pod

AT_ONCE = 8  # look-ups: each waits for others' name servers
BATCH = 40
LONGEST = 45.0  # seconds; what is still due then is looked up by the next
EARLIEST = datetime.timedelta(seconds=5)  # between two looks at a domain that were asked for


def check_due() -> None:
    """Look up what is due, oldest first."""
    with duty("domains") as lease:
        if lease is None:
            return
        until = time.monotonic() + LONGEST
        while time.monotonic() < until and (rows := _due()):
            check(rows)


def _due() -> list[HostName]:
    due = HostName.objects.filter(custom=True, check_at__lte=timezone.now(), pod__deleting_at=None)
    return list(due.select_related("pod").order_by("check_at", "pk")[:BATCH])


def check_one(pk: int) -> None:
    """Look one up, due or not."""
    row = HostName.objects.filter(pk=pk, custom=True, pod__deleting_at=None).select_related("pod").first()
    if row:
        check([row])


def check(rows: Iterable[HostName]) -> None:
    """Look all of `rows` up, and act on what is found. The database is not open to the threads that wait."""
    rows = list(rows)
    resolvers = settings.BRAINPOD.resolvers
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # Whichever name of ours is asked for: all of them lead to the same place.
        ours = (
            pool.submit(addresses_of, hosts.main_host(rows[0].pod.name), resolvers=resolvers, seconds=SECONDS)
            if rows
            else None
        )
        found = list(pool.map(lambda row: look_up(row.host, resolvers=resolvers, seconds=SECONDS), rows))
        here = frozenset(ours.result()) if ours else frozenset()
    for row, each in zip(rows, found, strict=True):
        _settle(row, each, here)


@transaction.atomic
def _settle(row: HostName, found: Found, here: frozenset[str]) -> None:
    outcome = settle(row, found, here=here)
    tell(outcome)
    changed(row.pod_id)


@transaction.atomic
def tell(outcome: Outcome) -> None:
    for event in outcome.events:
        AppEvent.objects.create(
            pod_id=event.pod_id, app=event.route, kind="domain", level=event.level, words=event.words
        )
        changed(event.pod_id)
        if event.change:
            announcing.domain(event)
    if outcome.moved:
        wake.wake(wake.RECONCILE)
        wake.wake(wake.CERTIFICATES)


@transaction.atomic
def release(pod: Pod) -> None:
    """Give up the domains that `pod` no longer has any use for, once what is live is without them."""
    Pod.objects.select_for_update().get(pk=pod.pk)
    words = "{} was released: it has to be proven again, by whoever has it next."
    gone = [Event(pod.pk, row.route, words.format(shown(row.host))) for row in claims.release_unused(pod)]
    tell(Outcome(gone, moved=bool(gone)))


@transaction.atomic
def ask(*, pod: Pod, host: str) -> None:
    """Have a domain of `pod` looked up soon; nothing more for one that was, seconds ago. Raises NotFound."""
    row = pod.hosts.filter(custom=True, host=host).first()
    if row is None:
        raise NotFound("such domain of this pod")
    now = timezone.now()
    long_ago = Q(checked_at=None) | Q(checked_at__lt=now - EARLIEST)
    if HostName.objects.filter(long_ago, pk=row.pk).update(check_at=now):
        wake.wake(wake.CHECK_DOMAIN, str(row.pk))
        changed(pod.pk)
