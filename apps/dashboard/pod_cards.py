"""The pods of a person as cards, in four queries whatever their number.

The page that is looked at most: a card is turned into HTML once for each state it is in, and kept.
"""

from __future__ import annotations

import datetime
import functools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.db.models import Count, Exists, Min, OuterRef, Q, Subquery
from django.template.loader import render_to_string
from django.utils import timezone
from markupsafe import Markup

from apps.accounts.models import Team, User, admitted
from apps.dashboard.environment import in_words
from apps.dashboard.pod_states import Running, pod_state, resting
from apps.dashboard.prepared import Prepared, moment
from apps.deployments.models import OPEN_STATES, AppControl, Deployment, Workload
from apps.pods.models import HostName, Pod, Resource, Revision

LATELY = datetime.timedelta(days=7)


class TeamName(NamedTuple):
    slug: str
    name: str
    wants_second_factor: bool = False


@dataclass(frozen=True, slots=True)
class Last:
    """The newest deployment of a pod."""

    id: str
    state: str
    version: int | None
    summary: str
    at: datetime.datetime
    by: str


@dataclass(frozen=True, slots=True)
class Card:
    """`seen` is given only when the state is older than it should be; `last` is None before the first deployment."""

    name: str
    team: str
    team_slug: str
    state: str
    version: int | None
    has_draft: bool
    hosts: tuple[str, ...]
    running: int
    wanted: int
    last: Last | None
    seen: datetime.datetime | None
    parent: str = ""  # its name
    lineage: str = ""
    children: tuple[Card, ...] = ()


def cards(user: User, *, team: str = "", text: str = "") -> list[Card]:
    """The pods of the teams `user` is in, by name; of the team with the slug `team` alone, with `text` in the name.

    Children stand in the card of their parent, where that is among them.
    """
    wanted = [
        row for row in _PODS.rows(user.pk) if (not team or row[3] == team) and (not text or text.lower() in row[1])
    ]
    if not wanted:
        return []
    last, running, hosts = _last(user), _running(user), _hosts(user)
    return _nested(
        [_card(row, last.get(row[0]), running.get(row[0], Running()), tuple(hosts.get(row[0], ()))) for row in wanted]
    )


def _nested(found: list[Card]) -> list[Card]:
    """`found` with children in their parents' cards, by lineage and name."""
    named, below = {card.name for card in found}, defaultdict(list)
    for card in found:
        if card.parent in named:
            below[card.parent].append(card)
    if not below:
        return found  # most people's pods have no children, and a copy of each card costs more than making it did
    return [
        replace(card, children=tuple(sorted(below[card.name], key=lambda child: (child.lineage, child.name))))
        for card in found
        if card.parent not in named
    ]


def each(found: list[Card]) -> Iterator[Card]:
    """`found` and the children in them."""
    for card in found:
        yield card
        yield from card.children


class News(NamedTuple):
    """Pods by their newest deployment, the newest first: those it is under way for, and those it failed for lately."""

    under_way: list[Card]
    failed: list[Card]


def news(found: list[Card], now: datetime.datetime) -> News:
    rows = [(card.last.at, card.last.state, card) for card in each(found) if card.last]
    rows.sort(key=lambda row: row[0], reverse=True)
    return News(
        [card for _, state, card in rows if state in OPEN_STATES],
        [card for at, state, card in rows if state == "failed" and now - at < LATELY],
    )


def as_html(found: list[Card]) -> Markup:
    """All of them in one piece: each part that a template is given passes through every template around it."""
    now = timezone.now()
    return Markup(  # of what was escaped # nosec B704
        "".join(_html(card, _words(card.last.at if card.last else None, now), _words(card.seen, now)) for card in found)
    )


def _words(moment: datetime.datetime | None, now: datetime.datetime) -> str:
    """How long ago, in whole minutes: a card is not made anew each second, app.js counts those."""
    if moment is None:
        return ""
    return in_words(moment if now - moment > datetime.timedelta(minutes=1) else now, now)


