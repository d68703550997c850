"""Pods through the API, who one is, and how what is wrong with a request is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Team, User
from apps.accounts.policies import READ_ONLY
from apps.api import door, limit
from apps.pods import actions
from apps.pods.models import Pod
from tests.api.conftest import DATA, Program
from tests.people import make_team

pytestmark = pytest.mark.django_db


def test_who_one_is(program: Callable[..., Program], bob: User) -> None:
    said = program(bob).get("/me").said
    assert (said["email"], said["policy"]) == (bob.email, None)
    assert {"action": "pods:read", "resources": ["urn:brain:pod:*"], "excludedResources": []} in said["permissions"]
    said = program(bob, READ_ONLY).get("/me").said
    assert said["policy"] == READ_ONLY
    assert "resources:write" not in {one["action"] for one in said["permissions"]}


def test_a_pod_is_made_with_an_open_draft(ask: Program, team: Team) -> None:
    made = ask.post("/pods", {"displayName": "My Shop"})
    assert made.status == 201
    assert made.said["name"].startswith("my-shop")
    assert (made.said["head"]["status"], made.said["deployed"], made.said["head"]["version"]) == ("draft", None, 1)
    assert Pod.objects.get(name=made.said["name"]).team == team
    again = ask.post("/pods", {"displayName": "My Shop"}).said["name"]
    assert again != made.said["name"]
    assert ask.post("/pods").said["name"].startswith("pod-")
    assert ask.post("/pods", {"displayName": "9 & Ü"}).status == 201
    assert ask.post("/pods", {"displayName": "_"}).status == 201
    assert ask.post("/pods", {"name": "exact"}).said["name"] == "exact"
    assert ask.post("/pods", {"name": "exact"}).error == "PRECONDITION_FAILED"
    assert ask.post("/pods", {"name": "No Name"}).paths == ["name"]
    assert ask.post("/pods", {"nonsense": 1}).paths == ["nonsense"]


def test_a_pod_that_nobody_has_put_anything_into(ask: Program, pod: Pod) -> None:
    """Made in the dashboard: its draft is of no row until somebody changes something."""
    said = ask.get("/pods/shop").said
    assert said["head"]["status"] == "draft"
    detail = ask.get(said["head"]["_links"]["self"]["href"]).said
    assert (detail["resources"], detail["isLatest"], detail["isDeployed"]) == ([], True, False)
    assert ask.get(said["head"]["_links"]["resources"]["href"]).said == []
    assert [one["id"] for one in ask.get("/pods/shop/revisions").said["items"]] == [said["head"]["id"]]
    assert not pod.revisions.exists()
    ask.post("/pods/shop/resources", [DATA])
    assert ask.get(said["head"]["_links"]["self"]["href"]).status == 404


def test_pods_are_listed_a_page_at_a_time(ask: Program, team: Team, alice: User) -> None:
    names = [f"shop-{letter}" for letter in "abcde"]
    for name in names:
        actions.create_pod(team=team, name=name, by=alice)
    actions.create_pod(team=make_team("elsewhere"), name="foreign", by=None)
    assert [one["name"] for one in ask.get("/pods").said] == names
    found, cursor = [], ""
    while True:
        page = ask.get(f"/pods?limit=2&cursor={cursor}")
        found += [one["name"] for one in page.said]
        cursor = page.headers.get("x-next-cursor", "")
        assert (cursor in page.headers.get("Link", "")) or not cursor
        if not cursor:
            break
    assert found == names
    assert ask.get("/pods?limit=0").paths == ["limit"]
    assert ask.get("/pods?limit=many").paths == ["limit"]


def test_the_list_takes_as_many_queries_for_many(ask: Program, team: Team, alice: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert ask.get("/pods").status == 200
        return len(caught)

    for name in ("one", "two"):
        actions.draft(pod=actions.create_pod(team=team, name=name, by=alice), by=alice)
    queries()  # the first notes that the token was used
    few = queries()
    for number in range(8):
        actions.draft(pod=actions.create_pod(team=team, name=f"more-{number}", by=alice), by=alice)
    assert queries() == few


def test_deleting_asks_for_the_name(program: Callable[..., Program], alice: User, pod: Pod) -> None:
    ask = program(alice)
    assert ask.delete("/pods/shop").paths == ["confirmation"]
    assert Pod.objects.get(pk=pod.pk).deleting_at is None
    assert ask.delete("/pods/shop?confirmation=shop").status == 202
    assert Pod.objects.get(pk=pod.pk).deleting_at is not None
    assert ask.post("/pods/shop/resources", [DATA]).error == "PRECONDITION_FAILED"


@pytest.mark.parametrize(
    "body", ["", "{", "nonsense", "[" * 100_000, '{"displayName": 1}', "[]", b"\xff\xfe", '"\ud800"']
)
def test_what_is_no_document_is_refused(ask: Program, body: Any) -> None:
    given = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    assert ask.post("/pods", given).status in ((201,) if body == "" else (400,))


def test_a_body_that_is_missing_is_named(ask: Program, pod: Pod) -> None:
    said = ask.post("/pods/shop/resources").said["error"]
    assert (said["code"], said["message"]) == ("VALIDATION_ERROR", "The body is required.")


def test_addresses_and_methods_that_are_not_there(ask: Program, pod: Pod) -> None:
    assert (ask.get("/nonsense").status, ask.get("/nonsense").error) == (404, "NOT_FOUND")
    assert ask.get("/pods/shop/nonsense").status == 404
    refused = ask("PATCH", "/pods/shop", {})
    assert (refused.status, refused.error) == (405, "BAD_REQUEST")
    assert "GET" in refused.headers["Allow"]
    assert ask.get("/pods/shop%00").status == 400
    assert ask.get("/pods?cursor=%00").status == 400
    assert ask.get("/pods/shop/").status == 404


def test_a_request_that_is_too_large(ask: Program, pod: Pod) -> None:
    said = ask.post("/pods/shop/resources", b" " * (door.LARGEST + 1))
    assert (said.status, said.error) == (413, "REQUEST_TOO_LARGE")


def test_a_session_is_no_token(pod: Pod, bob: User, client_of: Callable[..., Client]) -> None:
    assert client_of(bob).get("/api/v1/pods").status_code == 401
    assert Program("").get("/pods").headers["WWW-Authenticate"] == "Bearer"


def test_errors_have_the_number_of_the_request(ask: Program) -> None:
    said = ask.get("/pods/none", x_request_id="request-12345")
    assert said.said["error"]["requestId"] == "request-12345"


def test_there_is_a_rate(
    ask: Program,
    program: Callable[..., Program],
    alice: User,
    settings: Any,
    valkey: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, api_rate=3)
    monkeypatch.setattr(limit.time, "time", lambda: 1_800_000_000.5)  # not across the end of a minute
    answers = [ask.get("/pods") for _ in range(4)]
    assert [one.status for one in answers] == [200, 200, 200, 429]
    assert [one.headers["RateLimit-Remaining"] for one in answers] == ["2", "1", "0", "0"]
    assert {one.headers["RateLimit-Limit"] for one in answers} == {"3"}
    assert answers[-1].error == "RATE_LIMITED"
    assert answers[-1].headers["Retry-After"] == answers[-1].headers["RateLimit-Reset"] == "60"
    assert program(alice).get("/pods").status == 200, "another token"
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, api_rate=0)
    assert "RateLimit-Limit" not in ask.get("/pods").headers


def test_what_breaks_is_told_in_the_envelope(ask: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any, **more: Any) -> None:
        raise ZeroDivisionError("secret words")

    monkeypatch.setattr(door.Caller, "pod", broken)
    said = ask.get("/pods/shop")
    assert (said.status, said.error) == (500, "INTERNAL_ERROR")
    assert "secret words" not in str(said.said)
