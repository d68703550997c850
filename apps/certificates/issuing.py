"""One request of one certificate, from its lease to its last word."""

from __future__ import annotations

import datetime
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.utils import timezone

from apps import edge
from apps.certificates import certbot, keeping, pairs
from apps.certificates.dns import cloudflare, rfc2136
from apps.certificates.errands import Errand
from apps.certificates.failures import Refused
from apps.certificates.models import MOVES, Certificate, DnsZone, Kind, Provider, State, zone_of
from apps.core.errors import PlatformError, UserError
from apps.core.failpoints import failpoint
from apps.core.leases import Lease, LeaseLost, acquire, kept
from apps.core.states import move

log = structlog.get_logger(__name__)

AT_ONCE = 3  # requests under way
BY_HAND_AT_ONCE = 1  # of them, those that wait for somebody
BY_HAND_SECONDS = 900.0  # how long one waits for each record
LOOK = 1.0  # seconds between two looks whether the record is there, and whether the request is still wanted
DELAYS = tuple(datetime.timedelta(minutes=minutes) for minutes in (2, 10, 60, 240, 720))  # after so many failures
LIMITED = datetime.timedelta(hours=6)  # after a rate limit that names no time
AWAY = datetime.timedelta(minutes=1)  # after trouble of the platform's own


@dataclass(slots=True)
class Request:
    """What this process needs to request `row`; every write carries its fence. `tell`: have open pages look."""

    row: Certificate
    lease: Lease
    tell: Callable[[], None]
    looked: float = 0.0

    def still_wanted(self) -> None:
        """Raise LeaseLost once it is not: taken over, replaced by one's own, or the name given up."""
        self.lease.check()
        if time.monotonic() - self.looked < LOOK:
            return
        self.looked = time.monotonic()
        if not Certificate.objects.filter(pk=self.row.pk, kind=Kind.ACME, **self.lease.where).exists():
            raise LeaseLost

    def write(self, state: str, **fields: object) -> None:
        if not move(self.row, state, table=MOVES, where={**self.lease.where, "kind": Kind.ACME}, **fields):
            raise LeaseLost
        self.tell()


def issue(pk: str, *, tell: Callable[[str | None], None]) -> bool:
    """Request certificate `pk` if it is due, nobody does already and there is room; whether another one serves now.

    `tell` is called with the pod whose pages may look. Safe to call at any time.
    """
    row = Certificate.objects.select_related("hostname").filter(pk=pk, next_at__lte=timezone.now()).first()
    if row is None or not _room(row):
        return False
    pod = row.hostname.pod_id if row.hostname else None
    lease = acquire(row, kind=Kind.ACME, next_at__lte=timezone.now())
    if lease is None:
        return False
    with kept(lease):
        try:
            return _issue(Request(row, lease, lambda: tell(pod)))
        except LeaseLost:
            log.info("lease_lost", certificate=pk)
            return False


def sweep() -> None:
    """Remove what requests left whose worker was killed."""
    config = settings.BRAINPOD
    state = config.state / "certbot"
    if not state.is_dir():
        return
    left = {path.name for path in state.iterdir() if path.is_dir()} - {"accounts"}
    held = {row.pk for row in Certificate.objects.filter(leased_until__gt=timezone.now()) if row.held}
    for name in left:
        if name.rpartition("-")[0] not in held:
            shutil.rmtree(state / name, ignore_errors=True)
            (config.run / f"acme-{name}.sock").unlink(missing_ok=True)


def _room(row: Certificate) -> bool:
    """Whether another may begin. Two that look at once may both: it is a measure against crowds, not a limit."""
    rows = Certificate.objects.filter(leased_until__gt=timezone.now()).exclude(pk=row.pk)
    busy = [other for other in rows if other.held]
    by_hand = sum(other.by_hand for other in busy)
    return len(busy) < AT_ONCE and not (row.by_hand and by_hand >= BY_HAND_AT_ONCE)


