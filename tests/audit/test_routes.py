"""Every route that changes something leaves an entry in the audit log."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEntry
from apps.audit.verbs import VERBS
from apps.secretstore.vault import Vault
from tests.audit.tries import ELSEWHERE, TRIES, Try
from tests.dashboard.access_matrix import OWN_GATE, ROWS, Route, World, build_world, routes

pytestmark = pytest.mark.django_db
METHODS = ("post", "put", "patch", "delete")
ROUTES = {route.name: route for route in routes() if not route.is_admin}


def browser(world: World, who: str) -> Client:
    client = Client(raise_request_exception=False)
    if user := world.people[who]:
        client.force_login(user)
    return client


def test_every_route_that_changes_something_says_how_it_is_recorded() -> None:
    world = build_world()
    clients: dict[str, Client] = {}
    found = set()
    for route in ROUTES.values():
        if route.name in OWN_GATE or route.rule is None:
            continue
        who = {"staff": "operator", "public": "anonymous"}.get(route.rule.kind, "owner")
        for method in METHODS:
            client = clients.get(who) or clients.setdefault(who, browser(world, who))
            with transaction.atomic():
                if getattr(client, method)(route.address(world)).status_code != 405:
                    found.add(f"{route.name} {method}")
                transaction.set_rollback(True)
        if route.name in ("sign-out", "sign-in-link", "account-password"):
            clients.clear()  # these end or change the session
    known = TRIES.keys() | ELSEWHERE.keys()
    assert not found - known, "say in tests/audit/tries.py how these are recorded"
    assert not known - found, "these change nothing, or are gone"
    assert not TRIES.keys() & ELSEWHERE.keys()


def address(route: Route, world: World, tried: Try) -> str:
    given: dict[str, Any] = world.words | ROWS[route.name].words(world) | (tried.words(world) if tried.words else {})
    return reverse(route.name, kwargs={word: given[word] for word in route.words})


@pytest.mark.parametrize("name", sorted(TRIES))
def test_it_leaves_an_entry(name: str, openbao: Vault, settings: Any) -> None:
    settings.BRAINPOD = replace(settings.BRAINPOD, allowed_networks="127.0.0.0/8")  # notifications lead here
    world, tried = build_world(), TRIES[name]
    route, method = ROUTES[name.split()[0]], name.split()[1]
    if tried.before:
        tried.before(world)
    data = tried.data(world) if callable(tried.data) else tried.data
    where = address(route, world, tried)
    if name == "service-deletion post":  # its name is made with the address
        data = {"confirm": where.split("/")[3]}
    client = browser(world, tried.who)
    if tried.proven:
        session = client.session
        session["proven_at"] = time.time()
        session.save()
    AuditEntry.objects.all()._raw_delete("default")
    answer = getattr(client, method)(where, data, headers={"X-Request-ID": "number-of-the-request"})
    assert answer.status_code < 400 or tried.verb == "signin.failed", answer.content.decode()[-3000:]
    entry = AuditEntry.objects.filter(verb=tried.verb).first()
    assert entry is not None, list(AuditEntry.objects.values_list("verb", flat=True))
    assert entry.request == "number-of-the-request"
    assert entry.address == "127.0.0.1"
    if tried.who != "anonymous":
        assert entry.user == world.people[tried.who]
    elif tried.verb == "signin.passed":
        assert entry.user == world.people["owner"]
    if route.rule is not None and route.rule.kind in ("team", "pod"):
        assert entry.team == world.team
    assert tried.verb in VERBS
