"""Files into a draft, and webhook secrets, through the API."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.hooks import actions as hooks
from apps.hooks.keys import keys_of
from apps.pods.models import Pod
from tests.api.conftest import FRONT, WEB, Program

pytestmark = pytest.mark.django_db

COMPOSE = """
services:
  web:
    build: .
    ports: ["8000:8000"]
    environment: {GREETING: hello, API_TOKEN: abc}
    privileged: true
  db:
    image: postgres:16
"""
GOOD = "version: 1\nresources: {Disk: {data: {size: 5}}}\n"
REPO = "https://git.example.com/team/shop.git"
AT = "/pods/shop/imports"


def test_a_compose_file_becomes_the_draft(ask: Program, pod: Pod, openbao: Any) -> None:
    body = {"files": {"docker-compose.yml": COMPOSE}, "repo": REPO}
    tried = ask.post(f"{AT}?dryRun=true", body)
    assert (tried.status, tried.said["revisionId"]) == (200, None)
    assert ask.get("/pods/shop/resources").status == 404 or ask.get("/pods/shop/resources").said == []
    assert "services.web.privileged" in {one["subject"] for one in tried.said["report"] if one["severity"] == "left"}
    (missing,) = tried.said["missing"]
    refused = ask.post(AT, body)
    assert refused.paths == [f"secrets.{missing['resource']}.{missing['secret']}"]
    given = {missing["resource"]: {missing["secret"]: "planted-value"}}
    made = ask.post(AT, body | {"secrets": given})
    assert made.status == 201
    assert "planted-value" not in str(made.said)
    names = {one["content"]["metadata"]["name"] for one in ask.get("/pods/shop/resources").said}
    assert {"web", "db"} <= names == {one["name"] for one in made.said["changes"]}
    again = ask.post(f"{AT}?dryRun=true", {"files": {"brainpod.yaml": made.said["manifest"]}})
    assert (again.said["changes"], again.said["missing"], again.said["report"]) == ([], [], [])


def test_what_cannot_be_imported(ask: Program, pod: Pod) -> None:
    for body, paths in (
        ({"files": {}}, ["files"]),
        ({"files": {"Makefile": "all:"}, "repo": REPO}, ["files.Makefile"]),
        ({"files": {"Procfile": "web: run"}}, ["repo"]),
        ({"files": {"Procfile": "web: run", "docker-compose.yml": COMPOSE}, "repo": REPO}, ["files"]),
        ({"files": {"brainpod.yaml": "version: 1\n", "Procfile": "web: x"}}, ["files"]),
        ({"files": {"brainpod.yaml": "version: 1\nresources: {Disk: {data: {size: 1}}}\n"}},
         ["resources.Disk.data.size"]),
        ({"files": {"brainpod.yaml": GOOD}, "secrets": {"a": {"B": "c"}}}, ["secrets.a.B"]),
        ({"files": {"brainpod.yaml": GOOD}, "colour": "red"}, ["colour"]),
    ):  # fmt: skip
        answer = ask.post(AT, body)
        assert (answer.status, answer.paths) == (400, paths), body


def test_a_procfile_takes_nothing_away_unless_it_is_to(ask: Program, pod: Pod) -> None:
    ask.post("/pods/shop/resources", [WEB, FRONT])
    body = {"files": {"Procfile": "worker: run"}, "repo": REPO}
    assert {one["name"] for one in ask.post(f"{AT}?dryRun=true", body).said["changes"]} == {"worker"}
    whole = ask.post(f"{AT}?dryRun=true", body | {"keep": False}).said["changes"]
    assert {(one["name"], one["change"]) for one in whole} >= {("web", "delete"), ("front", "delete")}


def test_secrets_of_webhooks(ask: Program, pod: Pod, bob: User, openbao: Any) -> None:
    at = "/pods/shop/webhook/rotation"
    ask.post("/pods/shop/resources", [WEB, FRONT])
    assert ask.post(at, {}).status == 404, "there is no webhook yet"
    hooks.make_webhook(pod=pod, by=bob)
    before = keys_of(pod.pk, "web")[0]
    made = ask.post(at, {"app": "web"})
    assert (made.status, made.said["app"], made.said["address"][-4:]) == (201, "web", "/web")
    assert made.said["secret"] == keys_of(pod.pk, "web")[0] != before
    assert before in keys_of(pod.pk, "web")
    assert ask.delete(f"{at}?app=web").said["oldUntil"] is None
    assert before not in keys_of(pod.pk, "web")
    assert ask.post(at, {"app": "front"}).status == 404
    assert ask.post(at, {"app": "a\0"}).paths == ["app"]
    assert ask.delete(f"{at}?app=front").status == 404
    whole = ask.post(at, {})
    assert (whole.said["secret"], whole.said["oldUntil"] is None) == (keys_of(pod.pk)[0], False)
    assert ask.delete(at).said["oldUntil"] is None
    assert {"webhook.rotate", "webhook.end_old"} <= set(AuditEntry.objects.values_list("verb", flat=True))
