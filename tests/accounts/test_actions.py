"""Teams, members, invitations, the first user, passwords."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts import actions, gate
from apps.accounts.links import first_link, signin_link
from apps.accounts.models import Invitation, Membership, SignIn, SignInLink, Team, User, digest
from apps.accounts.roles import Role
from apps.core.errors import Conflict, Invalid, NotFound, UserError
from tests.people import PASSWORD, join, make_team, make_user

pytestmark = pytest.mark.django_db


def token_of(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[1]


def test_a_team_is_owned_by_its_maker(charlie: User) -> None:
    team = actions.create_team(name="R&D", by=charlie)
    assert team.role_of(charlie) == Role.OWNER
    assert actions.create_team(name="R&D", by=charlie).slug != team.slug


def test_a_slug_taken_meanwhile_is_replaced(charlie: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race itself: what was free when it was looked for is taken when the row is written, twice."""
    free_slug = Team.free_slug
    stale = [actions.create_team(name="Rivals", by=charlie).slug for _ in range(2)]
    monkeypatch.setattr(Team, "free_slug", lambda name: stale.pop() if stale else free_slug(name))
    assert actions.create_team(name="Rivals", by=charlie).slug == "rivals-3"
    assert Team.objects.filter(name="Rivals").count() == 3


def test_slugs_that_are_always_taken_end_in_a_conflict(charlie: User, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = actions.create_team(name="Taken", by=charlie).slug
    monkeypatch.setattr(Team, "free_slug", lambda name: taken)
    with pytest.raises(Conflict) as caught:
        actions.create_team(name="Taken", by=charlie)
    assert caught.value.code == "name_taken"
    assert Team.objects.filter(name="Taken").count() == 1


@pytest.mark.django_db(transaction=True)
def test_teams_of_one_name_made_at_once(charlie: User) -> None:
    start, made = threading.Barrier(6), []

    def make() -> None:
        start.wait(30)
        try:
            made.append(actions.create_team(name="At once", by=charlie).slug)
        finally:
            connection.close()

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(made) == ["at-once", *(f"at-once-{n}" for n in range(2, 7))]


@pytest.mark.parametrize(
    ("name", "slug"), [("Łódź & co", "odz-co"), ("田中", "team"), ("New", "new-2"), ("x" * 80, "x" * 40)]
)
def test_slugs_are_made_of_names(name: str, slug: str, charlie: User) -> None:
    assert actions.create_team(name=name, by=charlie).slug == slug


def test_a_bad_name_makes_no_team(charlie: User) -> None:
    before = Team.objects.count()
    with pytest.raises(Invalid, match="name"):
        actions.create_team(name="\u202e", by=charlie)
    assert Team.objects.count() == before


def test_the_gate(team: Team, alice: User, bob: User, vera: User, charlie: User) -> None:
    assert gate.access(alice, team, Role.OWNER).role == Role.OWNER
    assert gate.access(bob, team, Role.DEVELOPER).may(Role.VIEWER)
    with pytest.raises(UserError) as caught:
        gate.access(vera, team, Role.DEVELOPER)
    assert (caught.value.code, caught.value.status) == ("forbidden", 403)
    with pytest.raises(NotFound):
        gate.access(charlie, team)
    alice.is_active = False
    with pytest.raises(NotFound):
        gate.access(alice, team)


def test_teams_of(team: Team, alice: User, charlie: User) -> None:
    assert list(Team.objects.of(alice)) == [team]
    assert team not in Team.objects.of(charlie)


def test_an_invitation_is_for_one_address_and_one_use(team: Team, alice: User, charlie: User) -> None:
    guest = make_user("guest")
    invitation, token = actions.invite(team=team, email=guest.email.upper(), role=Role.DEVELOPER, by=alice)
    assert Invitation.objects.holding(token) == invitation
    with pytest.raises(UserError) as caught:
        actions.accept(invitation=invitation, user=charlie)
    assert caught.value.code == "wrong_account"
    actions.accept(invitation=invitation, user=guest)
    assert team.role_of(guest) == Role.DEVELOPER
    assert Invitation.objects.holding(token) is None
    with pytest.raises(NotFound):
        actions.accept(invitation=invitation, user=guest)


def test_an_expired_invitation_opens_nothing(team: Team, alice: User) -> None:
    guest = make_user("guest")
    invitation, token = actions.invite(team=team, email=guest.email, role=Role.VIEWER, by=alice)
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=timezone.now() - datetime.timedelta(seconds=1))
    assert Invitation.objects.holding(token) is None
    with pytest.raises(NotFound):
        actions.accept(invitation=invitation, user=guest)


def test_another_invitation_replaces_the_first(team: Team, alice: User) -> None:
    _, first = actions.invite(team=team, email="g@example.com", role=Role.OWNER, by=alice)
    _, second = actions.invite(team=team, email="g@example.com", role=Role.VIEWER, by=alice)
    assert Invitation.objects.holding(first) is None
    assert Invitation.objects.holding(second).role == Role.VIEWER


