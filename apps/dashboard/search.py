"""What the palette (Ctrl/⌘-K) finds. A searchable is a function; register more with `searchable`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import idna
from django.urls import NoReverseMatch, reverse

from apps.accounts.models import Team, User
from apps.dns.names import shown
from apps.pods.models import HostName, Pod

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
def domains(user: User, text: str) -> Iterable[Hit]:
    """Routes by the names they answer to, and by those claimed for them."""
    try:
        wanted = idna.encode(text, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        wanted = text.lower()
    hosts = HostName.objects.filter(pod__in=Pod.objects.visible_to(user), host__contains=wanted).exclude(route="")
    for row in hosts.select_related("pod").order_by("host")[:EACH]:
        address = reverse("resource", kwargs={"pod": row.pod.name, "name": row.route})
        yield Hit("domain", shown(row.host), address, "route", f"{row.route} in {row.pod.name}")


@searchable
def teams(user: User, text: str) -> Iterable[Hit]:
    for team in Team.objects.of(user).filter(name__icontains=text)[:EACH]:
        yield Hit("team", team.name, reverse("team", kwargs={"team": team.slug}), "users-group")


@searchable
def pages(user: User, text: str) -> Iterable[Hit]:
    known = [("Home", "home", "home"), ("Teams", "teams", "users-group"), ("Account", "account", "user")]
    if user.is_staff:
        known += [
            ("Operators", "admin:index", "tool"),
            ("nginx", "nginx", "tool"),
            ("Infrastructure", "services", "server"),
        ]
    for title, name, icon in known:
        if text.lower() in title.lower():
            yield Hit("page", title, reverse(name), icon)
