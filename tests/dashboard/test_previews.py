"""The page of a pod's previews: what it says of each, what can be done there, and the form of the settings."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.pods.models import Pod
from apps.previews.models import Preview, PreviewSettings

pytestmark = pytest.mark.django_db
GOOD = {"enabled": "on", "limit": "3", "days": "5", "sleep": "30", "databases": "none", "bases": "main, release/*"}


@pytest.fixture
def pod(team: Team, alice: User) -> Pod:
    pod = Pod.objects.create(team=team, name="shop", created_by=alice)
    pod.live = pod.head = pod.revisions.create(version=1, sealed_at=timezone.now(), summary="first")
    pod.save()
    return pod


def add(parent: Pod, number: int, **fields: object) -> Preview:
    given = {
        "state": "waiting",
        "title": "Fix <b>the door</b>",
        "head_sha": "b" * 40,
        "url": f"https://x.test/{number}",
    }
    given |= {"parent": parent, "name": f"shop-pr-{number}", "repository": "github.com/octo/shop", "number": number}
    given |= {"branch": "door", "base": "main", "ref": "refs/pull/1/head", "active_at": timezone.now()}
    return Preview.objects.create(**given | fields)


def test_empty_then_switched_on(client: Client, pod: Pod, alice: User) -> None:
    client.force_login(alice)
    assert "Previews are off" in client.get("/pods/shop/previews/").text
    answer = client.post("/pods/shop/previews/settings/", GOOD | {"variables": "MODE=preview\nA=b=c"}, follow=True)
    assert "No pull request is open" in answer.text
    held = PreviewSettings.objects.get()
    assert (held.enabled, held.limit, held.days, held.sleep, held.databases) == (True, 3, 5, 30, "none")
    assert (held.bases, held.variables) == (["main", "release/*"], {"MODE": "preview", "A": "b=c"})
    for wrong, words in (
        ({"variables": "LD_PRELOAD=x"}, "LD_PRELOAD"),
        ({"variables": "nothing"}, "Line 1 has no equals sign"),
        ({"limit": "0"}, "greater than or equal to 1"),
        ({"databases": "other"}, "Select a valid choice"),
    ):
        answer = client.post("/pods/shop/previews/settings/", GOOD | wrong)
        assert (answer.status_code, words in answer.text) == (422, True), words


def test_what_it_says_of_each(client: Client, pod: Pod, alice: User) -> None:
    PreviewSettings.objects.create(pod=pod, enabled=True)
    add(pod, 1, is_fork=True, why="approval")
    add(pod, 2, why="limit")
    add(pod, 3, state="open", error="There is no room.")
    child = Pod.objects.create(team=pod.team, name="shop-pr-4", parent=pod, lineage="preview")
    add(pod, 4, state="open", pod=child, deployed_sha="c" * 40)
    add(pod, 5, state="closed", ended="The pull request was merged.", is_pull_open=False, closed_at=timezone.now())
    client.force_login(alice)
    text = client.get("/pods/shop/previews/").text
    for words in (
        "Comes from a fork: bbbbbbb waits for approval.", "Approve bbbbbbb", "Waits: the limit of 10 is reached.",
        "There is no room.", 'href="/pods/shop-pr-4/"', "ccccccc", "The pull request was merged.", "https://x.test/1",
        "Fix &lt;b&gt;the door",
    ):  # fmt: skip
        assert words in text, words
    assert "Open again" not in text, "its pull request is closed"
    fragment = client.get("/pods/shop/previews/", headers={"HX-Request": "true"}).text
    assert fragment.strip().startswith('<div id="previews"')
    assert "<form" in fragment


def test_approving_what_the_page_showed(client: Client, pod: Pod, alice: User, bob: User) -> None:
    PreviewSettings.objects.create(pod=pod, enabled=True)
    row = add(pod, 1, is_fork=True, why="approval")
    pod.team.memberships.filter(user=bob).update(role="viewer")
    client.force_login(bob)
    page = f"/pods/shop/previews/{row.pk}/approval/"
    assert client.post(page, {"sha": "b" * 40}).status_code == 403
    assert "Approve" not in client.get("/pods/shop/previews/").text
    client.force_login(alice)
    assert client.post(page, {"sha": "a" * 40}).status_code == 409
    assert client.post(page, {"sha": "b" * 40}).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.why, row.approved_by) == ("open", "", alice)
    assert client.post(f"/pods/shop/previews/{row.pk}/closing/").status_code == 302
    assert 'aria-label="Open again: shop-pr-1"' in client.get("/pods/shop/previews/").text
