"""Signing in and out through the pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts import actions
from apps.accounts.links import first_link, signin_link
from apps.accounts.models import Invitation, SignIn, Team, User
from apps.accounts.roles import Role
from apps.accounts.throttle import DEVICE_COOKIE
from apps.core.ids import new_id
from tests.people import PASSWORD

pytestmark = pytest.mark.django_db


def sign_in(client: Client, email: str, password: str = PASSWORD, **more: str) -> object:
    return client.post(reverse("sign-in"), {"email": email, "password": password} | more)


def test_the_right_password_opens_a_new_session(alice: User, client: Client) -> None:
    client.get(reverse("sign-in"))
    client.session["before"] = True
    before = client.session.session_key
    answer = sign_in(client, alice.email.upper())
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.session.session_key != before
    assert client.cookies[DEVICE_COOKIE]["httponly"]
    assert SignIn.objects.get(user=alice).session_key == client.session.session_key


@pytest.mark.parametrize(
    ("asked", "to"),
    [
        ("/teams/?q=1", "/teams/?q=1"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_afterwards_one_is_where_one_wanted_to_be_but_never_elsewhere(
    asked: str, to: str, alice: User, client: Client
) -> None:
    assert sign_in(client, alice.email, next=asked)["Location"] == to


def test_wrong_passwords_and_unknown_people_get_the_same_answer(alice: User) -> None:
    for email in (alice.email, f"{new_id()}@example.com"):
        answer = Client(REMOTE_ADDR="192.0.2.1").post(reverse("sign-in"), {"email": email, "password": "wrong-wrong"})
        assert answer.status_code == 422
        assert "do not belong together" in answer.content.decode()


def test_the_inactive_stay_outside(alice: User, client: Client) -> None:
    alice.is_active = False
    alice.save()
    assert sign_in(client, alice.email).status_code == 422


def test_guessing_is_refused_and_the_owner_gets_in_elsewhere(alice: User) -> None:
    guesser = Client(REMOTE_ADDR="198.51.100.9")
    last = [sign_in(guesser, alice.email, f"wrong-{number}") for number in range(12)][-1]
    assert last.status_code == 429
    assert "Wait" in last.content.decode()
    assert sign_in(guesser, alice.email).status_code == 429
    assert sign_in(Client(REMOTE_ADDR="203.0.113.9"), alice.email).status_code == 302


def test_signing_out_ends_the_session(alice: User, client_of: Callable[..., Client]) -> None:
    client = client_of(alice)
    assert client.get(reverse("sign-out")).status_code == 405
    assert client.post(reverse("sign-out")).status_code == 302
    assert client.get(reverse("home")).status_code == 302
    assert not SignIn.objects.filter(user=alice).exists()


def test_a_link_survives_being_looked_at_and_works_once(alice: User) -> None:
    path = signin_link(alice)
    scanner, person, late = Client(), Client(), Client()
    scanner.get(path)
    scanner.head(path)
    assert person.post(path).status_code == 302
    assert person.get(reverse("home")).status_code == 200
    assert late.get(path).status_code == 404
    assert late.post(path).status_code == 404
    assert late.get(reverse("home")).status_code == 302


def test_the_first_user_is_made_by_the_consoles_link_only(client: Client) -> None:
    path = first_link()
    assert path
    given = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}
    assert client.post(reverse("welcome", kwargs={"token": "x" * 43}), given).status_code == 404
    assert not User.objects.exists()
    assert client.post(path, given).status_code == 302
    user = User.objects.get()
    assert user.is_superuser
    assert client.get(reverse("home")).status_code == 200
    assert client.get("/operators/").status_code == 200
    assert Client().post(path, given | {"email": "eve@example.com"}).status_code == 404
    assert User.objects.count() == 1


def test_an_invited_stranger_makes_an_account_and_is_in(team: Team, alice: User, client: Client) -> None:
    invitation, token = actions.invite(team=team, email="guest@example.com", role=Role.DEVELOPER, by=alice)
    path = reverse("invitation", kwargs={"token": token})
    assert "guest@example.com" in client.get(path).content.decode()
    assert client.post(path, {"name": "Guest", "password": "short"}).status_code == 422
    assert client.post(path, {"name": "Guest", "password": PASSWORD}).status_code == 302
    assert client.get(reverse("team", kwargs={"team": team.slug})).status_code == 200
    assert not Invitation.objects.open().filter(pk=invitation.pk).exists()


def test_an_invited_account_joins(team: Team, alice: User, charlie: User, client_of: Callable[..., Client]) -> None:
    _, token = actions.invite(team=team, email=charlie.email, role=Role.VIEWER, by=alice)
    path = reverse("invitation", kwargs={"token": token})
    assert "Sign in to join" in Client().get(path).content.decode()
    assert Client().post(path, {"name": "Eve", "password": PASSWORD}).status_code == 200
    assert team.role_of(charlie) is None
    assert client_of(charlie).post(path).status_code == 302
    assert team.role_of(charlie) == Role.VIEWER


def test_the_operators_door_is_ours(alice: User, client: Client, client_of: Callable[..., Client]) -> None:
    answer = client.get("/operators/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/sign-in/?next=%2Foperators%2F")
    assert client_of(alice).get("/operators/", follow=True).status_code == 403
