"""What a look at the DNS does to a claim: proves it, takes it from somebody, finds it led astray, lets it expire.

Rules (docs/domains.md): a record that names the team proves a domain, even where another team has it, unless a record
names that one too. Leading here proves it only while nobody else has to do with the name. What is proven stays, until
it is released or proven by another.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any, Literal

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from apps.core.ids import new_id
from apps.dns.lookup import Found
from apps.dns.names import shown
from apps.pods.domains.claims import target_of, text_of
from apps.pods.domains.judging import Expected, Verdict, judge, names
from apps.pods.models import DomainProof, DomainState, HostName

CLAIM_LASTS = datetime.timedelta(days=14)
AGAIN = datetime.timedelta(minutes=5)  # after nobody answered
OWNED_AGAIN = {"verified": datetime.timedelta(hours=1), "misdirected": datetime.timedelta(minutes=10)}
PENDING_AGAIN = (  # by how old the claim is
    (datetime.timedelta(hours=1), datetime.timedelta(minutes=1)),
    (datetime.timedelta(days=1), datetime.timedelta(minutes=10)),
    (CLAIM_LASTS, datetime.timedelta(hours=1)),
)
BY = {"txt": "its TXT record", "cname": "its CNAME record", "address": "its addresses"}

Note = Literal["", "taken", "sibling", "contested", "wildcard"]  # why what was found proves nothing


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell a pod's people. `change`: verified, misdirected or lost, where `host` became that."""

    pod_id: str
    route: str
    words: str
    level: str = "info"
    change: str = ""
    host: str = ""


@dataclass
class Outcome:
    """`moved`: the edge has to hear of it."""

    events: list[Event] = field(default_factory=list)
    moved: bool = False


def expected_of(row: HostName, proof: DomainProof, here: frozenset[str] = frozenset()) -> Expected:
    """`here`: addresses the platform is known to be reached at, beside those of its setting."""
    own = frozenset(HostName.objects.filter(pod=row.pod_id, custom=False).values_list("host", flat=True))
    config = settings.BRAINPOD
    return Expected(text_of(proof), target_of(proof), own, config.domain, config.public_addresses, here)


@transaction.atomic
def settle(row: HostName, found: Found, *, here: frozenset[str] = frozenset()) -> Outcome:
    """Write down what was found of `row`'s domain and what follows. Nothing for a claim given up meanwhile."""
    outcome, now = Outcome(), timezone.now()
    # All that claim the name, in one order: whoever settles another claim of it waits, or is waited for.
    claims = HostName.objects.select_for_update(of=("self",)).filter(custom=True, host=row.host)
    rows = list(claims.select_related("pod__team").order_by("pk"))
    current = next((other for other in rows if other.pk == row.pk), None)
    if current is None:
        return outcome
    seen: dict[str, Any] = {"checked_at": now, "found": found.to_json()}
    if found.trouble:
        again = None if current.state == DomainState.EXPIRED else now + AGAIN
        HostName.objects.filter(pk=current.pk).update(**seen, check_at=again)
        return outcome
    proof, _ = DomainProof.objects.get_or_create(team=current.pod.team, host=current.host)
    expected = expected_of(current, proof, here)
    verdict = judge(found, expected)
    if current.verified_at:
        _follow(current, verdict, found, seen, outcome)
        return outcome
    note = _obstacle(current, verdict, found, rows, proof) if verdict.proof else ""
    if verdict.proof and not note and _take(current, verdict, seen, rows, outcome):
        return outcome
    _wait(current, seen | {"found": found.to_json() | {"note": note or ("taken" if verdict.proof else "")}}, outcome)
    return outcome


