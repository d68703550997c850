"""A pull request from its first delivery to nothing left: a pod of its own, live with its content, and gone."""

import re
import time

import httpx
import pytest

from tests.e2e import test_push_to_live as told_before
from tests.e2e.test_push_to_live import APP, Repository, add, deploy, ended, new_pod, newest, request, webhook
from tests.stack.github import pull_payload, signed

visitor = told_before.visitor
pytestmark = pytest.mark.platform


def propose(repository, words):
    """Commit an app that answers `words` where the host keeps pull request 12; the commit's id."""
    repository._git("checkout", "--quiet", "-B", "door")
    (repository.work / "app.py").write_text(APP.replace("{words}", words).replace("{status}", "200"))
    person = ("-c", "user.name=Mona", "-c", "user.email=m@example.com")
    repository._git(*person, "commit", "--quiet", "--all", "-m", words)
    repository._git("push", "--quiet", "--force", "origin", "door:refs/pull/12/head")
    return repository._git("rev-parse", "HEAD")


def until(platform, met):
    deadline = time.monotonic() + 180
    while not met():
        assert time.monotonic() < deadline, platform.tails()
        time.sleep(0.2)


def test_a_pull_request_has_a_pod_until_it_is_closed(platform, visitor, tmp_path):
    repository = Repository(platform, tmp_path, "gallery")
    repository.push("main")
    new_pod(visitor, "gallery")
    add(visitor, "gallery", "Config", "common", {"secrets.0.name": "TOKEN", "secrets.0.value": "one-s3cret"})
    add(visitor, "gallery", "App", "web", {"source.repo": repository.address, "configs.0.name": "common"})
    add(visitor, "gallery", "Route", "site", {"rules.0.path": "/", "rules.0.app": "web"})
    assert ended(visitor, deploy(visitor, "gallery")) == "ready"
    hook, key = webhook(visitor, "gallery")
    visitor.get("/pods/gallery/previews/")
    visitor.fill("/pods/gallery/previews/settings/", {"enabled": "on", "variables": "GREETING=hello"})

    def told(commit, **fields):
        body, headers = signed(pull_payload(commit, url=repository.address, **fields), key, event="pull_request")
        sent = headers | {"Host": f"localhost:{platform.port}"}
        return httpx.post(platform.address + hook, content=body, headers=sent, timeout=30, trust_env=False).json()

    commit = propose(repository, "door")
    assert told(commit) == {"verdict": f"Opening preview gallery-pr-12 at {commit[:7]}."}
    host = "gallery-pr-12.localhost"
    until(platform, lambda: request(platform, host) == (200, "door hello one-s3cret"))
    assert request(platform, "gallery.localhost") == (200, "main - one-s3cret"), "the parent is as it was"
    assert ended(visitor, newest(visitor, "gallery-pr-12")) == "ready"
    page = visitor.get("/pods/gallery/previews/").text
    assert host in page
    assert re.search(r'data-preview="gallery-pr-12"', page)

    commit = propose(repository, "wider door")
    assert "Updating" in told(commit, action="synchronize", at="2026-11-22T10:01:00Z")["verdict"]
    until(platform, lambda: request(platform, host) == (200, "wider door hello one-s3cret"))

    assert "Closing" in told(commit, action="closed", merged=True, at="2026-11-22T10:02:00Z")["verdict"]
    until(platform, lambda: request(platform, host)[0] == 404 and "/pods/gallery-pr-12/" not in visitor.get("/").text)
    assert request(platform, "gallery.localhost") == (200, "main - one-s3cret")
    assert "The pull request was merged." in visitor.get("/pods/gallery/previews/").text
    assert "newer news" in told(commit)["verdict"], "what comes again brings nothing back"
