"""WordPress from its blueprint: installed, signed in to, written in; deployed again, with all that was written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from apps.sources.hosted import Hosted
from tests.e2e.test_jobs import state, wait_for
from tests.e2e.test_push_to_live import ended
from tests.stack import wordpress
from tests.stack.platform import Platform
from tests.stack.visitor import Visitor

pytestmark = [pytest.mark.platform, pytest.mark.heavy]
LONG = 600
PASSWORD = "correct-horse-9-battery"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001"
    "e221bc330000000049454e44ae426082"
)


@pytest.fixture
def visitor(platform: Platform) -> Iterator[Visitor]:
    made = Visitor(platform)
    yield made
    made.close()


@pytest.fixture
def repository(platform: Platform, tmp_path: Path) -> str:
    files = wordpress.unpacked(tmp_path)
    hosted = Hosted(platform.state / "repositories")
    hosted.create("home", "wordpress")
    hosted.commit_tree("home", "wordpress", files, "WordPress", branch=wordpress.BRANCH)
    shutil.rmtree(files)
    return "brainpod:home/wordpress"


def signed_in(site: httpx.Client) -> str:
    """The number that requests of the dashboard's scripts need."""
    site.get("/wp-login.php")  # the cookie that says cookies are kept
    given = {"log": "owner", "pwd": PASSWORD, "testcookie": "1", "redirect_to": f"{site.base_url}/wp-admin/"}
    assert site.post("/wp-login.php", data=given).status_code == 302
    page = site.get("/wp-admin/post-new.php").raise_for_status().text
    return re.search(r'createNonceMiddleware\( "(\w+)" \)', page)[1]


def test_it_is_installed_written_in_and_stays(platform: Platform, visitor: Visitor, repository: str) -> None:
    visitor.get("/blueprints/wordpress-mariadb/")
    given = {
        "input-title": "Our own title",
        "input-admin_name": "owner",
        "input-admin_email": "owner@example.com",
        "input-admin_password": PASSWORD,
        "input-repository": repository,
        "input-branch": wordpress.BRANCH,
    }
    visitor.fill("/blueprints/wordpress-mariadb/", {"name": "words", "action": "deploy", **given})
    page = visitor.where()
    assert page.startswith("/pods/words/deployments/"), visitor.page.text[:3000]
    assert ended(visitor, page, LONG) == "ready", visitor.get(f"{page}log.txt").text[-3000:]

    host = {"Host": f"words.localhost:{platform.port}"}
    with httpx.Client(base_url=platform.address, headers=host, timeout=60, trust_env=False) as site:
        front = site.get("/").raise_for_status().text
        assert "<title>Our own title</title>" in front
        assert f"http://words.localhost:{platform.port}/" in front, "links lead to the host that was asked"
        for style in ("/wp-includes/css/dashicons.min.css", "/wp-content/themes/twentytwentythree/style.css"):
            assert site.get(style).raise_for_status().headers["Content-Type"].startswith("text/css")

        number = {"X-WP-Nonce": signed_in(site)}
        made = site.post("/wp-json/wp/v2/posts", json={"title": "First <words>", "status": "publish"}, headers=number)
        assert made.status_code == 201, made.text[:1000]
        post = re.sub(r"^https?://[^/]+", "", made.json()["link"])
        picture = {"Content-Disposition": 'attachment; filename="dot.png"', "Content-Type": "image/png"}
        added = site.post("/wp-json/wp/v2/media", content=PIXEL, headers={**number, **picture})
        assert added.status_code == 201, added.text[:1000]
        upload = re.sub(r"^https?://[^/]+", "", added.json()["source_url"])

        for path, status in {"/wp-admin": 301, "/nowhere/": 404, "/.git/config": 403}.items():
            assert site.get(path).status_code == status, path

        visitor.get("/pods/words/revisions/1/")
        visitor.fill("/pods/words/deployments/", {}, has="revision")
        assert ended(visitor, visitor.where(), LONG) == "ready", visitor.page.text + platform.tails()
        assert "First" in site.get(post).raise_for_status().text
        assert site.get(upload).content == PIXEL
        assert site.post("/wp-json/wp/v2/posts", json={}, headers=number).status_code != 401, "still signed in"

    visitor.get("/pods/words/resources/web/")
    visitor.fill("/pods/words/resources/web/jobs/wp-cron/runs/", {})
    run = visitor.where()
    wait_for(lambda: state(visitor, run) == "succeeded", 60, "the job")
