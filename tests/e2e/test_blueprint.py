"""Blueprints installed and deployed from their pages answer through the edge, with their code in a repository here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.e2e.test_push_to_live import ended, request
from tests.stack.platform import ROOT, Platform
from tests.stack.visitor import Visitor

pytestmark = pytest.mark.platform
FILES = ROOT / "blueprints" / "static-site" / "web"
LONG = 900  # seconds a build may take where everything is fetched anew
KEY = "planted-key-of-the-clients-of-the-queue"


@pytest.fixture
def visitor(platform: Platform) -> Iterator[Visitor]:
    made = Visitor(platform)
    yield made
    made.close()


def test_static_site_is_installed_deployed_and_served(platform: Platform, visitor: Visitor) -> None:
    visitor.get("/blueprints/static-site/")
    visitor.fill("/blueprints/static-site/", {"name": "ready-made", "action": "deploy"})
    deployment = visitor.where()
    assert deployment.startswith("/pods/ready-made/deployments/"), visitor.page.text[:3000]
    assert ended(visitor, deployment) == "ready", visitor.page.text[:3000]
    for path, file in (("/", "index.html"), ("/style.css", "style.css")):
        assert request(platform, "ready-made.localhost", path=path) == (200, (FILES / file).read_text())
    assert list(platform.state.glob("repositories/*/ready-made/web.git")), "the code is the team's own"


Site = httpx.Client


def _titled(site: Site) -> None:
    assert site.get("/").raise_for_status().text.count("Our own title") >= 1
    assert site.get("/nowhere.txt").status_code == 404


def _notes(site: Site) -> None:
    """The release command has made the tables and the administrator, who signs in."""
    assert "<h1>Our own title</h1>" in site.get("/").text
    login = site.get("/admin/login/")
    given = {"username": "owner@example.com", "password": "correct-horse-9-battery", "next": "/admin/"}
    given["csrfmiddlewaretoken"] = login.text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    site.post("/admin/login/", data=given)
    assert "Site administration" in site.get("/admin/").text


def _guest_book(site: Site) -> None:
    assert site.post("/", data={"words": "hello <there>"}).status_code == 303
    assert "<li>hello &lt;there&gt;</li>" in site.get("/").text


def _queue(site: Site) -> None:
    """What the web app takes, the worker does."""
    assert site.post("/jobs", json={"text": "x"}, headers={"X-API-Key": "another"}).status_code == 403
    made = site.post("/jobs", json={"text": "three small words"}, headers={"X-API-Key": KEY})
    deadline = time.monotonic() + 60
    while (said := site.get(f"/jobs/{made.json()['number']}").json())["result"] is None:
        assert time.monotonic() < deadline, said
        time.sleep(0.1)
    assert said["result"] == "3 words"


def _notebooks(site: Site) -> None:
    assert site.get("/api/contents").status_code == 403
    assert site.get("/api/contents", headers={"Authorization": f"token {KEY}"}).json()["type"] == "directory"


def _flows(site: Site) -> None:
    assert site.get("/flows").status_code == 401
    given = {"client_id": "node-red-editor", "grant_type": "password", "scope": "*", "username": "admin"}
    token = site.post("/auth/token", data={**given, "password": KEY}).json()["access_token"]
    assert site.get("/flows", headers={"Authorization": f"Bearer {token}"}).status_code == 200


TITLE = {"input-title": "Our own title"}
BUILT: dict[str, tuple[dict[str, str], Callable[[Site], None]]] = {
    "django-postgresql": (
        {
            "input-site_name": "Our own title",
            "input-admin_email": "owner@example.com",
            "input-admin_password": "correct-horse-9-battery",
        },
        _notes,
    ),
    "eleventy-site": (TITLE, _titled),
    "express-postgresql": (TITLE, _guest_book),
    "fastapi-valkey": ({"input-api_key": KEY}, _queue),
    "jupyterlab": ({"input-password": KEY}, _notebooks),
    "next-site": (TITLE, _titled),
    "node-red": ({"input-admin_password": KEY}, _flows),
}


def test_every_blueprint_that_ships_is_deployed_here() -> None:
    assert {path.stem for path in (ROOT / "blueprints").glob("*.yaml")} == {"static-site", "wordpress-mariadb", *BUILT}


@pytest.mark.heavy
@pytest.mark.parametrize("name", BUILT)
def test_it_is_built_deployed_and_does_what_it_says(platform: Platform, visitor: Visitor, name: str) -> None:
    given, used = BUILT[name]
    visitor.get(f"/blueprints/{name}/")
    visitor.fill(f"/blueprints/{name}/", {"name": f"bp-{name}", "action": "deploy", **given})
    deployment = visitor.where()
    assert deployment.startswith(f"/pods/bp-{name}/deployments/"), visitor.page.text[:3000]
    assert ended(visitor, deployment, LONG) == "ready", visitor.get(f"{deployment}log.txt").text[-3000:]
    host = {"Host": f"bp-{name}.localhost:{platform.port}"}
    with httpx.Client(base_url=platform.address, headers=host, timeout=60, trust_env=False) as site:
        used(site)
