"""What people may type into the forms of accounts and teams and must be told, beside the field it is about."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.links import first_link
from apps.accounts.models import Invitation, Team, User
from tests.accounts.test_labels import BAD_EMAILS, BAD_NAMES, BAD_PASSWORDS, BAD_ROLES
from tests.people import PASSWORD

pytestmark = pytest.mark.django_db


def assert_named(answer: object, field: str) -> None:
    """422, and an error that assistive technology connects with the field."""
    text = answer.content.decode()
    assert answer.status_code == 422
    assert f'id="id_{field}-errors"' in text
    assert 'aria-invalid="true"' in text


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES.keys())
def test_team_names(name: str, alice: User, client_of: Callable[..., Client]) -> None:
    name = name.replace("\ud800", "\x02")  # a browser cannot send half a character
    before = Team.objects.count()
    assert_named(client_of(alice).post(reverse("teams"), {"name": name}), "name")
    assert Team.objects.count() == before


@pytest.mark.parametrize("email", BAD_EMAILS.values(), ids=BAD_EMAILS.keys())
def test_invited_addresses(email: str, team: Team, alice: User, client_of: Callable[..., Client]) -> None:
    address = reverse("team-invitations", kwargs={"team": team.slug})
    assert_named(client_of(alice).post(address, {"email": email, "role": "viewer"}), "email")
    assert not Invitation.objects.filter(team=team).exists()


@pytest.mark.parametrize("role", BAD_ROLES)
def test_invited_roles(role: str, team: Team, alice: User, client_of: Callable[..., Client]) -> None:
    address = reverse("team-invitations", kwargs={"team": team.slug})
    assert_named(client_of(alice).post(address, {"email": "g@example.com", "role": role}), "role")
    assert not Invitation.objects.filter(team=team).exists()


@pytest.mark.parametrize("password", BAD_PASSWORDS.values(), ids=BAD_PASSWORDS.keys())
def test_first_passwords(password: str, client: Client) -> None:
    path = first_link()
    answer = client.post(path, {"name": "Adalovelace1", "email": "a@example.com", "password": password})
    assert_named(answer, "password")
    assert password not in answer.content.decode().replace('value="Adalovelace1"', "")
    assert not User.objects.exists()


@pytest.mark.parametrize("missing", ["name", "email", "password"])
def test_missing_fields(missing: str, client: Client) -> None:
    given = {"name": "Ada", "email": "a@example.com", "password": PASSWORD}
    del given[missing]
    assert_named(client.post(first_link(), given), missing)
    assert not User.objects.exists()


def test_a_wrong_current_password(alice: User, client_of: Callable[..., Client]) -> None:
    answer = client_of(alice).post(reverse("account-password"), {"current": "wrong", "new": PASSWORD + "2"})
    assert_named(answer, "current")


@pytest.mark.parametrize("theme", ["", "pink", "dark\0", "system "])
def test_themes(theme: str, alice: User, client_of: Callable[..., Client]) -> None:
    answer = client_of(alice).post(reverse("account-theme"), {"theme": theme})
    assert answer.status_code == 422
    assert "theme" in answer.content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/teams/..%2f..%2f/",
        "/teams/%00/",
        "/teams/" + "x" * 3000 + "/",
        "/sign-in/%0a/",
        "/sign-in/" + "x" * 3000 + "/",
        "/welcome/%F0%9F%92%A9/",
        "/invitations/'%20OR%201=1/",
        "/account/sessions/99999999999999999999999/",
        "/?team=%00&q=%00",
        "/?q=" + "x" * 5000,
        "/search/?q=%00",
        "/search/?q=%25_%5C",
        "/sign-in/?next=%00",
    ],
)
def test_strange_addresses_break_nothing(path: str, alice: User, client_of: Callable[..., Client]) -> None:
    for client in (Client(), client_of(alice)):
        assert client.get(path).status_code < 500