def _issue(request: Request) -> bool:
    row = request.row
    now = timezone.now()
    request.write(State.ISSUING, tried_at=now, tries=[*row.recent_tries, now.timestamp()], records=[], confirmed=0)
    failpoint("certificate.issuing", row.pk)
    try:
        pair = _pair(request)
        failpoint("certificate.issued", row.pk)
        where = {**request.lease.where, "kind": Kind.ACME}
        request.lease.check()
        if not keeping.keep(row, pair, where=where, renewed=True):
            raise LeaseLost
    except UserError as error:
        _failed(request, error)
        return False
    except PlatformError as error:
        log.warning("certificate_waits", host=row.host, error=error.message, error_id=error.id)
        request.write(State.WAITING, next_at=timezone.now() + AWAY, records=[])
        return False
    log.info("certificate_issued", host=row.host, until=pair.not_after.isoformat(), issuer=pair.issuer)
    request.tell()
    return True


def _pair(request: Request) -> pairs.Pair:
    """What the authority issued, checked. Raises UserError, PlatformError, LeaseLost."""
    config, row = settings.BRAINPOD, request.row
    zone = None if row.by_hand else zone_of(row.host)
    if zone is None and not row.by_hand and row.host.startswith("*."):
        raise UserError(
            "acme_no_zone",
            f"A wildcard such as {row.host} is proven by a DNS record, and no DNS zone is set up that could have it.",
            "An operator adds the zone under DNS zones, or has it proven by hand.",
        )
    chain, key = certbot.request(
        row.wanted_names,
        name=f"{row.pk}-{secrets.token_hex(4)}",
        authority=certbot.Authority(config.acme_directory, config.acme_email, config.acme_ca),
        place=certbot.Place(config.state / "certbot", config.run, edge.edge().challenges()),
        challenge="dns" if zone or row.by_hand else "http",
        act=_writer(zone) if zone else (lambda errand: _by_hand(request, errand)) if row.by_hand else None,
        now=request.still_wanted,
    )
    return pairs.read(chain, key, hosts=row.wanted_names, now=timezone.now())


def _writer(zone: DnsZone) -> Callable[[Errand], None]:
    """Raises PlatformError without the secret store."""
    secret = keeping.zone_secret(zone)
    place: rfc2136.Server | cloudflare.Cloudflare
    if zone.provider == Provider.CLOUDFLARE:
        place = cloudflare.Cloudflare(settings.BRAINPOD.cloudflare_url, zone.zone, secret)
    else:
        address, port = rfc2136.address_of(zone.server)
        place = rfc2136.Server(address, port, zone.zone, zone.key_name, zone.algorithm, secret)

    def act(errand: Errand) -> None:
        if errand.act == "remove":
            try:
                place.remove(errand.record, errand.value)
            except UserError as error:  # the certificate is there all the same
                log.warning("record_left", record=errand.record, error=error.message)
            return
        place.present(errand.record, errand.value)
        time.sleep(zone.wait)

    return act


def _by_hand(request: Request, errand: Errand) -> None:
    """Show the record, and wait until somebody says that it is there."""
    if errand.act == "remove":
        return
    records = [*request.row.records, {"name": errand.record, "value": errand.value}]
    request.write(State.ISSUING, records=records)
    deadline = time.monotonic() + BY_HAND_SECONDS
    while True:
        request.still_wanted()
        confirmed = Certificate.objects.filter(pk=request.row.pk).values_list("confirmed", flat=True).first() or 0
        if confirmed >= len(records):
            return
        if time.monotonic() > deadline:
            raise UserError(
                "acme_unconfirmed",
                "Nobody said in time that the DNS record is there.",
                "Request it again, and confirm within 15 minutes: each request has a record of its own.",
            )
        time.sleep(LOOK)


def _failed(request: Request, error: UserError) -> None:
    row = request.row
    count = row.failures + 1
    delay = DELAYS[min(count, len(DELAYS)) - 1]
    if isinstance(error, Refused):
        if error.kind == "rateLimited":
            delay = max(error.wait if error.wait is not None else LIMITED, DELAYS[0])
        elif error.kind == "accountDoesNotExist":
            delay = DELAYS[0]
    next_at = None if row.by_hand else timezone.now() + delay
    log.warning("certificate_failed", host=row.host, code=error.code, error=error.message, failures=count)
    request.write(
        State.FAILED, error_code=error.code, error=error.message, hint=error.hint, failures=count, next_at=next_at,
        records=[],
    )  # fmt: skip
