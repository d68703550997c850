"""A certificate for each name that may have one, and who may write which DNS zone for us."""

from __future__ import annotations

import datetime
import hashlib

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.core.ids import new_id
from apps.core.leases import Leased
from apps.pods.models import HostName


class Kind(models.TextChoices):
    ACME = "acme", "requested"
    OWN = "own", "your own"


class State(models.TextChoices):
    """Of the request. What was issued before goes on serving in every one of them."""

    WAITING = "waiting", "waiting"
    ISSUING = "issuing", "being issued"
    READY = "ready", "in use"
    FAILED = "failed", "failed"


MOVES = {
    "waiting": frozenset({"waiting", "issuing", "ready"}),
    "issuing": frozenset({"waiting", "issuing", "ready", "failed"}),
    "ready": frozenset({"waiting", "issuing", "ready", "failed"}),
    "failed": frozenset({"waiting", "issuing", "ready", "failed"}),
}


def path_of(pk: str) -> str:
    """Where the secret store keeps chain and key."""
    return f"platform/certificates/{pk}"


def renewal(pk: str, begin: datetime.datetime, end: datetime.datetime) -> datetime.datetime:
    """A third of its life before its end, and a little earlier: not all that came on one day at once."""
    chance = int.from_bytes(hashlib.sha256(pk.encode()).digest()[:4], "big") / 2**32
    return end - (end - begin) / 3 - chance * (end - begin) / 50


WARNED = datetime.timedelta(days=14)  # before one's own certificate ends
HOUR = 3600.0  # seconds
SOON = datetime.timedelta(days=7)  # before any other ends


class Certificate(Leased):
    """Of one host name; of the platform's own (the dashboard's, the wildcard of the base domain) without `hostname`.

    `version`: of chain and key in the secret store (`platform/certificates/<id>`); null: there is none yet, and the
    name is answered with the default one. `not_before`, `names`, `issuer` and so on are of that version.
    `next_at`: when it is next requested; null: not by itself. `failures`: in a row.
    `tries`: when requests of the last hour began (seconds of the epoch), whoever asked for them.
    `damage`: nginx's copy is "missing" or "damaged", and could not be brought back yet. `told`: the key of the alarm
    that people were told of last (`alarm_key`).
    `by_hand`: proven by records that somebody writes into the DNS: `records` are shown, `confirmed` of them are there.
    """

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    host = models.CharField(max_length=253, unique=True)
    hostname = models.OneToOneField(HostName, null=True, on_delete=models.CASCADE, related_name="certificate")
    kind = models.CharField(max_length=4, choices=Kind.choices, default=Kind.ACME)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    version = models.PositiveIntegerField(null=True)
    names = models.JSONField(default=list)
    issuer = models.CharField(max_length=300, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    not_before = models.DateTimeField(null=True)
    not_after = models.DateTimeField(null=True)
    by_hand = models.BooleanField(default=False)
    records = models.JSONField(default=list)
    confirmed = models.PositiveSmallIntegerField(default=0)
    error_code = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True, db_index=True)
    checked_at = models.DateTimeField(null=True)  # when its files were last looked at
    damage = models.CharField(max_length=10, blank=True, default="", db_default="")
    told = models.CharField(max_length=80, blank=True, default="", db_default="")
    tries = models.JSONField(default=list, db_default=[])
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("host",)

    def __str__(self) -> str:
        return self.host

    @property
    def wanted_names(self) -> list[str]:
        """A wildcard covers the names beneath, not the one it is made of."""
        return [self.host, self.host.removeprefix("*.")] if self.host.startswith("*.") else [self.host]

    @property
    def path(self) -> str:
        """Where the secret store keeps chain and key."""
        return path_of(self.id)

    @property
    def kept(self) -> str:
        """What the edge knows it by; empty while there is none."""
        return f"{self.id}-{self.version}" if self.version else ""

    @property
    def renew_at(self) -> datetime.datetime | None:
        if self.not_before is None or self.not_after is None:
            return None
        return renewal(self.id, self.not_before, self.not_after)

    @property
    def recent_tries(self) -> list[float]:
        """Those of `tries` that are of the last hour, the oldest first."""
        hour_ago = timezone.now().timestamp() - HOUR
        return sorted(at for at in self.tries if at > hour_ago)

    @property
    def is_over(self) -> bool:
        return self.not_after is not None and self.not_after <= timezone.now()

    @property
    def awaits_records(self) -> bool:
        return self.state == State.ISSUING and len(self.records) > self.confirmed

    @property
    def alarm(self) -> str:
        """What somebody has to look at, in words; empty: nothing."""
        return self._alarm()[1]

    @property
    def alarm_key(self) -> str:
        """Another one for each thing that is worth being told."""
        return self._alarm()[0]

    def _alarm(self) -> tuple[str, str]:
        now, host = timezone.now(), self.host
        if self.damage:
            words = f"The files of the certificate of {host} are {self.damage}, and what they were cannot be had now."
            return "files", f"{words} Visitors get the default one, of which browsers warn."
        if self.kind == Kind.OWN and not self.version:
            return "lost", f"Your own certificate of {host} is lost: upload it again, or take it away."
        if self.is_over:
            return "over", f"The certificate of {host} has expired: browsers refuse it."
        left = self.not_after - now if self.not_after else None
        if self.kind == Kind.OWN and left is not None and left < WARNED:
            key = "ends-soon" if left < SOON else "ends"
            return key, f"Your own certificate of {host} ends {_in_days(left)}: upload the next one."
        if left is not None and left < min(SOON, self._sixth):
            return "ends-soon", f"The certificate of {host} ends {_in_days(left)} and has not been renewed."
        if self.failures and self.version:
            key, words = (
                "unrenewed",
                f"The certificate of {host} could not be renewed. The present one goes on serving.",
            )
            return f"{key}:{self.error_code}", words
        if self.failures:
            return f"none:{self.error_code}", f"There is no certificate of {host} yet: browsers warn of it."
        return "", ""

    @property
    def _sixth(self) -> datetime.timedelta:
        """Of its life: one of a few days is renewed with less left than a week."""
        assert self.not_before is not None
        assert self.not_after is not None
        return (self.not_after - self.not_before) / 6


