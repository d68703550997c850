"""What the palette (Ctrl/⌘-K) finds. A searchable is a function; register more with `searchable`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse

from apps.accounts.models import Team, User
from apps.pods.models import Pod

EACH = 6
LONGEST = 100


@dataclass(frozen=True, slots=True)
class Hit:
    """`kind` is shown beside the title: "pod", "team", "page"."""

    kind: str
    title: str
    url: str
    icon: str
    detail: str = ""


Search = Callable[[User, str], Iterable[Hit]]
_searches: list[Search] = []


def searchable(search: Search) -> Search:
    """`search(user, text)` yields what of its kind `user` may see and `text` (never empty) fits, at most EACH."""
    _searches.append(search)
    return search


def find(user: User, text: str) -> list[Hit]:
    """Everything that fits; with no text, the pages."""
    text = text.strip()[:LONGEST]
    if not text:
        return list(pages(user, ""))
    return [hit for search in _searches for hit in search(user, text)]


@searchable
def pods(user: User, text: str) -> Iterable[Hit]:
    for pod in Pod.objects.visible_to(user).select_related("team").filter(name__icontains=text)[:EACH]:
        try:
            address = reverse("pod", kwargs={"pod": pod.name})
        except NoReverseMatch:
            return
        yield Hit("pod", pod.name, address, "box", pod.team.name)


@searchable
def teams(user: User, text: str) -> Iterable[Hit]:
    for team in Team.objects.of(user).filter(name__icontains=text)[:EACH]:
        yield Hit("team", team.name, reverse("team", kwargs={"team": team.slug}), "users-group")


@searchable
def pages(user: User, text: str) -> Iterable[Hit]:
    known = [("Home", "home", "home"), ("Teams", "teams", "users-group"), ("Account", "account", "user")]
    if user.is_staff:
        known.append(("Operators", "admin:index", "tool"))
    for title, name, icon in known:
        if text.lower() in title.lower():
            yield Hit("page", title, reverse(name), icon)