@functools.lru_cache(maxsize=4096)
def _html(card: Card, deployed: str, seen: str) -> Markup:
    return Markup(  # of a template, which escapes # nosec B704
        render_to_string("_pod_card.html", {"card": card, "deployed": deployed, "seen": seen}, using="jinja2")
    )


def _card(row: tuple[Any, ...], last: Last | None, instances: Running, hosts: tuple[str, ...]) -> Card:
    _, name, team, slug, version, has_draft, stopped, asleep, parent, lineage = row
    rests = resting(stopped=bool(stopped), asleep=bool(asleep))
    state = pod_state(live=version is not None, last=last.state if last else "", instances=instances, rests=rests)
    seen = instances.seen if state == "unknown" else None
    return Card(
        name, team, slug, state, version, bool(has_draft), hosts, instances.healthy, instances.total, last, seen,
        parent or "", lineage,
    )  # fmt: skip


def teams_of(user: User) -> list[TeamName]:
    """The teams `user` is a member of, by name."""
    return [TeamName(slug, name, bool(wants)) for slug, name, wants in _TEAMS.rows(user.pk)]


# Each asks for all pods of a person: a list of fifty ids costs the ORM more than the joins cost the database.

_TEAMS = Prepared(
    lambda user: (
        Team.objects.filter(memberships__user_id=user)
        .order_by("name", "pk")
        .values_list("slug", "name", "requires_second_factor")
    )
)
_PODS = Prepared(
    lambda user: (
        Pod.objects.filter(admitted(user, "team__"), team__memberships__user_id=user, deleting_at=None)
        .annotate(
            has_draft=Exists(Revision.objects.filter(pod=OuterRef("pk"), sealed_at=None)),
            stopped=Exists(AppControl.objects.filter(pod=OuterRef("pk"), stopped_at__isnull=False)),
            asleep=Exists(AppControl.objects.filter(pod=OuterRef("pk"), asleep_since__isnull=False)),
        )
        .order_by("name")
        .values_list(
            "id",
            "name",
            "team__name",
            "team__slug",
            "live__version",
            "has_draft",
            "stopped",
            "asleep",
            "parent__name",
            "lineage",
        )
    )
)
_LAST = Prepared(
    lambda user: (
        Deployment.objects.filter(
            id__in=Pod.objects.filter(team__memberships__user_id=user)
            .order_by()
            .values(newest=Subquery(Deployment.objects.filter(pod=OuterRef("pk")).order_by("-id").values("id")[:1]))
        )
        .order_by()
        .values_list("pod_id", "id", "state", "revision__version", "revision__summary", "created_at", "actor__name")
    )
)
_RUNNING = Prepared(
    lambda user: (
        Workload.objects.filter(pod__team__memberships__user_id=user, serving=True, stopped_at=None)
        .order_by()
        .values("pod_id")
        .annotate(total=Count("id"), healthy=Count("id", filter=Q(state="healthy")), seen=Min("observed_at"))
        .values_list("pod_id", "total", "healthy", "seen")
    )
)
_HOSTS = Prepared(
    lambda user: (
        HostName.objects.owned()
        .filter(
            Q(pod__live=None)
            | Exists(Resource.objects.filter(revision=OuterRef("pod__live"), kind="Route", name=OuterRef("route"))),
            pod__team__memberships__user_id=user,
        )
        .exclude(route="")
        .order_by("host")
        .values_list("pod_id", "host")
    )
)


def _last(user: User) -> dict[str, Last]:
    found = {}
    for pod, id, state, version, summary, at, by in _LAST.rows(user.pk):
        if created := moment(at):
            found[pod] = Last(id, state, version, summary, created, by or "")
    return found


def _running(user: User) -> dict[str, Running]:
    return {pod: Running(total, healthy, moment(seen)) for pod, total, healthy, seen in _RUNNING.rows(user.pk)}


def _hosts(user: User) -> dict[str, list[str]]:
    hosts = defaultdict(list)
    for pod, host in _HOSTS.rows(user.pk):
        hosts[pod].append(host)
    return hosts
