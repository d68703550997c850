"""Every page that lists something says, where there is nothing yet, what the things are and what makes the first."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.pods.models import Pod
from tests.dashboard.access_matrix import ROWS, routes
from tests.people import join, make_team, make_user

pytestmark = pytest.mark.django_db

EMPTY = re.compile(r'<div class="empty" data-empty="none">(.*?)</div>\s*</div>', re.DOTALL)
OF_NOBODY = ("home", "teams", "account-tokens", "account-second-factor")
OF_A_TEAM = ("home", "git-access", "notifications", "team-blueprints", "terminals", "team-usage", "member-pods")
OF_A_POD = (
    "pod", "deployments", "revisions", "draft", "webhook-deliveries", "previews", "pod-backups", "repositories",
)  # fmt: skip
NOTHING_TO_MAKE = ("account-second-factor",)  # what makes the first is a form beside it that asks for a script
OTHERS = {
    "audit": "joining a team is in it", "team-audit": "making the team is in it", "team": "has a member",
    "account": "signing in is in it", "services": "the platform's own are in it",
    "pods": "leads to Home", "blueprints": "has the platform's own",
    "backups": "of what is live: tests/backups/test_pages.py", "disk-snapshots": "only takes one",
    "job-runs": "of an app that has jobs", "app-keys": "only makes one", "route-domains": "only adds one",
    "platform-backups": "operators'", "imports": "is a form",
}  # fmt: skip
"""Pages of plural things that are never empty, or are no pages."""


@pytest.fixture
def lonely(db: None) -> User:
    return make_user("lonely")


def missing(user: User, names: tuple[str, ...], **words: object) -> dict[str, str]:
    """What is wrong with the empty state of each page."""
    client, wrong = Client(), {}
    parts = {route.name: route.words for route in routes()}
    client.force_login(user)
    for name in names:
        page = client.get(reverse(name, kwargs={word: words[word] for word in parts[name]})).content.decode()
        shown = [one for one in EMPTY.findall(page) if "empty-title" in one]
        if not shown:
            wrong[name] = "no empty state"
        elif not any("empty-subtitle" in one for one in shown):
            wrong[name] = "does not say what the thing is"
        elif name not in NOTHING_TO_MAKE and not any('<a class="btn' in one for one in shown):
            wrong[name] = "says nothing to do"
        wrong |= {
            f"{name}#{anchor}": "leads nowhere"
            for one in shown
            for anchor in re.findall(r'href="#([\w-]+)"', one)
            if f'id="{anchor}"' not in page
        }
    return wrong


def test_of_somebody_without_a_team(lonely: User) -> None:
    assert not missing(lonely, OF_NOBODY)


def test_of_a_team_with_nothing(lonely: User) -> None:
    team: Team = make_team("new")
    join(team, lonely, Role.OWNER)
    assert not missing(lonely, OF_A_TEAM, team=team.slug, pk=team.memberships.get().pk)


def test_of_a_pod_with_nothing(lonely: User) -> None:
    team = make_team("new")
    join(team, lonely, Role.OWNER)
    pod = Pod.objects.create(team=team, name=f"p{team.pk}", created_by=lonely)
    assert not missing(lonely, OF_A_POD, pod=pod.name)


def test_every_list_is_here() -> None:
    """A page whose name is a plural lists something."""
    plural = {name for name in ROWS if name.endswith("s") and "-" not in name}
    known = {*OF_NOBODY, *OF_A_TEAM, *OF_A_POD, *OTHERS}
    assert not plural - known, "add it to one of the lists above"
    assert known <= ROWS.keys()
