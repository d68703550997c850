"""GitLab, Gitea, Forgejo and Bitbucket: their signatures and payloads, and that a push of each deploys."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from apps.core.errors import UserError
from apps.hooks import providers
from apps.hooks.models import Receipt
from apps.hooks.providers.base import Other, Ping, Push
from tests.hooks.conftest import Hook, verdict

PAYLOADS = Path(__file__).parent / "payloads"
KEY = "k3y-of-the-test"
A, B = "a" * 40, "b" * 40
ZEROS = "0" * 40


def digest(body: bytes, key: str) -> str:
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Host:
    """`signs`: the header with the signature, made of a body and a key. `push`: the event and the file of a push."""

    name: str
    header: str
    signature: str
    sign: Callable[[bytes, str], str]
    event: str
    payload: str
    repository: str
    delivery: str
    more: dict[str, str] = field(default_factory=dict)

    def headers(self, body: bytes, key: str, event: str = "") -> dict[str, str]:
        found = {self.header: event or self.event, self.delivery: "d-1", "Content-Type": "application/json"}
        return found | {self.signature: self.sign(body, key)} | self.more

    def body(self, name: str = "") -> bytes:
        return (PAYLOADS / f"{name or self.payload}.json").read_bytes()


GITLAB = Host(
    "GitLab", "X-Gitlab-Event", "X-Gitlab-Token", lambda _, key: key, "Push Hook", "gitlab-push",
    "https://gitlab.com/octo/shop", "X-Gitlab-Event-UUID",
)  # fmt: skip
GITEA = Host(
    "Gitea", "X-Gitea-Event", "X-Gitea-Signature", digest, "push", "gitea-push", "https://git.example.com/octo/shop",
    "X-Gitea-Delivery", {"X-GitHub-Event": "push", "X-Gogs-Event": "push"},
)  # fmt: skip
FORGEJO = Host(
    "Gitea", "X-Forgejo-Event", "X-Hub-Signature-256", lambda body, key: f"sha256={digest(body, key)}", "push",
    "gitea-push", "https://git.example.com/octo/shop", "X-Forgejo-Delivery", {"X-GitHub-Event": "push"},
)  # fmt: skip
BITBUCKET = Host(
    "Bitbucket", "X-Event-Key", "X-Hub-Signature", lambda body, key: f"sha256={digest(body, key)}", "repo:push",
    "bitbucket-push", "https://bitbucket.org/octo/shop", "X-Request-UUID",
)  # fmt: skip
SERVER = Host(
    "Bitbucket", "X-Event-Key", "X-Hub-Signature", lambda body, key: f"sha256={digest(body, key)}",
    "repo:refs_changed", "bitbucket-server-push", "https://git.example.com/scm/octo/shop", "X-Request-Id",
)  # fmt: skip
HOSTS = {"gitlab": GITLAB, "gitea": GITEA, "forgejo": FORGEJO, "bitbucket": BITBUCKET, "bitbucket server": SERVER}
every_host = pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)


def read(host: Host, body: bytes | None = None, event: str = "") -> Any:
    body = host.body() if body is None else body
    headers = host.headers(body, KEY, event)
    found = providers.find(headers)
    assert found
    return found.read(headers, body)


@every_host
def test_a_host_is_known_and_its_signature_checked(host: Host) -> None:
    body = host.body()
    headers = host.headers(body, KEY)
    found = providers.find(headers)
    assert found
    assert (found.name, found.delivery(headers)) == (host.name, "d-1")
    assert found.signed(headers, body, [KEY, "old"])
    assert found.signed(headers, body, ["new", KEY])
    assert not found.signed(headers, body, ["another"])
    assert not found.signed(headers, body, [])
    assert not found.signed(host.headers(body, ""), body, ["", KEY])
    right = headers.pop(host.signature)
    assert not found.signed(headers, body, [KEY])
    for wrong in ("", right[:-1], right + "0", "é" * 64, "\ud800", f" {right}", right.upper()):
        assert not found.signed(headers | {host.signature: wrong}, body, [KEY]), wrong
    if host is not GITLAB:  # it signs nothing of the body
        assert not found.signed(headers | {host.signature: right}, body + b" ", [KEY])


@every_host
def test_a_push_is_read(host: Host) -> None:
    push = read(host)[0]
    assert isinstance(push, Push)
    assert (push.branch, push.tag, push.head, push.before, push.deleted) == ("main", "", B, A, False)
    assert any(host.repository in url for url in push.repository_urls)
    assert (push.paths, push.pushed_at) == (None, None), "none of them says so that it can be relied on"
    assert push.message.startswith("Fix the door") is (host is not SERVER)
    assert push.default_branch == ("" if host.name == "Bitbucket" else "main")


def test_tags_and_what_is_gone() -> None:
    assert read(GITLAB, GITLAB.body("gitlab-tag"), "Tag Push Hook")[0].tag == "v1.0.0"
    gone = read(GITLAB, GITLAB.body("gitlab-delete"))[0]
    assert (gone.branch, gone.head, gone.deleted) == ("main", "", True)
    assert read(GITEA, GITEA.body("gitea-tag"))[0].tag == "v1"
    gone = read(GITEA, GITEA.body("gitea-delete"), "delete")[0]
    assert (gone.branch, gone.head, gone.deleted) == ("main", "", True)


def test_a_push_of_several_branches_is_several() -> None:
    main, tag, gone = read(BITBUCKET)
    assert (main.branch, tag.tag, gone.branch) == ("main", "v1", "old")
    assert (main.deleted, tag.deleted, gone.deleted) == (False, False, True)
    assert (gone.head, gone.before) == ("", A)


def test_what_is_no_push() -> None:
    assert read(SERVER, b'{"test": true}', "diagnostics:ping") == [Ping()]
    for host, event in ((GITLAB, "Note Hook"), (GITEA, "issues"), (BITBUCKET, "pullrequest:approved")):
        assert isinstance(read(host, b"{}", event)[0], Other)


@every_host
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"ref": 1}', b"\xff", b'{"push": {"changes": [1]}}'])
def test_a_payload_that_is_off_is_refused(host: Host, body: bytes) -> None:
    with pytest.raises(UserError) as caught:
        read(host, body)
    assert (caught.value.code, caught.value.status) == ("webhook_malformed", 400)


@every_host
def test_ids_that_are_no_commits_are_refused(host: Host) -> None:
    with pytest.raises(UserError, match="no commit id"):
        read(host, host.body().replace(B.encode(), b"--upload-pack=x"))


def send(hook: Hook, host: Host, body: bytes | None = None, *, key: str | None = None) -> HttpResponse:
    body = host.body() if body is None else body
    headers = host.headers(body, hook.key if key is None else key)
    return Client().post(hook.path, body, content_type=headers.pop("Content-Type"), headers=headers)  # type: ignore[return-value]


@pytest.mark.django_db
@every_host
def test_a_push_deploys(make_hook: Callable[..., Hook], host: Host) -> None:
    hook = make_hook(web={"repo": host.repository})
    assert send(hook, host, key="wrong").status_code == 401
    answer = send(hook, host)
    assert answer.status_code == 202, verdict(answer)
    assert verdict(answer).startswith("Deploying web at bbbbbbb.")
    assert hook.commits() == [{"web": B}]
    assert send(hook, host).status_code == 200, "the same again is nothing new"
    assert len(hook.commits()) == 1
    receipt = Receipt.objects.filter(pod=hook.pod, outcome="deploying").get()
    assert (receipt.provider, receipt.delivery, receipt.head) == (host.name, "d-1", B)


@pytest.mark.django_db
def test_each_branch_of_a_push_is_judged(make_hook: Callable[..., Hook]) -> None:
    hook = make_hook(web={"repo": BITBUCKET.repository}, api={"repo": BITBUCKET.repository, "branch": "dev"})
    payload = json.loads(BITBUCKET.body())
    change = payload["push"]["changes"][0]
    dev = {**change, "old": None, "new": {**change["new"], "name": "dev", "target": {"hash": "c" * 40}}}
    payload["push"]["changes"].append(dev)
    answer = send(hook, BITBUCKET, json.dumps(payload).encode())
    assert answer.status_code == 202
    assert "Deploying web at bbbbbbb." in verdict(answer)
    assert "Deploying api at ccccccc." in verdict(answer)
    assert "v1 is a tag" in verdict(answer)
    assert hook.commits()[-1] == {"web": B, "api": "c" * 40}
    assert Receipt.objects.filter(pod=hook.pod).count() == 4


@pytest.mark.django_db
def test_a_default_branch_nobody_names(make_hook: Callable[..., Hook]) -> None:
    hook = make_hook(web={"repo": BITBUCKET.repository, "branch": ""})
    answer = send(hook, BITBUCKET)
    assert answer.status_code == 200
    assert "Which branch is the default one was not said: name it in the app's source." in verdict(answer)
    assert hook.commits() == []
