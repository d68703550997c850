"""Pages and actions: of the platform, of each team, of each pod. Only those that the person may open."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

from django.urls import resolve

from apps.accounts.roles import Role
from apps.dashboard.environment import url
from apps.dashboard.search.asked import Asked, OnePod
from apps.dashboard.search.words import BEGINS, WORD, Hit, fit


class Place(NamedTuple):
    """`title` may have the name of its pod or team in it, as {}; `also`: other words for it."""

    title: str
    name: str
    icon: str
    also: str = ""


ACTIONS = (
    Place("New pod", "pod-new", "plus", "make create add project"),
    Place("New token", "account-tokens", "key", "make create api"),
)
PAGES = (
    Place("Home", "home", "home", "pods dashboard"),
    Place("Teams", "teams", "users-group", "members"),
    Place("Account", "account", "user", "settings profile password sessions"),
    Place("API tokens", "account-tokens", "key", "access keys"),
    Place("Second factor", "account-second-factor", "shield-lock", "passkeys authenticator recovery codes two-factor"),
    Place("Blueprints", "blueprints", "box", "ready pods templates"),
)
OPERATORS = (
    Place("Infrastructure", "services", "server", "services databases"),
    Place("Status of the platform", "platform-status", "server", "queues leases builders health"),
    Place("Audit log of the platform", "audit", "history", "activity"),
    Place("Backups of the platform", "platform-backups", "database"),
    Place("nginx", "nginx", "tool", "edge configuration"),
    Place("Operators", "admin:index", "tool", "admin"),
)
OF_TEAMS = (
    Place("Members of {}", "team", "users-group", "roles invitations people"),
    Place("Usage of {}", "team-usage", "clock", "build minutes"),
    Place("Activity of {}", "team-audit", "history", "audit log"),
    Place("Notifications of {}", "notifications", "mail", "webhooks slack e-mail"),
    Place("Git access of {}", "git-access", "key", "connections repositories"),
    Place("Blueprints of {}", "team-blueprints", "box", "ready pods templates"),
    Place("Terminals of {}", "terminals", "command", "sessions"),
)
OF_PODS = (
    Place("Deployments of {}", "deployments", "rocket", "history log"),
    Place("Revisions of {}", "revisions", "history", "compare diff"),
    Place("Settings of {}", "pod-settings", "settings", "region engine delete"),
    Place("Backups of {}", "pod-backups", "database", "restore"),
    Place("Previews of {}", "previews", "git-compare", "pull requests merge"),
    Place("Webhook deliveries of {}", "webhook-deliveries", "git-commit", "pushes inbox"),
)
DEEDS = (
    Place("Add to {}…", "resource-kinds", "plus", "new app route database disk resource"),
    Place("Review the draft of {}", "draft", "git-compare", "deploy plan changes"),
    Place("New staging pod of {}", "staging", "plus", "branch off clone copy"),
    Place("Roll back {}…", "revisions", "arrow-back-up", "rollback revert undo earlier"),
)
THEMES = (("light", "sun"), ("dark", "moon"), ("system", "device-desktop"))


def actions(asked: Asked) -> Iterator[Hit]:
    yield from _placed(asked, ACTIONS, "action")
    for theme, icon in THEMES:
        title = f"Theme: {theme}"
        if (rank := _rank(asked, title, "appearance colours mode")) is not None:
            yield Hit(title, url("account-theme"), icon, "action", rank, (("theme", theme),))
    if (rank := _rank(asked, "Sign out", "log logout leave")) is not None:
        yield Hit("Sign out", url("sign-out"), "logout", "action", rank, ())
    for pod in _meant(asked, DEEDS):
        for place in DEEDS:
            there = {"draft": pod.has_draft, "revisions": pod.live is not None}.get(place.name, True)
            if there and pod.role >= Role.DEVELOPER:
                yield from _of(asked, place, pod.name, pod.name, pod.team.name)


def pages(asked: Asked) -> Iterator[Hit]:
    yield from _placed(asked, PAGES, "page")
    if asked.user.is_staff:
        yield from _placed(asked, OPERATORS, "operators")
    for team in asked.teams.values():
        for place in OF_TEAMS:
            if team.role >= least(place.name, team=team.slug):
                yield from _of(asked, place, team.slug, team.name, "team")
    for pod in _meant(asked, OF_PODS):
        for place in OF_PODS:
            if pod.role >= least(place.name, pod=pod.name):
                yield from _of(asked, place, pod.name, pod.name, pod.team.name)


@functools.cache
def _least(name: str, words: tuple[str, ...]) -> Role:
    view = resolve(url(name, **dict.fromkeys(words, "x"))).func
    return view.access.role or Role.VIEWER  # type: ignore[attr-defined,no-any-return]


def least(name: str, **words: str) -> Role:
    """The least role that opens the page, as its view says."""
    return _least(name, tuple(words))


def _meant(asked: Asked, places: tuple[Place, ...]) -> list[OnePod]:
    """The pods whose pages are offered: with a word for the page, all; with the name of one alone, that one."""
    if any(fit([word], place.title, place.also) is not None for word in asked.words for place in places):
        return list(asked.pods.values())
    named = [pod for pod in asked.pods.values() if fit(asked.words, pod.name) is not None]
    return named if len(named) == 1 else []


def _placed(asked: Asked, places: tuple[Place, ...], detail: str) -> Iterator[Hit]:
    for place in places:
        if (rank := _rank(asked, place.title, place.also)) is not None:
            yield Hit(place.title, url(place.name), place.icon, detail, rank)


def _of(asked: Asked, place: Place, key: str, name: str, detail: str) -> Iterator[Hit]:
    rank = fit(asked.words, place.title.replace("{}", ""), place.also, name)
    if rank is not None:
        yield Hit(place.title.format(name), url(place.name, key), place.icon, detail, max(rank, WORD))


def _rank(asked: Asked, title: str, also: str) -> int | None:
    by_title = fit(asked.words, title)
    return min(by_title, BEGINS) if by_title is not None else fit(asked.words, title, also)
