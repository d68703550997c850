"""Pull requests as GitHub, GitLab, Gitea and Bitbucket tell of them, and the verdicts in the inbox."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from apps.core.errors import UserError
from apps.hooks import events, receive
from apps.hooks.models import Receipt
from apps.hooks.providers.base import Other
from apps.previews.models import Preview, PreviewSettings
from apps.previews.pull_requests import PullRequest
from tests.hooks.conftest import A, B, C, Hook, verdict
from tests.hooks.test_hosts import BITBUCKET, FORGEJO, GITEA, GITLAB, SERVER, Host, read
from tests.stack.github import pull_payload, signature

GITHUB = Host(
    "GitHub", "X-GitHub-Event", "X-Hub-Signature-256", lambda body, key: signature(body, key), "pull_request",
    "github-pull-request", "https://github.com/octo/shop", "X-GitHub-Delivery",
)  # fmt: skip
PULLS = {
    "github": GITHUB,
    "gitlab": dataclasses.replace(GITLAB, event="Merge Request Hook", payload="gitlab-merge-request"),
    "gitea": dataclasses.replace(GITEA, event="pull_request", payload="gitea-pull-request"),
    "forgejo": dataclasses.replace(FORGEJO, event="pull_request", payload="gitea-pull-request"),
    "bitbucket": dataclasses.replace(BITBUCKET, event="pullrequest:created", payload="bitbucket-pull-request"),
    "bitbucket server": dataclasses.replace(SERVER, event="pr:opened", payload="bitbucket-server-pull-request"),
}
REFS = {"GitHub": "refs/pull/12/head", "Gitea": "refs/pull/12/head", "GitLab": "refs/merge-requests/12/head"}
AT = 1795341600  # 2026-11-22 10:00 UTC
every_host = pytest.mark.parametrize("host", PULLS.values(), ids=PULLS)


def is_server(host: Host) -> bool:
    """Bitbucket Data Center, which tells otherwise than Bitbucket Cloud."""
    return host.payload.startswith("bitbucket-server")


def changed(host: Host, change: Callable[[Any], None]) -> bytes:
    payload = json.loads(host.body())
    change(payload)
    return json.dumps(payload).encode()


def end(host: Host) -> tuple[str, bytes]:
    """The event and the payload of the same pull request merged."""

    def merged(payload: Any) -> None:
        if host.name == "GitLab":
            payload["object_attributes"] |= {"state": "merged", "action": "merge"}
        elif is_server(host):
            payload["pullRequest"] |= {"state": "MERGED", "open": False, "closed": True}
        elif host.name == "Bitbucket":
            payload["pullrequest"]["state"] = "MERGED"
        else:
            payload["action"] = "closed"
            payload["pull_request"] |= {"state": "closed", "merged": True}

    if is_server(host):
        return "pr:merged", changed(host, merged)
    return "pullrequest:fulfilled" if host.name == "Bitbucket" else host.event, changed(host, merged)


def fork(host: Host) -> bytes:
    def foreign(payload: Any) -> None:
        if host.name == "GitLab":
            payload["object_attributes"]["source_project_id"] = 2
        elif is_server(host):
            links = {"clone": [{"name": "http", "href": "https://git.example.com/scm/~mona/shop.git"}]}
            payload["pullRequest"]["fromRef"]["repository"] |= {"id": 900, "links": links}
        elif host.name == "Bitbucket":
            payload["pullrequest"]["source"]["repository"]["full_name"] = "mona/shop"
        else:
            payload["pull_request"]["head"]["repo"]["id"] = 2

    return changed(host, foreign)


@every_host
def test_a_pull_request_is_read(host: Host) -> None:
    (pull,) = read(host)
    assert isinstance(pull, PullRequest)
    assert (pull.number, pull.is_open, pull.is_fork, pull.merged) == (12, True, False, False)
    assert pull.head == (B[:12] if host is PULLS["bitbucket"] else B)
    assert (pull.title, pull.author, pull.branch, pull.base) == ("Fix the door", "mona", "door", "main")
    assert pull.ref == REFS.get(host.name, "door")
    assert (pull.said_at, pull.source_url) == (AT, "")
    assert pull.url.startswith("https://")
    assert any(host.repository in url for url in pull.repository_urls)
    kept = events.kept(pull)
    assert kept
    assert events.read(json.loads(json.dumps(kept))) == pull


@every_host
def test_merged_and_foreign_ones(host: Host) -> None:
    event, body = end(host)
    (pull,) = read(host, body, event)
    assert (pull.is_open, pull.merged, pull.number) == (False, True, 12)
    (pull,) = read(host, fork(host))
    assert pull.is_fork
    sources = {"bitbucket": "https://bitbucket.org/mona/shop", "server": "https://git.example.com/scm/~mona/shop.git"}
    assert pull.source_url == sources.get("server" if is_server(host) else host.name.lower(), "")


def test_what_else_data_center_tells() -> None:
    host = PULLS["bitbucket server"]
    moved = changed(host, lambda p: p.update(previousFromHash=A, date="2026-11-22T11:05:00+0100"))
    (pull,) = read(host, moved, "pr:from_ref_updated")
    assert (pull.is_open, pull.before, pull.said_at) == (True, A, AT + 300)
    (pull,) = read(host, changed(host, lambda p: p["pullRequest"].update(title="Oil")), "pr:modified")
    assert (pull.is_open, pull.title) == (True, "Oil")
    (pull,) = read(host, changed(host, lambda p: p["pullRequest"].update(state="DECLINED")), "pr:declined")
    assert (pull.is_open, pull.merged) == (False, False)
    (pull,) = read(host, event="pr:deleted")
    assert (pull.is_open, pull.merged) == (False, False), "it is told of as it was last, open"
    assert isinstance(read(host, event="pr:reviewer:approved")[0], Other)


def test_a_fork_that_is_gone_is_one_still() -> None:
    def gone(payload: Any) -> None:
        payload["pull_request"]["head"]["repo"] = None

    assert read(GITHUB, changed(GITHUB, gone))[0].is_fork


def test_what_tells_of_labels_and_reviews_is_left() -> None:
    assert isinstance(read(GITHUB, changed(GITHUB, lambda p: p.update(action="labeled")))[0], Other)
    gitlab = PULLS["gitlab"]
    approved = changed(gitlab, lambda p: p["object_attributes"].update(action="approved"))
    assert isinstance(read(gitlab, approved)[0], Other)


@every_host
@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"number": "1"}', b'{"pullrequest": {}}'])
def test_a_payload_that_is_off_is_refused(host: Host, body: bytes) -> None:
    with pytest.raises(UserError) as caught:
        read(host, body)
    assert (caught.value.code, caught.value.status) == ("webhook_malformed", 400)


@every_host
def test_ids_that_are_no_commits_are_refused(host: Host) -> None:
    with pytest.raises(UserError, match="no commit id"):
        read(host, host.body().replace(B.encode(), b"--upload-pack=x").replace(B[:12].encode(), b"--upload-pack=x"))


def send(hook: Hook, host: Host, body: bytes, event: str = "", key: str | None = None) -> HttpResponse:
    headers = host.headers(body, hook.key if key is None else key, event)
    return Client().post(hook.path, body, content_type=headers.pop("Content-Type"), headers=headers)  # type: ignore[return-value]


@pytest.mark.django_db
@every_host
def test_each_host_opens_and_closes(make_hook: Callable[..., Hook], host: Host) -> None:
    hook = make_hook(web={"repo": host.repository})
    PreviewSettings.objects.create(pod=hook.pod, enabled=True)
    assert send(hook, host, host.body(), key="wrong").status_code == 401
    assert not Preview.objects.exists()
    answer = send(hook, host, host.body())
    name = f"{hook.pod.name}-pr-12"
    assert (answer.status_code, verdict(answer)) == (202, f"Opening preview {name} at bbbbbbb.")
    row = Preview.objects.get()
    assert (row.name, row.state, row.number, row.apps, row.ref) == (
        name,
        "open",
        12,
        ["web"],
        REFS.get(host.name, "door"),
    )
    assert send(hook, host, host.body()).status_code == 200, "the same again is nothing new"
    event, body = end(host)
    answer = send(hook, host, body, event)
    assert (answer.status_code, verdict(answer)) == (202, f"Closing preview {name}: the pull request was merged.")
    assert send(hook, host, host.body()).status_code == 200, "what came before does not bring it back"
    assert [row.state for row in Preview.objects.all()] == ["closed"]
    receipt = Receipt.objects.filter(pod=hook.pod, outcome="deploying").last()
    assert receipt
    assert (receipt.provider, receipt.about) == (host.name, "pull request 12")


@pytest.mark.django_db
def test_what_the_inbox_says(hook: Hook) -> None:
    def told(head: str = B, **fields: Any) -> str:
        return verdict(hook.send(pull_payload(head, **fields), event="pull_request"))

    pod = hook.pod
    assert told() == f"Previews are off for {pod.name}."
    settings = PreviewSettings.objects.create(pod=pod, enabled=True, limit=1, bases=["main", "release/*"])
    assert "for main, release/*; this one is for dev" in told(base="dev")
    assert "is built from github.com/octo/other" in told(url="https://github.com/octo/other.git")
    assert told(action="closed") == "Nothing to do: pull request 12 was closed, and there is no preview of it."
    assert told().startswith(f"Opening preview {pod.name}-pr-12")
    assert told().startswith("Nothing new")
    assert told(C, at="2026-11-22T10:00:05Z", action="synchronize") == f"Updating preview {pod.name}-pr-12 at ccccccc."
    assert "newer news of pull request 12" in told(B)
    assert told(number=13) == f"{pod.name}-pr-13 waits: the limit of 1 is reached. It opens when another one closes."
    assert Receipt.objects.filter(pod=pod).first().outcome == "refused"  # type: ignore[union-attr]
    fork = told(number=14, fork=True)
    assert fork == "Pull request 14 comes from a fork: bbbbbbb waits for approval."
    assert "labeled" in told(action="labeled")
    assert "was closed" in told(C, action="closed", at="2026-11-22T10:01:00Z")
    assert Preview.objects.get(number=13).state == "open", "the place that became free"
    settings.bases = []
    settings.save()
    assert told(base="dev", number=15).endswith("closes.")


@pytest.mark.django_db
def test_one_that_was_retargeted_is_closed(hook: Hook) -> None:
    PreviewSettings.objects.create(pod=hook.pod, enabled=True, bases=["main"])
    hook.send(pull_payload(B), event="pull_request")
    answer = hook.send(pull_payload(B, base="dev", action="edited", at="2026-11-22T11:00:00Z"), event="pull_request")
    assert verdict(answer).startswith(f"Closing preview {hook.pod.name}-pr-12: Previews are made of")
    assert Preview.objects.get().state == "closed"


@pytest.mark.django_db
def test_reopened_and_delivered_again(hook: Hook, alice: Any) -> None:
    PreviewSettings.objects.create(pod=hook.pod, enabled=True)
    hook.send(pull_payload(B), event="pull_request")
    hook.send(pull_payload(B, action="closed", at="2026-11-22T10:05:00Z"), event="pull_request")
    old = Receipt.objects.filter(pod=hook.pod, outcome="deploying").earliest("id")
    assert "newer news" in receive.redeliver(receipt=old, by=alice).words, "an old delivery brings nothing back"
    answer = hook.send(pull_payload(B, action="reopened", at="2026-11-22T10:06:00Z"), event="pull_request")
    assert verdict(answer).startswith("Opening preview")
    row = Preview.objects.get()
    assert (row.state, row.head_sha, row.deployed_sha) == ("open", B, "")
    again = Receipt.objects.filter(pod=hook.pod).latest("id")
    assert "Nothing new" in receive.redeliver(receipt=again, by=alice).words
    Preview.objects.update(error="no room")
    assert "Updating preview" in receive.redeliver(receipt=again, by=alice).words, "what was refused is tried again"
    assert Preview.objects.get().error == ""


@pytest.mark.django_db
def test_within_one_second_the_replaced_commit_tells(hook: Hook) -> None:
    PreviewSettings.objects.create(pod=hook.pod, enabled=True)
    hook.send(pull_payload(A), event="pull_request")
    hook.send(pull_payload(B, action="synchronize", before=A), event="pull_request")
    assert "newer news" in verdict(hook.send(pull_payload(A), event="pull_request"))
    back = hook.send(pull_payload(A, action="synchronize", before=B), event="pull_request")
    assert verdict(back).startswith("Updating"), "a forced push may go back"
    assert Preview.objects.get().head_sha == A
