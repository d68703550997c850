"""What the pages of a pod show of certificates."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import QuerySet

from apps.certificates import news
from apps.certificates.actions import refusal
from apps.certificates.models import Certificate, Kind
from apps.core.errors import Conflict, NotFound
from apps.deployments.models import AppEvent
from apps.dns.names import shown
from apps.pods.models import HostName, Pod, Resource

EVENTS = 10  # of one certificate, on its page


@dataclass(frozen=True, slots=True)
class Row:
    """`state`: as badges know it, with `word`. `says`: the one thing to know. `refused`: why it cannot be requested
    now, if it cannot."""

    certificate: Certificate
    name: str
    state: str
    word: str
    says: str
    refused: Conflict | None

    @property
    def ask(self) -> str:
        """What is on the button that requests it."""
        if self.certificate.state == "failed":
            return "Try again now"
        return "Renew now" if self.certificate.version else "Request now"


@dataclass(frozen=True, slots=True)
class Card:
    """`shared`: the platform's certificate that the assigned host has, None for the self-signed one."""

    rows: tuple[Row, ...]
    assigned: str
    shared: Certificate | None
    tls: bool


def certificate_card(pod: Pod, resource: Resource) -> Card | None:
    """None for what is no route."""
    if resource.kind != "Route":
        return None
    config = settings.BRAINPOD
    found = Certificate.objects.filter(hostname__pod=pod, hostname__route=resource.name).order_by("host")
    assigned = HostName.objects.filter(pod=pod, route=resource.name, custom=False).first()
    shared = Certificate.objects.filter(host=f"*.{config.domain}", version__isnull=False).first()
    tls = bool(config.https_port)
    return Card(tuple(map(row_of, found)), assigned.host if assigned else "", shared, tls)


def certificate_of(pod: Pod, host: str) -> Certificate:
    """Raises NotFound for a name that is not the pod's."""
    found = Certificate.objects.select_related("hostname", "requested_by").filter(hostname__pod=pod, host=host).first()
    if found is None:
        raise NotFound("such certificate in this pod")
    return found


def history(certificate: Certificate) -> list[AppEvent]:
    """What happened to it, the newest first."""
    name = certificate.hostname
    if name is None:
        return []
    found = AppEvent.objects.filter(pod=name.pod_id, app=name.route, kind="tls", words__contains=f" {name.host} ")
    return list(found.select_related("actor")[:EVENTS])


def row_of(certificate: Certificate) -> Row:
    state, word = _look(certificate)
    return Row(certificate, shown(certificate.host), state, word, _says(certificate), refusal(certificate))


def _look(row: Certificate) -> tuple[str, str]:
    if row.damage:
        return "failed", "Files lost"
    if row.kind == Kind.OWN and not row.version:
        return "failed", "Lost"
    if row.is_over:
        return "failed", "Expired"
    if row.awaits_records:
        return "waiting", "Waits for you"
    if row.state == "issuing":
        return "pending", "Being renewed" if row.version else "Being issued"
    if row.state == "failed":
        return ("degraded", "Not renewed") if row.version else ("failed", "None")
    if row.version:
        return ("degraded", "Ends soon") if row.alarm else ("healthy", "In use")
    return "waiting", "Waiting" if row.next_at else "None"


def _says(row: Certificate) -> str:
    if row.awaits_records:
        return "Make the record below where the domain is administered, then say so: it counts for 15 minutes."
    if row.state == "failed":
        return f"{row.error} {row.hint}".strip()
    if row.state == "issuing":
        return "The certificate authority is looking whether the name leads here."
    if row.alarm:
        return row.alarm if row.kind == Kind.OWN or not row.error else f"{row.alarm} {row.error}"
    if row.kind == Kind.OWN:
        return "Your own: upload the next one before it ends."
    if row.version:
        return "It is renewed by itself."
    if row.next_at:
        return "It is requested in a moment."
    return "This installation requests none: visitors get a self-signed one until you upload yours."


def alarms(pod: Pod) -> list[Certificate]:
    """Those of the pod that somebody has to look at."""
    return _alarming(Certificate.objects.filter(hostname__pod=pod))


def all_alarms() -> list[Certificate]:
    """For operators: those of everybody, and the platform's own."""
    return _alarming(Certificate.objects.all())


def _alarming(rows: QuerySet[Certificate]) -> list[Certificate]:
    found = rows.filter(news.worth_telling()).select_related("hostname__pod")
    return [row for row in found.order_by("host") if row.alarm]
