"""Deliveries that are due, sent: one at a time to each endpoint, to many endpoints at once.

One process does it for the whole platform (a duty); its threads only carry. A delivery that is sent is held by a
lease: whoever lost it writes nothing, and one whose holder died is sent again, with the same id.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Min, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.core.errors import PlatformError, Unavailable
from apps.core.failpoints import failpoint
from apps.core.leases import Lease, LeaseLost, acquire
from apps.deployments.duties import duty
from apps.notify import keys
from apps.notify.carrying import Load, Result, carry
from apps.notify.models import Delivery, Endpoint, State

DELAYS = tuple(datetime.timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720))  # after so many failures
MOST_PATIENCE = datetime.timedelta(hours=24)  # that an endpoint may ask for
HOPELESS = datetime.timedelta(days=5)  # of only failures, after which an endpoint is switched off
AWAY = datetime.timedelta(minutes=1)  # after trouble of the platform's own
AT_ONCE = 16
FAILING_AT_ONCE = 8  # of them, endpoints that failed last: those that work do not wait for them
LONGEST = 20.0  # seconds, after which what is still due is begun by the next
LOOK = 0.25  # seconds between two looks for more, while some are under way
MOST_ATTEMPTS = 20  # of one delivery that are kept

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    delivery: Delivery
    lease: Lease
    load: Load


def send_due() -> None:
    """Send until nothing is due; nothing while another process is at it."""
    if not _due().exists():
        return
    with duty("notify") as lease:
        if lease is None:
            return
        _Round(lease).run()


class _Round:
    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._going: dict[Future[Result], Claim] = {}
        self._until = time.monotonic() + LONGEST

    def run(self) -> None:
        allowed = settings.BRAINPOD.networks
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="notify") as pool:
            while True:
                for one in self._claims():
                    self._going[pool.submit(carry, one.load, allowed)] = one
                if not self._going:
                    return
                done, _ = wait(self._going, LOOK, FIRST_COMPLETED)
                for future in done:
                    note(self._going.pop(future), _result(future))

    def _claims(self) -> Iterator[Claim]:
        """The oldest that is due of each endpoint that is told nothing right now, while there is room."""
        if time.monotonic() > self._until or not self._is_ours():
            return
        busy = [one.delivery.endpoint for one in self._going.values()]
        rows = _due().exclude(endpoint__in=busy)
        room = AT_ONCE - len(busy)
        failing = min(room, FAILING_AT_ONCE - sum(endpoint.failing_since is not None for endpoint in busy))
        works = rows.filter(endpoint__failing_since=None).values("endpoint").annotate(oldest=Min("pk"))
        chosen = [row["oldest"] for row in works.order_by("oldest")[:room]]
        if (failing := min(failing, room - len(chosen))) > 0:
            # Whoever was tried longest ago comes first, or the same few would be tried for ever.
            fails = rows.exclude(endpoint__failing_since=None).values("endpoint", "endpoint__last_at")
            chosen += [r["oldest"] for r in fails.annotate(oldest=Min("pk")).order_by("endpoint__last_at")[:failing]]
        yield from filter(None, map(claim, chosen))

    def _is_ours(self) -> bool:
        """Whether another may not have taken over; what is under way is noted all the same, under its own lease."""
        try:
            self._lease.check()
        except LeaseLost:
            return False
        return True


def _result(future: Future[Result]) -> Result:
    """A mistake of ours counts as a failure too: it would be tried again and again otherwise."""
    try:
        return future.result()
    except Exception:
        log.exception("notification_failed")
        return Result(False, "Something went wrong here; the platform's log has it.")


def _due() -> QuerySet[Delivery]:
    return Delivery.objects.filter(state=State.PENDING, next_at__lte=timezone.now(), endpoint__enabled=True)


def claim(pk: int) -> Claim | None:
    """Take a delivery to send it, if it is due and nobody alive has it. Without the secret store it waits on."""
    delivery = Delivery.objects.select_related("endpoint", "message").filter(pk=pk).first()
    lease = acquire(delivery, state=State.PENDING, next_at__lte=timezone.now()) if delivery else None
    if delivery is None or lease is None:
        return None
    endpoint, message = delivery.endpoint, delivery.message
    try:
        kept = keys.read(endpoint)
    except Unavailable as error:
        log.info("notification_waits", delivery=pk, error=str(error))
        mine = Delivery.objects.filter(pk=pk, **lease.where)
        mine.update(next_at=timezone.now() + AWAY, leased_until=None)
        return None
    except PlatformError as error:
        log.error("endpoint_address_missing", endpoint=endpoint.pk, error=str(error))
        kept = keys.Kept("")
    return Claim(delivery, lease, Load(endpoint.kind, message.pk, message.body, kept, endpoint.old_counts))


@transaction.atomic
def note(claimed: Claim, result: Result) -> bool:
    """Write down how it went, and when it is tried again; False if another has it by now."""
    failpoint("notify.sent", claimed.delivery.endpoint_id)
    row, now = claimed.delivery, timezone.now()
    attempt = {
        "at": now.isoformat(timespec="milliseconds"), "status": result.status, "seconds": result.seconds,
        "words": result.words, "answer": result.answer,
    }  # fmt: skip
    later = None if result.went or result.gone else _later(row.tries, result.wait)
    state = State.DELIVERED if result.went else State.FAILED if later is None else State.PENDING
    written = Delivery.objects.filter(pk=row.pk, state=State.PENDING, **claimed.lease.where).update(
        state=state, tries=row.tries + 1, attempts=[*row.attempts, attempt][-MOST_ATTEMPTS:],
        next_at=now + later if later else None, finished_at=None if later else now, leased_until=None,
    )  # fmt: skip
    if not written:
        log.info("lease_lost", delivery=row.pk)
        return False
    _note_endpoint(row.endpoint, result, now)
    return True


def _later(tries: int, asked: float) -> datetime.timedelta | None:
    """How long until the next try after `tries` + 1 failures; None: there is none."""
    if tries >= len(DELAYS):
        return None
    return max(DELAYS[tries], min(datetime.timedelta(seconds=asked), MOST_PATIENCE))


def _note_endpoint(endpoint: Endpoint, result: Result, now: datetime.datetime) -> None:
    mine = Endpoint.objects.filter(pk=endpoint.pk)
    if result.went:
        mine.update(last_at=now, last_went=result.words, failing_since=None)
        return
    mine.update(last_at=now, last_went=result.words, failing_since=Coalesce("failing_since", now))
    since = mine.values_list("failing_since", flat=True).first()
    if result.gone:
        switch_off(endpoint, "It answered 410: it wants no more.")
    elif since is not None and since < now - HOPELESS:
        switch_off(endpoint, f"Nothing got through for {HOPELESS.days} days. The last: {result.words}")


def switch_off(endpoint: Endpoint, why: str = "") -> None:
    """`why`: where it was not a person who did it. What waits for it is given up, and can be sent again by hand."""
    if Endpoint.objects.filter(pk=endpoint.pk, enabled=True).update(enabled=False, off_because=why[:400]):
        waiting = Delivery.objects.filter(endpoint=endpoint, state=State.PENDING)
        waiting.update(state=State.FAILED, finished_at=timezone.now(), next_at=None)
        log.info("endpoint_off", endpoint=endpoint.pk, why=why)
