"""Tokens of programs: made, shown once, read from a request, and refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import timezone

from apps.accounts import actions, tokens
from apps.accounts.models import ApiToken, Team, User
from apps.accounts.roles import Role
from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, Invalid, UserError
from tests.people import join, make_team, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(db: None) -> User:
    return make_user("operator", is_staff=True)


def bearing(given: str, address: str = "203.0.113.77") -> HttpRequest:
    more = {"headers": {"Authorization": given}} if given else {}
    return RequestFactory().get("/", REMOTE_ADDR=address, **more)  # type: ignore[arg-type]


def code_of(request: HttpRequest, ask: Any = tokens.bearer) -> tuple[str, int]:
    with pytest.raises(UserError) as caught:
        ask(request)
    return caught.value.code, caught.value.status


def test_a_token_is_its_persons_in_a_team(alice: User, team: Team) -> None:
    row, token = tokens.make(user=alice, name=" deploys ", team=team, days=30)
    assert token.startswith("bp_")
    assert len(token) == 46
    assert token not in (row.digest, row.start, str(row), repr(row))
    assert token.startswith(row.start)
    assert row.expires_at is not None
    assert 29 <= (row.expires_at - timezone.now()).days <= 30
    found = tokens.bearer(bearing(f"bearer  {token}"))
    assert (found.user, found.team, found.name) == (alice, team, "deploys")
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    tokens.bearer(bearing(f"Bearer {token}"))
    assert ApiToken.objects.get().last_used_at == first, "a minute exact"
    assert code_of(bearing(f"Bearer {token}"), tokens.operator) == ("token_scope", 403)


def test_whatever_is_wrong_is_answered_alike(alice: User, team: Team, operator: User) -> None:
    _, token = tokens.make(user=alice, name="a", team=team)
    for number, given in enumerate(
        ["", "Bearer", "Bearer ", f"Basic {token}", token, f"Bearer {token[:-1]}", f"Bearer {token}x", "Bearer bp_",
         "Bearer \u00fc", f"Bearer bp_{'x' * 100_000}", "Bearer bp_\u0130" + "x" * 42]
    ):  # fmt: skip
        assert code_of(bearing(given, f"198.51.100.{number}")) == ("token_refused", 401)


def test_it_may_no_more_than_its_person(alice: User, team: Team, operator: User) -> None:
    _, token = tokens.make(user=alice, name="a", team=team)
    _, above = tokens.make(user=operator, name="b", team=None)
    assert tokens.operator(bearing(f"Bearer {above}")).user == operator
    ApiToken.objects.filter(user=alice).update(expires_at=timezone.now())
    assert code_of(bearing(f"Bearer {token}"))[0] == "token_refused"
    ApiToken.objects.filter(user=alice).update(expires_at=None)
    membership = team.memberships.get(user=alice)
    team.memberships.filter(user=alice).delete()
    assert code_of(bearing(f"Bearer {token}"))[0] == "token_refused"
    membership.save(force_insert=True)
    assert tokens.bearer(bearing(f"Bearer {token}"))
    for user, held in ((alice, token), (operator, above)):
        User.objects.filter(pk=user.pk).update(is_active=False)
        assert code_of(bearing(f"Bearer {held}"))[0] == "token_refused"
    User.objects.filter(pk=operator.pk).update(is_active=True, is_staff=False)
    assert code_of(bearing(f"Bearer {above}"))[0] == "token_refused"


def rejoin(team: Team, user: User, by: User) -> None:
    invitation, _ = actions.invite(team=team, email=user.email, role=Role.DEVELOPER, by=by)
    actions.accept(invitation=invitation, user=user)


@pytest.mark.parametrize("leaving", [True, False])
def test_those_of_the_team_end_with_the_membership(alice: User, bob: User, team: Team, leaving: bool) -> None:
    """A token that leaked does not count again once its person is back."""
    other = make_team("other")
    join(other, bob, Role.VIEWER)
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    bob.refresh_from_db()
    _, ended = tokens.make(user=bob, name="ci", team=team)
    kept = [tokens.make(user=bob, name="kept", team=where)[1] for where in (other, None)]
    kept.append(tokens.make(user=alice, name="kept", team=team)[1])
    by = bob if leaving else alice
    actions.remove_member(membership=team.memberships.get(user=bob), by=by)
    (entry,) = AuditEntry.objects.filter(verb="token.revoke")
    assert (entry.user, entry.team, entry.name) == (by, team, "ci")
    assert entry.details.get("holder") == (None if leaving else bob.email)
    rejoin(team, bob, alice)
    assert code_of(bearing(f"Bearer {ended}")) == ("token_refused", 401)
    assert all(tokens.bearer(bearing(f"Bearer {token}")) for token in kept)


def test_those_left_behind_earlier_do_not_wait_for_a_new_membership(alice: User, bob: User, team: Team) -> None:
    """By a version that left them, or made while the membership ended."""
    _, token = tokens.make(user=bob, name="ci", team=team)
    team.memberships.filter(user=bob).delete()
    rejoin(team, bob, alice)
    assert code_of(bearing(f"Bearer {token}")) == ("token_refused", 401)


def test_who_may_make_which(alice: User, team: Team) -> None:
    with pytest.raises(UserError, match="Only operators"):
        tokens.make(user=alice, name="a", team=None)
    with pytest.raises(UserError):
        tokens.make(user=alice, name="a", team=make_team("elsewhere"))
    with pytest.raises(Invalid):
        tokens.make(user=alice, name=" ", team=team)
    with pytest.raises(Invalid):
        tokens.make(user=alice, name="a", team=team, days=3)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiToken.objects.create(user=alice, name="a", scope="operator", team=team, digest="x", start="bp_")


def test_there_is_an_end_to_them(alice: User, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST", 1)
    row, _ = tokens.make(user=alice, name="a", team=team)
    with pytest.raises(Conflict):
        tokens.make(user=alice, name="b", team=team)
    tokens.revoke(token=row)
    tokens.make(user=alice, name="b", team=team)


def test_guessing_is_slowed_down_and_keeps_nobody_out(alice: User, team: Team) -> None:
    _, token = tokens.make(user=alice, name="a", team=team)
    answers = [code_of(bearing(f"Bearer bp_{number}", "203.0.113.99")) for number in range(25)]
    assert answers[:20] == [("token_refused", 401)] * 20
    assert answers[-1] == ("too_many_attempts", 429)
    assert tokens.bearer(bearing(f"Bearer {token}", "203.0.113.99")).user == alice
    assert code_of(bearing("Bearer bp_1", "203.0.113.98"))[0] == "token_refused", "another address"


def test_the_page(alice: User, bob: User, team: Team, client_of: Any) -> None:
    client: Client = client_of(alice)
    assert "No tokens yet" in client.get("/account/tokens/").content.decode()
    asked = {"name": "<b>deploys", "scope": f"team:{team.slug}", "expiry": "30"}
    answer = client.post("/account/tokens/", asked)
    text = answer.content.decode()
    row = ApiToken.objects.get()
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert text.count("bp_") > 1
    shown = text[text.index(f"{row.start}") :][:46]
    assert tokens.bearer(bearing(f"Bearer {shown}")).pk == row.pk
    again = client.get("/account/tokens/").content.decode()
    assert shown not in again
    assert row.start in again
    assert "<b>deploys" not in again
    assert client_of(bob).delete(f"/account/tokens/{row.pk}/").status_code == 404
    for wrong in ({"scope": "operator"}, {"scope": "team:elsewhere"}, {"scope": ""}, {"name": ""}, {"expiry": "3"}):
        assert client.post("/account/tokens/", asked | wrong).status_code == 422, wrong
    assert client.delete(f"/account/tokens/{row.pk}/").status_code in (204, 302)
    assert not ApiToken.objects.exists()


def test_an_operators_page_has_the_infrastructure(operator: User, client_of: Any) -> None:
    client: Client = client_of(operator)
    answer = client.post("/account/tokens/", {"name": "agent", "scope": "operator", "expiry": ""})
    assert answer.status_code == 200
    row = ApiToken.objects.get()
    assert (row.scope, row.team, row.expires_at) == ("operator", None, None)
