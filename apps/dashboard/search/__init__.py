"""What the palette (Ctrl/⌘-K) and the page of /search/ find: a constant number of queries, whatever there is.

A kind of thing is a function that takes what was `Asked` and yields a `Hit` for each that fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from apps.accounts.models import User
from apps.dashboard.environment import url
from apps.dashboard.search import history, places, things
from apps.dashboard.search.asked import Asked
from apps.dashboard.search.words import WORD, Hit

EACH = 6


class Group(NamedTuple):
    title: str
    hits: list[Hit]


KINDS: tuple[tuple[str, Callable[[Asked], Iterable[Hit]]], ...] = (
    ("Pods", things.pods),
    ("Apps and resources", things.resources),
    ("Actions", places.actions),
    ("Pages", places.pages),
    ("Deployments", history.deployments),
    ("Commits", history.commits),
    ("Domains", things.domains),
    ("Teams", things.teams),
)


def find(user: User, text: str) -> list[Group]:
    """What fits, at most EACH of a kind, the kind with the best one first; with no text, what is recent."""
    asked = Asked(user, text)
    if not asked.words:
        return _recent(asked)
    found = [Group(title, sorted(search(asked), key=lambda hit: hit.rank)[:EACH]) for title, search in KINDS]
    return sorted((group for group in found if group.hits), key=lambda group: group.hits[0].rank)


def _recent(asked: Asked) -> list[Group]:
    """The pods that something happened to last with their newest deployments, then actions and pages."""
    newest = history.recent(asked, EACH)
    pods = [asked.pods[pod] for pod, _ in newest] or list(asked.pods.values())
    recent = [Hit(pod.name, url("pod", pod.name), "stack-2", pod.team.name, WORD) for pod in pods[: EACH // 2]]
    groups = [
        Group("Recent pods" if newest else "Pods", recent),
        Group("Recent deployments", [hit for _, hit in newest][: EACH // 2]),
        Group("Actions", [hit for hit in places.actions(asked) if hit.sends is None or hit.sends]),
        Group("Pages", list(places.pages(asked))[:EACH]),
    ]
    return [group for group in groups if group.hits]
