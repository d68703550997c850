"""Every operation as everybody: roles, other teams, removed members, expired tokens, policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import tokens
from apps.accounts.models import ApiToken
from apps.accounts.policies import ACTIONS
from apps.accounts.roles import Role
from apps.api.api import api
from apps.api.ids import revision_id
from apps.pods.roles import give_role
from tests.api.conftest import DATA, V1, Program, resource
from tests.dashboard.access_matrix import API_V1, World, build_world

pytestmark = pytest.mark.django_db
BODIES: dict[str, Any] = {
    "createResources": [DATA],
    "installBlueprint": {"input": {}},
    "replaceResource": resource("Config", "settings", {"files": {}}),
    "addDomain": {"domain": "www.example.com"},
    "createBackup": {"resource": "db"},
    "restoreBackup": {"target": "db"},
    "createStagingPod": {"name": "No Name"},
    "promotePod": {"apps": ["web"], "version": 1},
    "importFiles": {"files": {"brainpod.yaml": "version: 1\n"}},
    "rotateWebhookSecret": {"app": "web"},
    "approvePreview": {"commit": "c" * 40},
    "replacePreviewSettings": {"enabled": True},
}


def operations() -> Iterator[tuple[str, str, str]]:
    """The id, method and address of each, as they are registered."""
    for router in api._routers:
        for path, view in router[1].path_operations.items():
            for one in view.operations:
                yield str(one.operation_id), one.methods[0], path


OPERATIONS = {name: (method, path) for name, method, path in operations()}
QUERIES = {
    "listPodEvents": "?resource=urn:brain:app:default:web",
    "watchPodEvents": "?resource=urn:brain:app:default:web",
    "inspectPodImage": "?visibility=pod&repository=a/b&tag=v1",
}
IN_TEAM_TOO = {"createStagingPod"}  # a pod is made: that takes the role in the team as well
each = pytest.mark.parametrize("name", sorted(OPERATIONS))


@pytest.fixture
def world(db: None) -> World:
    return build_world()


def token_of(world: World, person: str, policy: dict[str, Any] | None = None) -> Program:
    """Of the world's team, whether or not the person is still in it."""
    user = world.people[person]
    assert user is not None
    raw = tokens.PREFIX + person.ljust(43, "x") + str(ApiToken.objects.count())
    ApiToken.objects.create(
        user=user, name="t", team=world.team, scope="team", digest=tokens.digest(raw), start=raw[:8], policy=policy
    )
    return Program(raw)


def ask(world: World, program: Program, name: str, pod: str = "") -> Any:
    method, path = OPERATIONS[name]
    assert world.pod.live is not None
    words = {
        "pod": pod or world.pod.name, "kind": "Config", "namespace": "default", "name": "settings",
        "revision": revision_id(world.pod.live.pk), "app": "web", "route": "front", "domain": "www.example.com",
        "deployment": world.words["deployment"], "backup": world.words["backup"], "blueprint": "static-site",
        "preview": 1,
    }  # fmt: skip
    return program(method, path.format(**words) + QUERIES.get(name, ""), BODIES.get(name))


def allowing(*actions: str, resources: tuple[str, ...] = ("urn:brain:pod:*",), effect: str = "allow") -> dict[str, Any]:
    return {"sid": effect, "effect": effect, "actions": list(actions), "resources": list(resources)}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"version": "1", "statements": list(statements)}


def test_the_matrix_has_every_operation_and_says_what_it_asks_for() -> None:
    assert OPERATIONS.keys() == API_V1.keys(), "add rows to API_V1 in tests/dashboard/access_matrix.py"
    for router in api._routers:
        for view in router[1].path_operations.values():
            for one in view.operations:
                door = one.auth_callbacks[0]
                assert (door.role, door.actions) == API_V1[str(one.operation_id)], one.operation_id


@each
def test_roles(world: World, name: str) -> None:
    role = API_V1[name][0]
    for person in Role:
        got = ask(world, token_of(world, person.value), name)
        if person >= role:
            assert got.status not in (401, 403), (person, got.said)
        else:
            assert (got.status, got.error) == (403, "FORBIDDEN"), person


