"""Export and import in the dashboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.accounts.models import User
from apps.manifests import actions
from apps.manifests.reading import parse
from apps.pods.models import Pod
from tests.manifests.conftest import SHOP, VALUES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("openbao")]


@pytest.fixture
def full(pod: Pod) -> Pod:
    actions.apply(pod=pod, manifest=parse(SHOP, team=pod.team.slug), values=VALUES, keep=False, by=None)
    return pod


def test_a_pod_is_shown_and_downloaded(full: Pod, vera: User, client_of: Callable[..., Client]) -> None:
    client = client_of(vera)
    page = client.get("/pods/shop/manifest/").content.decode()
    assert "DATABASE_URL: ${db.uri}" in page
    assert "/pods/shop/imports/" not in page, "viewers change nothing"
    answer = client.get("/pods/shop/brainpod.yaml")
    assert answer.content.decode() == SHOP
    assert answer["Content-Disposition"] == 'attachment; filename="brainpod.yaml"'
    assert client.get("/pods/shop/brainpod.yaml?revision=draft").content.decode() == SHOP
    for which in ("live", "7", "v1", "no", "9" * 12):
        assert client.get(f"/pods/shop/brainpod.yaml?revision={which}").status_code == 404


def test_a_file_is_planned_and_put_into_the_draft(pod: Pod, bob: User, client_of: Callable[..., Client]) -> None:
    client = client_of(bob)
    assert "Show what it changes" in client.get("/pods/shop/imports/").content.decode()
    page = client.post("/pods/shop/imports/", {"file": SimpleUploadedFile("brainpod.yaml", SHOP.encode())})
    assert page.status_code == 200
    text = page.content.decode()
    for words in (
        "makes the empty disk data of 10 GB",
        "settings.API_KEY",
        "secret:site.password",
        "Put it into the draft",
    ):
        assert words in text
    assert pod.draft is None
    given = {"text": SHOP.replace("\n", "\r\n"), "action": "apply"}
    refused = client.post("/pods/shop/imports/", given)
    assert refused.status_code == 422
    assert "has no value here" in refused.content.decode()
    values: dict[str, Any] = {"secret:settings.API_KEY": "hunter2-the-key", "made:site.password": "on"}
    done = client.post("/pods/shop/imports/", given | values)
    assert (done.status_code, done["Location"]) == (302, "/pods/shop/draft/")
    assert client.get("/pods/shop/brainpod.yaml").content.decode() == SHOP


def test_what_is_wrong_stands_beside_its_line(pod: Pod, bob: User, client_of: Callable[..., Client]) -> None:
    client = client_of(bob)
    page = client.post("/pods/shop/imports/", {"text": "version: 1\nresources:\n  <b>: {}\n"})
    assert page.status_code == 422
    text = page.content.decode()
    assert "Line 3, column 3" in text
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    assert client.post("/pods/shop/imports/", {}).status_code == 422
    binary = SimpleUploadedFile("x.yaml", b"\xff\xfe\x00\x01")
    assert client.post("/pods/shop/imports/", {"file": binary}).status_code == 422


def test_files_of_other_tools_become_a_manifest(pod: Pod, bob: User, client_of: Callable[..., Client]) -> None:
    client = client_of(bob)
    compose = "services:\n  web: {build: ., ports: ['80'], environment: {DB: 'postgres://u:p@db/x'}}\n"
    compose += "  db: {image: postgres:16}\n"
    given = {
        "action": "convert",
        "repo": "https://github.com/example/app.git",
        "pasted": compose,
        "pasted_as": "compose",
    }
    page = client.post("/pods/shop/imports/", given).content.decode()
    assert "services.web.ports" in page
    assert "DB: ${db.uri}" in page
    assert pod.draft is None
    files = [
        SimpleUploadedFile("Procfile", b"web: x\n"),
        SimpleUploadedFile("app.json", b'{"addons": ["heroku-redis"]}'),
    ]
    page = client.post("/pods/shop/imports/", {**given, "pasted": "", "chosen": files}).content.decode()
    assert "REDIS_URL: ${redis.uri}" in page
    for wrong in ({"repo": ""}, {"pasted": ""}, {"pasted": "a: ["}, {"chosen": [SimpleUploadedFile("x.txt", b"x")]}):
        assert client.post("/pods/shop/imports/", given | wrong).status_code == 422, wrong
    assert client.post("/pods/shop/imports/", {"action": "convert"}).status_code == 422