def test_members_are_not_invited_again(team: Team, alice: User, bob: User) -> None:
    with pytest.raises(Invalid, match="email"):
        actions.invite(team=team, email=bob.email, role=Role.VIEWER, by=alice)


def test_a_new_person_joins_with_the_link(team: Team, alice: User) -> None:
    invitation, _ = actions.invite(team=team, email="new@example.com", role=Role.VIEWER, by=alice)
    user = actions.accept_as_new_user(invitation=invitation, name="New", password=PASSWORD)
    assert (user.email, team.role_of(user)) == ("new@example.com", Role.VIEWER)
    assert not user.is_staff


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OWNER])
def test_admins_make_no_admins(team: Team, alice: User, bob: User, role: Role) -> None:
    admin = join(team, make_user("admin"), Role.ADMIN)
    membership = team.memberships.get(user=bob)
    with pytest.raises(UserError, match="owner"):
        actions.change_role(membership=membership, role=role, by=admin)
    with pytest.raises(UserError, match="owner"):
        actions.invite(team=team, email="x@example.com", role=role, by=admin)
    with pytest.raises(UserError, match="owner"):
        actions.remove_member(membership=team.memberships.get(user=alice), by=admin)
    actions.change_role(membership=membership, role=Role.VIEWER, by=admin)
    assert team.role_of(bob) == Role.VIEWER


def test_developers_manage_nobody(team: Team, bob: User, vera: User) -> None:
    membership = team.memberships.get(user=vera)
    for act in (
        lambda: actions.change_role(membership=membership, role=Role.DEVELOPER, by=bob),
        lambda: actions.remove_member(membership=membership, by=bob),
        lambda: actions.rename_team(team=team, name="mine", by=bob),
        lambda: actions.invite(team=team, email="x@example.com", role=Role.VIEWER, by=bob),
    ):
        with pytest.raises(UserError) as caught:
            act()
        assert caught.value.code == "forbidden"


def test_everybody_may_leave_but_the_last_owner(team: Team, alice: User, vera: User) -> None:
    actions.remove_member(membership=team.memberships.get(user=vera), by=vera)
    assert team.role_of(vera) is None
    for act in (
        lambda: actions.remove_member(membership=team.memberships.get(user=alice), by=alice),
        lambda: actions.change_role(membership=team.memberships.get(user=alice), role=Role.ADMIN, by=alice),
    ):
        with pytest.raises(Conflict) as caught:
            act()
        assert caught.value.code == "last_owner"


@pytest.mark.django_db(transaction=True)
def test_two_owners_leaving_at_once_leave_one() -> None:
    team = make_team("race")
    owners = [join(team, make_user(name), Role.OWNER) for name in ("one", "two")]
    start, refused = threading.Barrier(2), []

    def leave(user: User) -> None:
        membership = team.memberships.get(user=user)
        start.wait(30)
        try:
            actions.remove_member(membership=membership, by=user)
        except Conflict as error:
            refused.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=leave, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert refused == ["last_owner"]
    assert Membership.objects.filter(team=team).count() == 1


def test_the_first_user_owns_home_and_opens_the_operators_pages() -> None:
    path = first_link()
    assert path is not None
    user = actions.create_first_user(token=token_of(path), email="A@example.com", name="Ada", password=PASSWORD)
    assert user.is_superuser
    assert user.memberships.get().team.name == "home"
    assert first_link() is None
    with pytest.raises(NotFound):
        actions.create_first_user(token=token_of(path), email="b@example.com", name="Eve", password=PASSWORD)


def test_a_new_first_link_ends_the_old_one() -> None:
    old, new = first_link(), first_link()
    assert old
    assert new
    assert SignInLink.objects.holding(token_of(old)) is None
    assert SignInLink.objects.holding(token_of(new)) is not None


def test_a_sign_in_link_never_makes_a_first_user(alice: User) -> None:
    token = token_of(signin_link(alice))
    with pytest.raises(NotFound):
        actions.create_first_user(token=token, email="b@example.com", name="Eve", password=PASSWORD)


def test_tokens_are_kept_as_hashes(alice: User) -> None:
    token = token_of(signin_link(alice))
    row = SignInLink.objects.get(user=alice)
    assert row.digest == digest(token)
    assert token not in str(row.__dict__)


def test_a_changed_password_ends_the_other_sessions(alice: User, client_of: Callable[..., Client]) -> None:
    here, there = client_of(alice), client_of(alice)
    link = token_of(signin_link(alice))
    old_key = here.session.session_key
    new = "another-long-one-77"
    answer = here.post(reverse("account-password"), {"current": PASSWORD, "new": new})
    assert answer.status_code == 302
    assert here.get(reverse("account")).status_code == 200
    assert there.get(reverse("account")).status_code == 302
    assert here.session.session_key != old_key
    assert SignIn.objects.filter(user=alice).count() == 1
    assert SignInLink.objects.holding(link) is None
    alice.refresh_from_db()
    assert alice.check_password(new)
    assert alice.password.startswith("argon2")
