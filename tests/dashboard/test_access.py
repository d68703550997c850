"""The access matrix, generated from all URL patterns: every route × every person × every method."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.roles import Role
from tests.dashboard.access_matrix import OWN_GATE, ROWS, STAFF, Route, World, build_world, routes

METHODS = ("get", "head", "post", "put", "patch", "delete")
MEMBERS = [role.value for role in Role]
NOT_MEMBERS = ["stranger", "removed", "operator"]
WRITE = re.compile(r"^\s*(INSERT|UPDATE|DELETE|REPLACE)\b(?!.*django_session)", re.IGNORECASE)

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None) -> World:
    return build_world()


@pytest.fixture
def clients(world: World) -> dict[str, Client]:
    made = {}
    for name, user in world.people.items():
        made[name] = Client(raise_request_exception=False)
        if user is not None:
            made[name].force_login(user)
    return made


def of_kind(*kinds: str) -> list[Route]:
    return [route for route in routes() if route.rule and route.rule.kind in kinds]


def status(client: Client, method: str, address: str) -> tuple[int, str]:
    """The status, and the path a redirect leads to."""
    answer = getattr(client, method)(address)
    return answer.status_code, urlsplit(answer.headers.get("Location", "")).path


def test_every_route_has_a_row_and_says_who_may_see_it() -> None:
    unknown = [
        route.name for route in routes() if not route.is_admin and route.name not in ROWS.keys() | OWN_GATE.keys()
    ]
    assert not unknown, "add rows to tests/dashboard/access_matrix.py"
    silent = [route.name for route in routes() if route.rule is None and route.name not in OWN_GATE]
    assert not silent, "decorate these views with one of apps/dashboard/access.py"


def test_the_matrix_is_as_large_as_it_says() -> None:
    cells = len(routes()) * len(METHODS) * (len(MEMBERS) + len(NOT_MEMBERS) + 2)
    assert cells >= 1500, f"{cells} cells"


def test_without_a_session_everything_but_the_public_leads_to_the_sign_in_page(
    world: World, clients: dict[str, Client]
) -> None:
    wrong = {}
    for route in of_kind("signed_in", "team", "pod"):
        address = route.address(world)
        for person in ("anonymous", "inactive"):
            for method in METHODS:
                got = status(clients[person], method, address)
                if got != (302, "/sign-in/"):
                    wrong[person, method, route.name] = got
    assert not wrong


def test_who_is_no_member_finds_nothing(world: World, clients: dict[str, Client]) -> None:
    wrong = {}
    for route in of_kind("team", "pod"):
        address = route.address(world)
        for person in NOT_MEMBERS:
            for method in METHODS:
                got, _ = status(clients[person], method, address)
                if got != 404:
                    wrong[person, method, route.name] = got
    assert not wrong


def test_a_foreign_name_and_no_name_get_the_same_answer(world: World, clients: dict[str, Client]) -> None:
    def body(address: str) -> str:
        text = clients["stranger"].get(address).content.decode()
        return re.sub(r'nonce="[^"]*"|X-CSRFToken": "[^"]*"|value="[A-Za-z0-9]{64}"', "", text)

    elsewhere = {world.team.slug: "no-such-team", world.pod.name: "no-such-pod"}
    for route in of_kind("team", "pod"):
        address = route.address(world)
        nowhere = address
        for known, unknown in elsewhere.items():
            nowhere = nowhere.replace(f"/{known}/", f"/{unknown}/")
        assert nowhere != address
        assert body(address) == body(nowhere), route.name


def test_members_may_do_what_their_role_says_and_no_more(world: World, clients: dict[str, Client]) -> None:
    wrong = {}
    for route in of_kind("team", "pod"):
        needs = route.rule.role if route.rule else None
        assert needs is not None, route.name
        for person in MEMBERS:
            allowed = Role(person) >= needs
            for method in ("get", "head") if allowed else METHODS:
                got, to = status(clients[person], method, route.address(world))
                answers = (404, 405) if ROWS[route.name].away else (200, 302, 405)
                fine = got in answers and to != "/sign-in/" if allowed else got == 403
                if not fine:
                    wrong[person, method, route.name] = got
    assert not wrong


def test_pages_for_everybody_with_an_account(world: World, clients: dict[str, Client]) -> None:
    wrong = {}
    for route in of_kind("signed_in"):
        for person in MEMBERS + NOT_MEMBERS:
            got, to = status(clients[person], "get", route.address(world))
            if got not in (200, 302, 405, 404) or to == "/sign-in/":
                wrong[person, route.name] = got
    assert not wrong


def test_public_pages_break_for_nobody(world: World, clients: dict[str, Client]) -> None:
    wrong = {}
    for route in of_kind("public"):
        for person in world.people:
            got, _ = status(clients[person], "get", route.address(world))
            if got >= 500 and route.name != "readyz":
                wrong[person, route.name] = got
    assert not wrong


def test_the_operators_pages_are_for_operators(world: World, clients: dict[str, Client]) -> None:
    wrong = {}
    for route in (route for route in routes() if route.rule == STAFF):
        address = route.address(world)
        for person in world.people:
            if person == "operator":
                continue
            for method in ("get", "post"):  # the admin has one gate for every method
                got, to = status(clients[person], method, address)
                refused = got in (403, 404, 405) or (
                    got == 302 and to in ("/operators/login/", "/operators/", "/sign-in/")
                )
                if not refused:
                    wrong[person, method, route.name] = got, to
    assert not wrong
    assert clients["operator"].get("/operators/").status_code == 200


def test_every_change_needs_the_forms_token(world: World) -> None:
    wrong = {}
    for person in ("anonymous", "owner", "operator"):
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        if user := world.people[person]:
            client.force_login(user)
        for route in routes():
            if route.name in OWN_GATE or (route.is_admin and person != "operator"):
                continue
            for method in ("post", "put", "patch", "delete"):
                got, _ = status(client, method, route.address(world))
                if got != 403:
                    wrong[person, method, route.name] = got
    assert not wrong


def test_looking_changes_nothing(world: World, clients: dict[str, Client]) -> None:
    wrong = {}
    for route in of_kind("public", "signed_in", "team", "pod"):
        for person in ("anonymous", "owner"):
            address = route.address(world)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                clients[person].get(address)
            if writes := [query["sql"] for query in queries if WRITE.match(query["sql"])]:
                wrong[person, route.name] = writes
    assert not wrong
