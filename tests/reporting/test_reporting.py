"""What git hosts are told of deployments and previews, in each host's own words; and how it is tried again."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.connections.models import Connection
from apps.connections.remote.comments import pull_request_comment
from apps.core.announce import announce
from apps.core.errors import UserError
from apps.deployments import actions as deployments
from apps.deployments import announcing
from apps.deployments.models import Deployment, Trigger
from apps.pods import actions as pods
from apps.pods.models import Pod
from apps.reporting.models import Kind, Report
from apps.reporting.sending import send_due
from tests.connections.api_host import ApiHost, Asked
from tests.connections.conftest import TOKEN, Connect
from tests.hooks.conftest import A, make_pod
from tests.sources.conftest import Served

HOSTS = ["github", "gitlab", "gitea", "bitbucket"]
Host = Callable[[str], ApiHost]


@pytest.fixture
def host(served: Served) -> Host:
    def make(provider: str) -> ApiHost:
        there = ApiHost(served, provider, f"Bearer {TOKEN}")
        there.on("POST", r".*/status.*", (201, {}))
        return there

    return make


@pytest.fixture
def pod(team: Team, bob: User, served: Served) -> Pod:
    """With a deployment that has to build one app, at commit A."""
    made = make_pod(team, bob, {"web": {"repo": f"{served.url}/acme/shop.git", "commit": A}}, live=False)
    deployments.start(pod=made, revision=pods.seal(pod=made, summary="first", by=bob), trigger=Trigger.MANUAL, by=bob)
    return made


def tell(pod: Pod, state: str = "ready") -> Deployment:
    """The announcement of the pod's deployment, begun (empty) or ended as `state`."""
    row = Deployment.objects.select_related("pod", "revision").get(pod=pod)
    if not state:
        announcing.deployment_began(row)
        return row
    row.state, row.error = state, "It did not become healthy." if state == "failed" else ""
    announcing.deployment_ended(row)
    return row


def posted(there: ApiHost) -> list[Asked]:
    return [one for one in there.asked if one.method != "GET"]


@pytest.mark.parametrize(
    ("provider", "path", "pending", "success"),
    [
        ("github", f"/repos/acme/shop/statuses/{A}", "pending", "success"),
        ("gitea", f"/repos/acme/shop/statuses/{A}", "pending", "success"),
        ("gitlab", f"/projects/acme%2Fshop/statuses/{A}", "running", "success"),
        ("bitbucket", f"/repositories/acme/shop/commit/{A}/statuses/build", "INPROGRESS", "SUCCESSFUL"),
    ],
)
def test_a_deployment_is_a_status_of_its_commit(
    provider: str, path: str, pending: str, success: str, host: Host, connect: Connect, pod: Pod
) -> None:
    there = host(provider)
    connect(provider=provider)
    row = tell(pod, "")
    send_due()
    tell(pod, "ready")
    send_due()
    send_due()
    first, second = posted(there)
    assert (first.path, first.body["state"], second.body["state"]) == (path, pending, success)
    context = f"brainpod/{pod.name}/web"
    assert context in (second.body.get("context"), second.body.get("name"))
    page = f"/pods/{pod.name}/deployments/{row.pk}/"
    assert (second.body.get("target_url") or second.body.get("url")).endswith(page)
    assert Report.objects.get().sent_at


@pytest.mark.parametrize(("ended", "told"), [("failed", "failure"), ("cancelled", "error")])
def test_how_it_ended(ended: str, told: str, host: Host, connect: Connect, pod: Pod) -> None:
    there = host("github")
    connect(provider="github")
    tell(pod, ended)
    send_due()
    assert posted(there)[0].body["state"] == told
    assert len(posted(there)[0].body["description"]) <= 140


def test_nothing_is_kept_where_nobody_can_report(pod: Pod, connect: Connect) -> None:
    tell(pod)
    connect(provider="other")
    tell(pod)
    connect(provider="github", scope="other")
    tell(pod)
    assert not Report.objects.exists()


def test_a_host_that_is_away_is_tried_again_and_holds_up_no_deployment(host: Host, connect: Connect, pod: Pod) -> None:
    there = host("github")
    connect(provider="github")
    there.on("POST", r".*/statuses/.*", (503, {}))
    tell(pod)
    assert not there.asked, "the deployment does not wait for it"
    send_due()
    row = Report.objects.get()
    assert row.next_at
    assert datetime.timedelta(seconds=30) < row.next_at - timezone.now() < datetime.timedelta(seconds=70)
    send_due()
    assert len(there.asked) == 1, "not before its time"
    there.on("POST", r".*/statuses/.*", (201, {}))
    Report.objects.update(next_at=timezone.now())
    send_due()
    row.refresh_from_db()
    assert (row.next_at, row.failed) == (None, "")