def _in_days(left: datetime.timedelta) -> str:
    return f"in {left.days} day{'' if left.days == 1 else 's'}" if left.days else "within a day"


class Provider(models.TextChoices):
    RFC2136 = "rfc2136", "DNS server that takes updates (RFC 2136)"
    CLOUDFLARE = "cloudflare", "Cloudflare"


class Algorithm(models.TextChoices):
    SHA256 = "hmac-sha256"
    SHA384 = "hmac-sha384"
    SHA512 = "hmac-sha512"


class DnsZone(models.Model):
    """A zone that the platform may write to prove names in it. Its key or token is in the secret store.

    `server`: address and port, for RFC 2136. `wait`: seconds until every server of the zone has a new record.
    """

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    zone = models.CharField(max_length=253, unique=True)
    provider = models.CharField(max_length=10, choices=Provider.choices)
    server = models.CharField(max_length=260, blank=True)
    key_name = models.CharField(max_length=253, blank=True)
    algorithm = models.CharField(max_length=12, choices=Algorithm.choices, default=Algorithm.SHA256)
    wait = models.PositiveSmallIntegerField(default=10)
    path = models.CharField(max_length=120, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("zone",)
        verbose_name = "DNS zone"

    def __str__(self) -> str:
        return self.zone


def zone_of(host: str) -> DnsZone | None:
    """The closest zone we may write that `host` lies in."""
    labels = host.removeprefix("*.").split(".")
    above = [".".join(labels[start:]) for start in range(len(labels))]
    found = {row.zone: row for row in DnsZone.objects.filter(zone__in=above)}
    return next((found[name] for name in above if name in found), None)
