"""Roles in single pods: through the gate alone, on every page and socket."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts import actions, gate
from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.core.errors import Conflict, Invalid, NotFound, UserError
from apps.pods.models import Pod, PodRole
from apps.pods.roles import give_role
from apps.terminals.actions import may_enter
from tests.dashboard.access_matrix import ROWS, build_world, routes
from tests.people import join, make_user

pytestmark = pytest.mark.django_db
Browsers = Callable[..., Client]


@pytest.fixture
def shop(team: Team) -> Pod:
    return Pod.objects.create(team=team, name=f"shop{team.pk}")


@pytest.fixture
def blog(team: Team) -> Pod:
    return Pod.objects.create(team=team, name=f"blog{team.pk}")


def give(user: User, pod: Pod, role: Role | None, by: User) -> None:
    give_role(membership=pod.team.memberships.get(user=user), pod=pod, role=role, by=by)


def test_less_or_more_in_one_pod_and_the_same_elsewhere(
    shop: Pod, blog: Pod, alice: User, bob: User, vera: User, charlie: User
) -> None:
    give(bob, shop, Role.VIEWER, alice)
    give(vera, shop, Role.ADMIN, alice)
    assert [gate.role_in(user, shop) for user in (alice, bob, vera, charlie)] == ["owner", "viewer", "admin", None]
    assert [gate.role_in(user, blog) for user in (alice, bob, vera, charlie)] == ["owner", "developer", "viewer", None]
    with pytest.raises(UserError, match="needs the role developer; yours is viewer"):
        gate.pod_access(bob, shop, Role.DEVELOPER)
    with pytest.raises(UserError, match="yours is viewer"):
        gate.access(vera, shop.team, Role.ADMIN)  # of the team she is none
    with pytest.raises(NotFound):
        gate.pod_access(charlie, shop)
    give(bob, shop, None, alice)
    assert gate.role_in(bob, shop) == Role.DEVELOPER


def test_admins_of_the_team_are_that_in_every_pod(shop: Pod, alice: User, bob: User) -> None:
    give(bob, shop, Role.VIEWER, alice)
    actions.change_role(membership=shop.team.memberships.get(user=bob), role=Role.ADMIN, by=alice)
    assert gate.role_in(bob, shop) == Role.ADMIN
    with pytest.raises(Conflict, match="in every pod"):
        give(bob, shop, Role.VIEWER, alice)


def test_who_may_give_what(shop: Pod, alice: User, bob: User, vera: User, charlie: User) -> None:
    ada = join(shop.team, make_user("ada"), Role.ADMIN)
    for by in (bob, vera):
        with pytest.raises(UserError, match="needs the role admin"):
            give(vera, shop, Role.DEVELOPER, by)
    with pytest.raises(NotFound):
        give(vera, shop, Role.DEVELOPER, charlie)
    give(vera, shop, Role.DEVELOPER, ada)
    with pytest.raises(UserError, match="needs the role owner"):
        give(vera, shop, Role.ADMIN, ada)
    give(vera, shop, Role.ADMIN, alice)
    with pytest.raises(UserError, match="needs the role owner"):
        give(vera, shop, None, ada)
    with pytest.raises(Invalid):
        give(vera, shop, Role.OWNER, alice)
    with pytest.raises(UserError, match="needs the role admin"):
        give(bob, shop, Role.DEVELOPER, vera)  # an admin of the pod is none of the team
    theirs = Pod.objects.create(team=charlie.teams.get(), name=f"theirs{shop.team_id}")
    with pytest.raises(NotFound):
        give_role(membership=shop.team.memberships.get(user=vera), pod=theirs, role=Role.ADMIN, by=alice)


def test_it_goes_with_the_membership_and_locked_accounts_have_none(shop: Pod, alice: User, vera: User) -> None:
    give(vera, shop, Role.ADMIN, alice)
    User.objects.filter(pk=vera.pk).update(is_active=False)
    assert gate.role_in(vera, shop) is None
    actions.remove_member(membership=shop.team.memberships.get(user=vera), by=alice)
    assert not PodRole.objects.exists()
    join(shop.team, vera, Role.VIEWER)
    User.objects.filter(pk=vera.pk).update(is_active=True)
    assert gate.role_in(vera, shop) == Role.VIEWER


def test_every_page_of_a_pod_goes_by_the_role_there() -> None:
    """The access matrix once more: a developer who is a viewer here, and a viewer who is an admin here."""
    world = build_world()
    owner, lowered, raised = (world.people[name] for name in ("owner", "developer", "viewer"))
    assert owner is not None
    assert lowered is not None
    assert raised is not None
    give(lowered, world.pod, Role.VIEWER, owner)
    give(raised, world.pod, Role.ADMIN, owner)
    wrong = {}
    for user, role in ((lowered, Role.VIEWER), (raised, Role.ADMIN)):
        browser = Client(raise_request_exception=False)
        browser.force_login(user)
        for route in routes():
            if route.rule is None or route.rule.kind != "pod" or route.rule.role is None:
                continue
            if route.name in ("staging", "pod-blueprint"):  # these make something of the team's
                continue
            got = browser.get(route.address(world)).status_code
            fine = (
                got in ((404, 405) if ROWS[route.name].away else (200, 302, 405))
                if role >= route.rule.role
                else got == 403
            )
            if not fine:
                wrong[user.name, route.name] = got
        for name in ("deployments", "resource", "backups"):  # these look at the role themselves
            got = browser.post(next(r for r in routes() if r.name == name).address(world)).status_code
            if (got == 403) != (role < Role.DEVELOPER):
                wrong[user.name, name, "post"] = got
    assert not wrong


def test_terminals_are_entered_by_the_role_there(alice: User, bob: User, vera: User) -> None:
    """What the socket asks when it opens, and again every few seconds."""
    world = build_world()
    owner, developer, viewer = (world.people[name] for name in ("owner", "developer", "viewer"))
    assert owner is not None
    assert developer is not None
    assert viewer is not None
    world.pod.workloads.update(handle={"id": "x"})
    asked = {"pod": world.pod.name, "workload": world.words["workload"]}
    may_enter(by=developer, **asked)
    give(developer, world.pod, Role.VIEWER, owner)
    give(viewer, world.pod, Role.DEVELOPER, owner)
    with pytest.raises(UserError, match="yours is viewer"):
        may_enter(by=developer, **asked)
    may_enter(by=viewer, **asked)


def test_the_gate_asks_once(shop: Pod, alice: User, bob: User) -> None:
    give(bob, shop, Role.VIEWER, alice)
    with CaptureQueriesContext(connection) as queries:
        gate.pod_access(bob, shop)
    assert len(queries) == 1


def test_the_page_of_a_member(shop: Pod, blog: Pod, alice: User, vera: User, client_of: Browsers) -> None:
    browser = client_of(alice)
    team = f"/teams/{shop.team.slug}/"
    page = f"{team}members/{shop.team.memberships.get(user=vera).pk}/pods/"
    assert page in browser.get(team).content.decode()
    assert browser.post(page, {"pod": shop.name, "role": "developer"}).status_code == 302
    assert gate.role_in(vera, shop) == Role.DEVELOPER
    assert 'value="developer" selected' in browser.get(page).content.decode()
    assert "Another role in 1 pod" in browser.get(team).content.decode()
    assert browser.post(page, {"pod": shop.name, "role": "king"}).status_code == 422
    assert browser.post(page, {"pod": "no-such-pod", "role": "viewer"}).status_code == 404
    assert browser.post(page, {"pod": shop.name, "role": ""}).status_code == 302
    assert gate.role_in(vera, shop) == Role.VIEWER
    mine = f"{team}members/{shop.team.memberships.get(user=alice).pk}/pods/"
    assert "owner of the team, and that in every pod" in browser.get(mine).content.decode()