def test_what_the_token_may_not_is_said_once(
    host: Host, connect: Connect, pod: Pod, alice: User, client_of: Callable[..., Client]
) -> None:
    there = host("github")
    made = connect(provider="github")
    there.on("POST", r".*/statuses/.*", (403, {"message": "Resource not accessible by personal access token"}))
    tell(pod)
    send_due()
    row = Report.objects.get()
    assert row.next_at is None
    assert "repo:status" in row.failed
    assert "Resource not accessible" in row.failed
    assert TOKEN not in row.failed
    at = reverse("git-access-connection", kwargs={"team": made.team.slug, "connection": made.pk})
    assert "repo:status" in client_of(alice).get(at).content.decode()


def test_what_changes_while_it_is_sent_is_sent_again(host: Host, connect: Connect, pod: Pod) -> None:
    there = host("github")
    connect(provider="github")
    tell(pod, "")

    def slow(asked: Asked, match: Any) -> tuple[int, Any]:
        there.on("POST", r".*/statuses/.*", (201, {}))
        return 201, {}

    there.on("POST", r".*/statuses/.*", slow)
    stale = Report.objects.get()
    tell(pod, "ready")
    Report.objects.filter(pk=stale.pk, serial=stale.serial).update(
        next_at=None
    )  # what a sender of the first would note
    send_due()
    assert posted(there)[-1].body["state"] == "success"


def test_gitlab_calls_a_repetition_a_mistake(host: Host, connect: Connect, pod: Pod) -> None:
    there = host("gitlab")
    connect()
    there.on("POST", r".*/statuses/.*", (400, {"message": "Cannot transition status via :run from :running"}))
    tell(pod, "")
    send_due()
    assert Report.objects.get().failed == ""


class Comments:
    """The comments of pull request 7 of acme/shop."""

    def __init__(self, there: ApiHost) -> None:
        self.rows: dict[int, str] = {number: f"talk {number}" for number in range(1, 131)}
        self.kind = there.provider
        many, one = {
            "github": (r"/repos/acme/shop/issues/7/comments", r"/repos/acme/shop/issues/comments/(\d+)"),
            "gitea": (r"/repos/acme/shop/issues/7/comments", r"/repos/acme/shop/issues/comments/(\d+)"),
            "gitlab": (r"/projects/acme%2Fshop/merge_requests/7/notes",) * 2,
            "bitbucket": (r"/repositories/acme/shop/pullrequests/7/comments",) * 2,
        }[there.provider]
        one = one if one != many else one + r"/(\d+)"
        there.on("GET", many, self.listed)
        there.on("POST", many, lambda asked, match: self.put(131, asked))
        verb = "PATCH" if there.provider in ("github", "gitea") else "PUT"
        there.on(verb, one, lambda asked, match: self.put(int(match[1]), asked))

    def listed(self, asked: Asked, match: Any) -> tuple[int, Any]:
        first = (int(asked.query["page"]) - 1) * 100
        rows: list[Any] = [{"id": number, "body": text} for number, text in self.rows.items()]
        if self.kind == "bitbucket":
            rows = [{"id": row["id"], "content": {"raw": row["body"]}} for row in rows]
            return 200, {"values": rows[first : first + 100]}
        return 200, rows[first : first + 100]

    def put(self, number: int, asked: Asked) -> tuple[int, Any]:
        self.rows[number] = asked.body["content"]["raw"] if self.kind == "bitbucket" else asked.body["body"]
        return 201 if number not in self.rows else 200, {"id": number}


@pytest.mark.parametrize("provider", HOSTS)
def test_one_comment_is_made_and_then_changed(provider: str, host: Host, connect: Connect) -> None:
    there = host(provider)
    comments, made = Comments(there), connect(provider=provider)
    for words in ("It is being made.", "It is live."):
        pull_request_comment(made, "acme/shop", 7, words)
    assert len(comments.rows) == 131
    assert comments.rows[131].endswith("\n\nIt is live.")
    assert comments.rows[131].startswith("[//]: # (brainpod preview)")


def test_a_preview_is_a_comment_that_its_deployment_changes(
    host: Host, connect: Connect, team: Team, bob: User, pod: Pod, served: Served
) -> None:
    there = host("github")
    comments, _ = Comments(there), connect(provider="github")
    repository = f"{served.url.removeprefix('https://')}/acme/shop"
    data = {"repository": repository, "number": 7, "head": A, "preview": pod.name}
    announce("preview.opened", pod_id=pod.pk, words="Preview is being made.", page=("pod", pod.name), **data)
    send_due()
    assert "Preview is being made." in comments.rows[131]
    pod.hosts.create(host=f"{pod.name}.example.com", route="site")
    tell(pod)
    send_due()
    assert "is live" in comments.rows[131]
    assert f"https://{pod.name}.example.com" in comments.rows[131]
    assert Report.objects.filter(kind=Kind.COMMENT).count() == 1


def test_a_refusal_names_what_is_missing(host: Host, connect: Connect) -> None:
    host("gitlab")
    made: Connection = connect()
    with pytest.raises(UserError) as caught:
        pull_request_comment(made, "acme/shop", 7, "x")
    assert caught.value.code == "host_refused"
    assert "the scope api" in str(caught.value)
