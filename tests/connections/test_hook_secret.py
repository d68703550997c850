"""The webhook of a GitHub App: whom a delivery concerns, its inbox, and another secret while both count."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.db import connection as database
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.connections import actions, secrets
from apps.connections.models import Connection
from apps.deployments.models import Deployment
from apps.hooks import installations
from apps.hooks.concerned import concerned
from apps.hooks.models import AppReceipt, Receipt
from apps.hooks.providers.base import Push
from apps.pods.children import DatabasePolicy, branch_off
from apps.pods.models import Lineage, Pod
from apps.previews.models import Preview, PreviewSettings, PreviewState
from tests.connections.api_host import ApiHost
from tests.connections.test_app_manifest import SECRET, client, github, made
from tests.hooks.conftest import REPOSITORY, A, B, make_pod, verdict
from tests.stack.github import pull_payload, push_payload, signed

__all__ = ["client", "github"]  # fixtures
OTHER = "https://github.com/octo/other.git"


@pytest.fixture
def app(github: ApiHost, client: Client, team: Team, authority: str) -> Connection:
    found = made(client, team, authority)
    Connection.objects.filter(pk=found.pk).update(installation_id="99", scope="acme")
    found.refresh_from_db()
    return found


def send(app: Connection, payload: Any, key: str = SECRET, **given: Any) -> HttpResponse:
    body, headers = signed(payload, key, **given)
    kind = headers.pop("Content-Type")
    return Client().post(f"/hooks/app/{app.pk}", body, content_type=kind, headers=headers)  # type: ignore[return-value]


def pull(**given: Any) -> tuple[Any, dict[str, str]]:
    return pull_payload(B, **given), {"event": "pull_request"}


def page(client: Client, app: Connection, name: str = "git-access-connection") -> str:
    answer = client.get(reverse(name, kwargs={"team": app.team.slug, "connection": app.pk}))
    assert answer.status_code == 200
    return answer.content.decode()


def press(client: Client, app: Connection, method: str = "post") -> str:
    at = reverse("git-access-hook", kwargs={"team": app.team.slug, "connection": app.pk})
    told = getattr(client, method)(at, follow=True).content.decode()
    app.refresh_from_db()
    return str(told)


def test_a_pull_request_opens_and_closes_its_preview(app: Connection, team: Team, bob: User) -> None:
    pod = make_pod(team, bob, {"web": {}})
    PreviewSettings.objects.create(pod=pod, enabled=True)
    opened, how = pull()
    assert verdict(send(app, opened, **how)).startswith(f"Opening preview {pod.name}-pr-12")
    closed, how = pull(action="closed", at="2026-11-22T11:00:00Z")
    assert "Closing preview" in verdict(send(app, closed, **how))
    assert Preview.objects.get(parent=pod).state == PreviewState.CLOSED


def test_the_end_of_a_pull_request_reaches_a_pod_that_went_elsewhere(app: Connection, team: Team, bob: User) -> None:
    pod = make_pod(team, bob, {"web": {}})
    PreviewSettings.objects.create(pod=pod, enabled=True)
    opened, how = pull()
    send(app, opened, **how)
    assert pod.live
    row = pod.live.resources.get(name="web")
    row.spec["source"]["repo"] = OTHER
    row.save()
    closed, how = pull(action="closed", at="2026-11-22T11:00:00Z", merged=True)
    assert "was merged" in verdict(send(app, closed, **how))
    assert Preview.objects.get(parent=pod).state == PreviewState.CLOSED


def test_what_is_on_its_way_is_concerned_too(app: Connection, team: Team, bob: User) -> None:
    """The pod goes over to another repository: pushes of the new one count, pull requests are of what is live."""
    pod = make_pod(team, bob, {"web": {}})
    PreviewSettings.objects.create(pod=pod, enabled=True)
    assert send(app, push_payload(B)).status_code == 202
    soon = Deployment.objects.get(pod=pod, trigger="push").revision.resources.get(name="web")
    soon.spec["source"]["repo"] = OTHER
    soon.save()
    assert send(app, push_payload("d" * 40, url=OTHER)).status_code == 202
    assert "no pod of" in verdict(send(app, push_payload("c" * 40, url="https://github.com/octo/third.git")))
    opened, how = pull()
    assert "Opening preview" in verdict(send(app, opened, **how))


def test_children(app: Connection, team: Team, bob: User) -> None:
    """Staging follows pushes; a preview follows its pull request and nothing else, whatever it is built from."""
    pod = make_pod(team, bob, {"web": {}})
    given: dict[str, Any] = {"by": bob, "with_secrets": True, "databases": DatabasePolicy.NONE}
    staging = branch_off(pod, lineage=Lineage.STAGING, name=f"{pod.name}-st", **given)
    preview = branch_off(pod, lineage=Lineage.PREVIEW, name=f"{pod.name}-pr-1", **given)
    push = Push((REPOSITORY,), branch="main", head=B)
    for child in (staging, preview):
        revision = child.revisions.get()
        Pod.objects.filter(pk=child.pk).update(live=revision, head=revision)
    assert {one.name for one in concerned(team, [push])} == {pod.name, staging.name}
    opened, how = pull()
    assert verdict(send(app, opened, **how)) == f"Previews are off for {pod.name}."
    assert not Receipt.objects.filter(pod__in=(staging, preview)).exists()


def test_the_queries_are_as_many_for_many_pods(app: Connection, team: Team, bob: User) -> None:
    for name in ("first", "second"):
        make_pod(team, bob, {name: {"repo": OTHER}})
    told = push_payload(B)

    def queries() -> int:
        with CaptureQueriesContext(database) as asked:
            assert "no pod of" in verdict(send(app, told))
        return len(asked)

    queries()
    few = queries()
    for number in range(6):
        make_pod(team, bob, {f"more{number}": {"repo": OTHER}})
    assert queries() == few


def test_an_inbox_with_what_nobody_signed(
    app: Connection, client: Client, team: Team, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installations, "UNSIGNED_KEPT", 3)
    monkeypatch.setattr(installations, "KEPT", 2)
    assert "GitHub has told nothing yet" in page(client, app)
    pod = make_pod(team, bob, {"web": {}})
    send(app, push_payload(B))
    for _ in range(5):
        assert send(app, push_payload("c" * 40, branch="planted"), key="wrong").status_code == 401
    bare, headers = signed(push_payload("c" * 40), "wrong")
    del headers["X-Hub-Signature-256"]
    kind = headers.pop("Content-Type")
    Client().post(f"/hooks/app/{app.pk}", bare, content_type=kind, headers=headers)
    rows = AppReceipt.objects.filter(connection=app)
    assert [row.outcome for row in rows] == ["unsigned", "unsigned", "unsigned", "deploying"]
    assert [row.verdict for row in rows[:2]] == [installations.BARE, installations.REFUSED]
    assert not rows.filter(about__contains="planted").exists(), "nothing of what it says is believed"
    for shown in (page(client, app), page(client, app, "git-access-deliveries")):
        assert installations.BARE in shown
        assert installations.REFUSED in shown
        assert f"Deploying web at {B[:7]}." in shown
        assert f"for {pod.name}" in shown
    for _ in range(3):
        send(app, push_payload(B))
    assert rows.exclude(outcome="unsigned").count() == 2
    assert rows.filter(outcome="unsigned").count() == 3


def test_the_inbox_is_for_admins(app: Connection, bob: User, client_of: Any) -> None:
    at = reverse("git-access-deliveries", kwargs={"team": app.team.slug, "connection": app.pk})
    assert client_of(bob).get(at).status_code == 403


def test_another_secret(app: Connection, github: ApiHost, client: Client) -> None:
    github.on("PATCH", r"/app/hook/config", (200, {"content_type": "json"}))
    assert "GitHub signs with a new secret" in press(client, app)
    asked = [one for one in github.asked if one.path == "/app/hook/config"]
    new = asked[0].body["secret"]
    assert (len(asked), list(asked[0].body), asked[0].authorization[:10]) == (1, ["secret"], "Bearer eyJ")
    assert new not in (SECRET, page(client, app))
    assert len(new) >= 32
    for key in (new, SECRET):
        assert send(app, push_payload(B), key).status_code == 200
    assert send(app, push_payload(B), "another").status_code == 401
    Connection.objects.filter(pk=app.pk).update(hook_old_until=timezone.now() - datetime.timedelta(seconds=1))
    assert send(app, push_payload(B)).status_code == 401
    assert send(app, push_payload(B), new).status_code == 200

    press(client, app)
    newest = github.asked[-1].body["secret"]
    assert "Only the new secret counts now." in press(client, app, "delete")
    assert [send(app, push_payload(B), key).status_code for key in (SECRET, new, newest)] == [401, 401, 200]


def test_github_cannot_be_told(app: Connection, github: ApiHost, client: Client) -> None:
    """Both count for as long as it takes, and GitHub is told the same one, not another: the old one stays."""
    github.on("PATCH", r"/app/hook/config", (500, {}))
    for _ in range(2):
        assert "does not take the new secret now" in press(client, app)
    assert app.hook_untold
    assert "GitHub has not taken the new secret yet" in page(client, app)
    tried = {one.body["secret"] for one in github.asked if one.path == "/app/hook/config"}
    assert len(tried) == 1
    for key in (SECRET, *tried):
        assert send(app, push_payload(B), key).status_code == 200
    assert "End the old secret" not in page(client, app)
    assert "still signs with the old secret" in press(client, app, "delete")
    assert send(app, push_payload(B)).status_code == 200
    github.on("PATCH", r"/app/hook/config", (404, {"message": "Not Found"}))
    assert "has no webhook" in press(client, app)
    github.on("PATCH", r"/app/hook/config", (200, {}))
    press(client, app)
    assert not app.hook_untold
    assert github.asked[-1].body["secret"] in tried


def test_a_new_key_of_the_app_keeps_both(app: Connection, github: ApiHost, client: Client, alice: User) -> None:
    github.on("PATCH", r"/app/hook/config", (200, {}))
    press(client, app)
    before = secrets.more_of(app)
    actions.rotate(connection=app, secret=secrets.read(app), by=alice)
    app.refresh_from_db()
    assert secrets.more_of(app) == before
    assert send(app, push_payload(B)).status_code == 200


def test_an_app_without_a_webhook(app: Connection, client: Client, team: Team, alice: User) -> None:
    path, version = secrets.keep(team.pk, app.pk, secrets.read(app), {})
    Connection.objects.filter(pk=app.pk).update(path=path, version=version)
    at = reverse("git-access-hook", kwargs={"team": team.slug, "connection": app.pk})
    assert client.post(at).status_code == 404
    assert send(app, push_payload(A)).status_code == 401
