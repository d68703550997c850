"""Teams and accounts through the pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts import tokens
from apps.accounts.models import ApiToken, Invitation, SignIn, Team, User
from apps.accounts.roles import Role
from apps.audit.models import AuditEntry
from apps.pods.models import Pod
from tests.people import join, make_team

pytestmark = pytest.mark.django_db
Browser = Callable[..., Client]


def page(name: str, **words: object) -> str:
    return reverse(name, kwargs=words or None)


def test_a_team_is_made_and_renamed(charlie: User, client_of: Browser) -> None:
    client = client_of(charlie)
    answer = client.post(page("teams"), {"name": "Rockets & co"}, follow=True)
    assert "Rockets &amp; co" in answer.content.decode()
    team = Team.objects.get(slug="rockets-co")
    client.post(page("team-name", team=team.slug), {"name": "<b>Boats</b>"})
    text = client.get(page("team", team=team.slug)).content.decode()
    assert "&lt;b&gt;Boats" in text
    assert "<b>Boats" not in text


def test_an_invitation_is_shown_once(team: Team, alice: User, client_of: Browser) -> None:
    client = client_of(alice)
    answer = client.post(page("team-invitations", team=team.slug), {"email": "g@example.com", "role": "viewer"})
    assert "/invitations/" in answer.content.decode()
    again = client.get(page("team", team=team.slug)).content.decode()
    assert "g@example.com" in again
    assert "Invitation link" not in again
    invitation = Invitation.objects.get(email="g@example.com")
    client.delete(page("team-invitation", team=team.slug, pk=invitation.pk))
    assert not Invitation.objects.filter(pk=invitation.pk).exists()


def test_roles_are_changed_and_members_removed(team: Team, alice: User, bob: User, client_of: Browser) -> None:
    client = client_of(alice)
    address = page("team-member", team=team.slug, pk=team.memberships.get(user=bob).pk)
    client.post(address, {"role": "viewer"})
    assert team.role_of(bob) == Role.VIEWER
    assert client.post(address, {"role": "emperor"}).status_code == 422
    answer = client.delete(address, headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (204, page("team", team=team.slug))
    assert team.role_of(bob) is None
    assert "no longer a member" in client.get(page("team", team=team.slug)).content.decode()


def test_a_member_of_another_team_cannot_be_named(team: Team, alice: User, charlie: User, client_of: Browser) -> None:
    foreign = charlie.memberships.get()
    answer = client_of(alice).delete(page("team-member", team=team.slug, pk=foreign.pk))
    assert answer.status_code == 404
    assert charlie.memberships.filter(pk=foreign.pk).exists()


def test_the_last_owner_is_told_why_not(team: Team, alice: User, client_of: Browser) -> None:
    mine = team.memberships.get(user=alice)
    answer = client_of(alice).delete(page("team-member", team=team.slug, pk=mine.pk), headers={"HX-Request": "true"})
    assert answer.status_code == 409
    assert answer["HX-Reswap"] == "none"
    assert "without an owner" in answer.content.decode()


def test_the_account_page(alice: User, client_of: Browser) -> None:
    client, other = client_of(alice), client_of(alice)
    client.post(page("account-name"), {"name": "Alice II"})
    client.post(page("account-theme"), {"theme": "dark"})
    text = client.get(page("account")).content.decode()
    assert 'data-theme="dark"' in text
    assert "Alice II" in text
    there = SignIn.objects.get(session_key=other.session.session_key)
    client.delete(page("account-session", pk=there.pk))
    assert other.get(page("home")).status_code == 302
    assert client.get(page("home")).status_code == 200


def test_sessions_of_others_cannot_be_ended(alice: User, charlie: User, client_of: Browser) -> None:
    theirs = client_of(charlie)
    sign_in = SignIn.objects.get(user=charlie)
    assert client_of(alice).delete(page("account-session", pk=sign_in.pk)).status_code == 404
    assert theirs.get(page("home")).status_code == 200


def test_home_and_palette_show_ones_own_pods_only(team: Team, alice: User, charlie: User, client_of: Browser) -> None:
    mine = Pod.objects.create(team=team, name=f"mine{team.pk}", created_by=alice)
    theirs = Pod.objects.create(team=charlie.memberships.get().team, name=f"theirs{team.pk}", created_by=charlie)
    client = client_of(alice)
    for address in (page("home"), page("home") + f"?team={team.slug}", page("home") + "?q=MINE"):
        text = client.get(address).content.decode()
        assert mine.name in text
        assert theirs.name not in text
    assert "No pod matches" in client.get(page("home") + "?q=nothing-like-it").content.decode()
    assert theirs.name not in client.get(page("search") + "?q=s").content.decode()
    assert team.name in client.get(page("search") + f"?q={team.name[:3]}").content.decode()


def test_the_palette_finds_what_was_registered(alice: User, client_of: Browser) -> None:
    second = join(make_team("Boats"), alice, Role.VIEWER)
    answer = client_of(second).get(page("search") + "?q=boa", headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert "Boats" in text
    assert "<html" not in text
    assert "Nothing found" in client_of(alice).get(page("search") + "?q=zzzz").content.decode()


def test_owners_see_and_revoke_the_tokens_of_members(
    team: Team, alice: User, bob: User, charlie: User, client_of: Browser
) -> None:
    policy = {"sid": "s", "effect": "allow", "actions": ["pods:read"], "resources": ["urn:brain:pod:shop"]}
    row, value = tokens.make(
        user=bob, name="<i>ci", team=team, days=30, policy={"version": "1", "statements": [policy]}
    )
    theirs, _ = tokens.make(user=charlie, name="theirs", team=charlie.teams.get())
    elsewhere, _ = tokens.make(user=bob, name="elsewhere", team=join(make_team("other"), bob, Role.OWNER).teams.last())
    client, address = client_of(alice), page("team-tokens", team=team.slug)
    text = client.get(address).content.decode()
    for shown in ("&lt;i&gt;ci", bob.email, row.start, "allow pods:read on urn:brain:pod:shop", "never"):
        assert shown in text
    assert value not in text
    assert "theirs" not in text
    assert elsewhere.name not in text
    assert address in client.get(page("team", team=team.slug)).content.decode()

    for token in (theirs, elsewhere):
        assert client.delete(page("team-token", team=team.slug, pk=token.pk)).status_code == 404
    assert client_of(bob).delete(page("team-token", team=team.slug, pk=row.pk)).status_code == 403
    assert ApiToken.objects.count() == 3
    client.delete(page("team-token", team=team.slug, pk=row.pk))
    assert not ApiToken.objects.filter(pk=row.pk).exists()
    entry = AuditEntry.objects.get(verb="token.revoke")
    assert (entry.user, entry.details["holder"]) == (alice, bob.email)
    assert "No tokens yet" in client.get(address).content.decode()
