"""What the page of a route shows of its domains: how each stands, what was found, and which records to make."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from apps.dns.lookup import Found
from apps.dns.names import PROOF_LABEL, shown, zone_of
from apps.pods.domains.claims import target_of, text_of
from apps.pods.domains.settling import BY, CLAIM_LASTS
from apps.pods.kinds.route import MOST_DOMAINS
from apps.pods.models import DomainProof, HostName, Pod, Resource, Snapshot


@dataclass(frozen=True, slots=True)
class Record:
    """One to make in the DNS. `found`: what stands in its place now; None when nobody has looked yet."""

    kind: str
    name: str
    value: str
    does: str
    found: tuple[str, ...] | None
    right: bool


@dataclass(frozen=True, slots=True)
class Domain:
    """`change`: what the draft does to it: "create", "delete" or nothing. `looking`: somebody is about to look."""

    host: str
    name: str
    state: str
    says: str
    change: str
    looking: bool
    checked_at: datetime.datetime | None
    changed_at: datetime.datetime | None
    records: tuple[Record, ...]
    address: str

    @property
    def proven(self) -> bool:
        return self.state in ("verified", "misdirected")


@dataclass(frozen=True, slots=True)
class Card:
    """`room`: how many more there may be. `typed` and `errors`: of one that was refused."""

    domains: tuple[Domain, ...]
    room: int
    removed: bool = False  # the route itself goes with the draft
    typed: str = ""
    errors: tuple[str, ...] = ()


def domain_card(
    pod: Pod, resource: Resource, around: Snapshot, *, typed: str = "", errors: Iterable[str] = ()
) -> Card | None:
    """None for what is no route."""
    if resource.kind != "Route":
        return None
    live = pod.live.snapshot().get(resource.name) if pod.live else None
    now = _domains(live) if live and live.kind == "Route" else []
    then = _domains(around[resource.name]) if resource.name in around else []
    hosts = [*then, *(host for host in now if host not in then)]
    rows = {row.host: row for row in HostName.objects.filter(pod=pod, custom=True, host__in=hosts)}
    proofs = {proof.host: proof for proof in DomainProof.objects.filter(team=pod.team_id, host__in=hosts)}
    own = next(iter(pod.hosts.filter(custom=False, route=resource.name).values_list("host", flat=True)), "")
    made = (
        _domain(rows[host], proofs[host], own, change="" if host in now and host in then else _change(host, then))
        for host in hosts
        if host in rows and host in proofs
    )
    return Card(tuple(made), MOST_DOMAINS - len(then), resource.name not in around, typed, tuple(errors))


def _domains(resource: Resource) -> list[str]:
    return list(resource.spec.get("domains", ()))


def _change(host: str, then: list[str]) -> str:
    return "create" if host in then else "delete"


def _domain(row: HostName, proof: DomainProof, own: str, *, change: str) -> Domain:
    found = Found.from_json(row.found) if row.checked_at else None
    return Domain(
        host=row.host,
        name=shown(row.host),
        state=row.state,
        says=_says(row, found, change),
        change=change,
        looking=bool(row.check_at and row.check_at <= timezone.now()),
        checked_at=row.checked_at,
        changed_at=row.changed_at,
        records=tuple(_records(row, proof, own, found)),
        address=settings.BRAINPOD.url(row.host),
    )


def _says(row: HostName, found: Found | None, change: str) -> str:
    if change == "delete":
        return "It goes with the next deployment, and has to be proven again to return."
    if found and found.trouble:
        return f"Not looked up: {found.trouble}. What is known is older than that."
    match row.state:
        case "verified":
            then = "It answers with the next deployment." if change == "create" else "It answers."
            return f"Proven by {BY[row.proof]}, and it leads here. {then}"
        case "misdirected":
            return f"Proven by {BY[row.proof]}, and it leads {_where(found)}: make the first record below."
        case "expired":
            return f"Not proven within {CLAIM_LASTS.days} days. Make one of the records below, then check again."
    return _why_not((row.found or {}).get("note", ""))


def _why_not(note: str) -> str:
    match note:
        case "taken":
            return (
                "Somebody else on this platform has proven it. It comes here once a record below is there and no record"
                " of theirs is any more."
            )
        case "sibling":
            return "Another pod of your team has it. It comes here once it is taken out there and that is deployed."
        case "contested":
            return "It leads here, as do names beside it that others have to do with: make the TXT record below."
        case "wildcard":
            return "It leads here, but so does every name beside it, which proves nothing: make the TXT record below."
    return "Not proven yet. Make one of these records where the domain is administered; it is looked up every minute."


def _where(found: Found | None) -> str:
    ends = (*found.chain[-1:], *found.addresses) if found else ()
    return f"elsewhere, to {', '.join(ends)}" if ends else "nowhere yet"


def _records(row: HostName, proof: DomainProof, own: str, found: Found | None) -> Iterable[Record]:
    target, addresses = target_of(proof), sorted(settings.BRAINPOD.public_addresses)
    top = zone_of(row.host) == row.host
    if not (top and addresses):
        ways = (*found.chain, *(() if found.chain else found.addresses)) if found else None
        does = "leads here and proves it; as ALIAS or ANAME it only leads here" if top else "leads here and proves it"
        right = bool(found and ({target, own} & set(found.chain) or (top and row.state == "verified")))
        yield Record("CNAME", row.host, target, does, ways, right)
    else:
        for address in addresses:
            kind = "AAAA" if ":" in address else "A"
            right = bool(found and address in found.addresses)
            yield Record(kind, row.host, address, "leads here", found.addresses if found else None, right)
    texts = (*found.texts, *([f"a CNAME to {found.alias}"] if found.alias else [])) if found else None
    right = bool(found and text_of(proof) in found.texts)
    yield Record("TXT", f"{PROOF_LABEL}.{row.host}", text_of(proof), "proves it wherever it leads", texts, right)