def _obstacle(row: HostName, verdict: Verdict, found: Found, rows: list[HostName], proof: DomainProof) -> Note:
    """Why `row` does not get the domain though something was found."""
    team = row.pod.team_id
    holder = next((other for other in rows if other.verified_at and other.pk != row.pk), None)
    if holder and holder.pod.team_id == team:
        return "sibling"
    if holder:
        theirs = DomainProof.objects.filter(team=holder.pod.team_id, host=row.host).first()
        if not verdict.strong or (theirs and names(found, expected_of(holder, theirs))):
            return "taken"
    if verdict.strong:
        return ""
    if found.wildcard:
        return "wildcard"
    proven = DomainProof.objects.filter(zone=proof.zone, proven_at__isnull=False).exclude(team=team)
    in_zone = Q(host=proof.zone) | Q(host__endswith=f".{proof.zone}")
    others = HostName.objects.filter(in_zone, custom=True).exclude(pod__team=team).exclude(state=DomainState.EXPIRED)
    return "contested" if proven.exists() or others.exists() else ""


def _take(row: HostName, verdict: Verdict, seen: dict[str, Any], rows: list[HostName], outcome: Outcome) -> bool:
    """Make the domain `row`'s own; False when the database knows of another owner after all."""
    now = seen["checked_at"]
    try:
        with transaction.atomic():
            for other in rows:
                if other.verified_at and other.pk != row.pk:
                    _lose(other, now, outcome)
            state = DomainState.VERIFIED if verdict.here else DomainState.MISDIRECTED
            HostName.objects.filter(pk=row.pk).update(
                **seen, state=state, proof=verdict.proof, verified_at=now, changed_at=now,
                check_at=now + OWNED_AGAIN[state],
            )  # fmt: skip
    except IntegrityError:
        outcome.events.clear()
        return False
    same = DomainProof.objects.filter(host=row.host)
    same.filter(team=row.pod.team_id).update(proven_at=now)
    # What others once had to show is worth nothing any more: a record of theirs may still stand.
    for other_proof in same.exclude(team=row.pod.team_id):
        DomainProof.objects.filter(pk=other_proof.pk).update(token=new_id(), proven_at=None)
    where = "and leads here" if verdict.here else "and does not lead here yet"
    words = f"{shown(row.host)} is proven by {BY[verdict.proof]} {where}."
    outcome.events.append(Event(row.pod_id, row.route, words, change=state, host=row.host))
    outcome.moved = True
    return True


def _lose(row: HostName, now: datetime.datetime, outcome: Outcome) -> None:
    HostName.objects.filter(pk=row.pk).update(
        state=DomainState.PENDING, proof="", verified_at=None, claimed_at=now, changed_at=now, check_at=now
    )
    words = f"{shown(row.host)} was proven by somebody else and does not answer here any more."
    outcome.events.append(Event(row.pod_id, row.route, words, "error", "lost", row.host))


def _follow(row: HostName, verdict: Verdict, found: Found, seen: dict[str, Any], outcome: Outcome) -> None:
    """A domain of the pod's own: does it still lead here? Whatever the answer, it stays the pod's."""
    state = DomainState.VERIFIED if verdict.here else DomainState.MISDIRECTED
    given = seen | {"check_at": seen["checked_at"] + OWNED_AGAIN[state]}
    if state != row.state:
        given |= {"state": state, "changed_at": seen["checked_at"]}
        where = ", ".join(found.chain[-1:] + found.addresses) or "nowhere"
        words = "leads here again." if verdict.here else f"does not lead here any more, but to {where}."
        level = "info" if verdict.here else "warn"
        outcome.events.append(Event(row.pod_id, row.route, f"{shown(row.host)} {words}"[:300], level, state, row.host))
    HostName.objects.filter(pk=row.pk).update(**given)


def _wait(row: HostName, seen: dict[str, Any], outcome: Outcome) -> None:
    """A claim that stays one: looked at again ever less often, and at last no more."""
    now = seen["checked_at"]
    age = now - (row.claimed_at or now)
    again = next((every for most, every in PENDING_AGAIN if age < most), None)
    given = seen | {"check_at": now + again if again else None}
    if again is None and row.state != DomainState.EXPIRED:
        given |= {"state": DomainState.EXPIRED, "changed_at": now}
        words = f"{shown(row.host)} was not proven within {CLAIM_LASTS.days} days; it is looked up when asked."
        outcome.events.append(Event(row.pod_id, row.route, words, "warn"))
    if again and row.state == DomainState.EXPIRED:
        given["check_at"] = None
    HostName.objects.filter(pk=row.pk).update(**given)
