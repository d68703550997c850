"""Where the dashboard says that an app is pushed to, and where to."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Team, User
from apps.pods import actions as pods

pytestmark = pytest.mark.django_db


def test_an_app_that_is_pushed_to(alice: User, vera: User, team: Team, name: str, client_of: Any) -> None:
    client: Client = client_of(alice)
    pod = pods.create_pod(team=team, name=name, by=alice)
    assert f"git push http://localhost:8080/git/{name}.git main" in client.get(f"/pods/{name}/").content.decode()
    new = f"/pods/{name}/resources/new/App/"
    wrong = client.post(new, {"name": "web", "push": "on", "source.repo": "https://example.com/a/b.git"})
    assert wrong.status_code == 422
    assert "Must be empty for an app that you push" in wrong.content.decode()
    made = client.post(new, {"name": "web", "push": "on", "source.repo": "", "source.branch": "trunk"})
    assert (made.status_code, made["Location"]) == (302, f"/pods/{name}/resources/web/")
    assert pod.draft is not None
    spec = pod.draft.snapshot()["web"].spec
    assert spec["source"]["repo"] == f"brainpod:{team.slug}/{name}/web"
    assert "push" not in spec
    for person in (alice, vera):
        page = client_of(person).get(f"/pods/{name}/resources/web/").content.decode()
        assert f"git remote add brainpod http://localhost:8080/git/{name}/web.git" in page
        assert "git push brainpod trunk" in page
    form = client.get(f"/pods/{name}/resources/web/?tab=configuration").content.decode()
    ticked = next(line for line in form.splitlines() if 'name="push"' in line)
    assert " checked" in ticked
    host = {"source.repo": "https://example.com/a/b.git", "source.branch": "main"}
    assert client.post(f"/pods/{name}/resources/web/", host | {"push": "on"}).status_code == 422
    assert client.post(f"/pods/{name}/resources/web/", host).status_code == 302
    assert "git remote add" not in client.get(f"/pods/{name}/resources/web/").content.decode()