@each
def test_the_role_in_the_pod_is_what_counts(world: World, name: str) -> None:
    role = API_V1[name][0]
    if "{pod}" not in OPERATIONS[name][1] or role == Role.VIEWER:
        return
    owner = world.people["owner"]
    for person, given in (("developer", Role.VIEWER), ("viewer", Role.ADMIN)):
        give_role(membership=world.team.memberships.get(user=world.people[person]), pod=world.pod, role=given, by=owner)
    assert ask(world, token_of(world, "developer"), name).error == "FORBIDDEN"
    assert (ask(world, token_of(world, "viewer"), name).status == 403) == (name in IN_TEAM_TOO)


@each
def test_who_is_let_in_at_all(world: World, name: str) -> None:
    expired = token_of(world, "owner")
    ApiToken.objects.update(expires_at=timezone.now())
    out = {"expired": expired, "nobody": Program(""), "wrong": Program("bp_wrong")}
    out |= {person: token_of(world, person) for person in ("stranger", "removed", "inactive", "operator")}
    for who, program in out.items():
        got = ask(world, program, name)
        assert (got.status, got.error) in ((401, "UNAUTHORIZED"), (429, "RATE_LIMITED")), who
    raw = tokens.make(user=world.people["operator"], name="t", team=None)[1]  # type: ignore[arg-type]
    assert ask(world, Program(raw), name).error == "FORBIDDEN"


@each
def test_another_teams_pod_is_not_there(world: World, name: str) -> None:
    if "{pod}" not in OPERATIONS[name][1]:
        return
    stranger = world.people["stranger"]
    assert stranger is not None
    program = Program(tokens.make(user=stranger, name="t", team=stranger.teams.get())[1])
    there, nowhere = ask(world, program, name), ask(world, program, name, "no-such-pod")
    assert there.status == nowhere.status == 404
    there.said["error"].pop("requestId"), nowhere.said["error"].pop("requestId")
    assert there.said == nowhere.said


@each
def test_policies(world: World, name: str) -> None:
    needs = API_V1[name][1]
    if not needs:
        return
    others = [action for action in ACTIONS if action not in needs]
    here = f"urn:brain:pod:{world.pod.name}"
    refused = [policy(allowing(*others)), policy(allowing(*ACTIONS), allowing(needs[0], effect="deny"))]
    if "{pod}" in OPERATIONS[name][1]:
        refused += [
            policy(allowing(*ACTIONS, resources=("urn:brain:pod:another",))),
            policy(allowing(*ACTIONS), allowing(needs[-1], effect="deny", resources=(here,))),
        ]
        assert ask(world, token_of(world, "owner", policy(allowing(*needs, resources=(here,)))), name).status != 403
    for number, one in enumerate(refused[:2] if name != "listPods" else refused[:1]):
        with CaptureQueriesContext(connection) as caught:
            got = ask(world, token_of(world, "owner", one), name)
        assert (got.status, got.error) == (403, "FORBIDDEN"), number
        assert not [q for q in caught if 'FROM "pods_' in q["sql"]], "refused before anything is looked up"
    for number, one in enumerate(refused[2:]):
        assert ask(world, token_of(world, "owner", one), name).error == "FORBIDDEN", number
    assert ask(world, token_of(world, "owner", policy(allowing(*needs))), name).status != 403


def test_a_list_has_what_may_be_read(world: World) -> None:
    everything = policy(allowing("pods:read"), allowing("pods:read", effect="deny", resources=("urn:brain:pod:p*",)))
    assert token_of(world, "owner", everything).get("/pods").said == []
    assert len(token_of(world, "owner", policy(allowing("pods:read"))).get("/pods").said) == 1


def test_another_revision_needs_its_own_action(world: World) -> None:
    program = token_of(world, "owner", policy(allowing("resources:read")))
    at = f"/pods/{world.pod.name}/resources"
    assert program.get(at).status == 200
    assert world.pod.live is not None
    for path in (at, f"{at}/Config/default/settings"):
        assert program.get(f"{path}?revision={revision_id(world.pod.live.pk)}").error == "FORBIDDEN"
        assert program.get(f"{path}?at=2030-01-01T00:00:00Z").error == "FORBIDDEN"


def test_a_name_with_a_star_is_no_wildcard(world: World) -> None:
    program = token_of(world, "owner", policy(allowing("pods:read", "pods:create", resources=("urn:brain:pod:x*",))))
    assert program.get("/pods/*").error == "FORBIDDEN"
    assert program.post("/pods", {}).error == "FORBIDDEN", "making one needs every pod"


def test_addresses_begin_where_the_matrix_thinks() -> None:
    assert RequestFactory().get(f"{V1}/pods").path == "/api/v1/pods"
