"""What the page of a pod's previews shows, in a few queries whatever their number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from apps.accounts.models import User
from apps.dashboard import pod_cards
from apps.pods.models import Pod
from apps.previews import places
from apps.previews.models import Preview, PreviewState, Why

CLOSED_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Line:
    """`state`: a word of apps.dashboard.states; `said`: what it waits for, or what is wrong; `links`: (host, address).

    `may_wake`: something of it sleeps or is stopped. `to_approve`: the commit that waits for somebody's approval.
    """

    row: Preview
    state: str
    said: str
    links: tuple[tuple[str, str], ...]
    may_wake: bool
    to_approve: str


def context(pod: Pod, user: User) -> dict[str, Any]:
    found = Preview.objects.filter(parent=pod).select_related("pod", "parent", "approved_by")
    held = places.settings_of(pod)
    cards = {card.name: card for card in pod_cards.each(pod_cards.cards(user, team=pod.team.slug, text=""))}
    there = [_line(row, cards, held.limit) for row in found.exclude(state=PreviewState.CLOSED)]
    closed = [_line(row, cards, held.limit) for row in found.filter(state=PreviewState.CLOSED)[:CLOSED_SHOWN]]
    return {"previews": there, "closed": closed, "held": held, "is_child": bool(pod.lineage)}


def _line(row: Preview, cards: dict[str, pod_cards.Card], limit: int) -> Line:
    card = cards.get(row.pod.name) if row.pod else None
    state = _state(row, card)
    return Line(
        row=row,
        state=state,
        said=_said(row, limit),
        links=tuple((host, settings.BRAINPOD.url(host)) for host in card.hosts) if card and _is_open(row) else (),
        may_wake=state in ("asleep", "stopped"),
        to_approve=row.head_sha if row.why == Why.APPROVAL else "",
    )


def _is_open(row: Preview) -> bool:
    return row.state == PreviewState.OPEN


def _state(row: Preview, card: pod_cards.Card | None) -> str:
    if row.state == PreviewState.CLOSED:
        return "closing" if row.pod else "gone"
    if row.error:
        return "failed"
    if row.state == PreviewState.WAITING:
        return "waiting"
    return card.state if card and card.last else "pending"


def _said(row: Preview, limit: int) -> str:
    if row.state == PreviewState.CLOSED:
        return row.ended
    if row.error:
        return row.error
    if row.why == Why.APPROVAL:
        return f"Comes from a fork: {row.head_sha[:7]} waits for approval."
    return f"Waits: the limit of {limit} is reached." if row.why == Why.LIMIT else ""
