"""Deliveries by HTTP: every answer, and what each did."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Team, User
from apps.core.ports import free_port
from apps.deployments import actions as deployments
from apps.deployments.models import Deployment
from apps.hooks import keys, limit, receive
from apps.hooks.models import Receipt
from apps.hooks.views import LARGEST, REFUSED
from apps.pods import actions as pods
from apps.pods.models import Pod
from apps.secretstore.vault import Vault
from apps.sources.hosted import Hosted
from tests.hooks.conftest import A, B, C, D, Hook, finish, make_pod, verdict
from tests.stack.github import ZEROS, ping_payload, push_payload, signed

pytestmark = pytest.mark.django_db
Make = Callable[..., Hook]
NOW = int(time.time())


def test_a_push_deploys_the_apps_that_follow_the_branch(make_hook: Make) -> None:
    hook = make_hook(web={}, api={"branch": "dev"}, docs={"repo": "https://github.com/octo/docs"})
    answer = hook.push(B, message="Fix the door\n\nIt creaked. <b>")
    assert (answer.status_code, verdict(answer)) == (202, "Deploying web at bbbbbbb.")
    deployment = Deployment.objects.get(pod=hook.pod, trigger="push")
    assert (deployment.state, deployment.actor) == ("waiting", None)
    assert deployment.revision.summary == "web at bbbbbbb: Fix the door"
    assert hook.commits() == [{"web": B, "api": A, "docs": A}]
    receipt = Receipt.objects.get(pod=hook.pod)
    assert (receipt.deployment, receipt.outcome, receipt.about) == (deployment, "deploying", "main")


def test_several_apps_of_one_repository_are_one_deployment(make_hook: Make) -> None:
    hook = make_hook(web={}, api={"rootDir": "api", "repo": "git@github.com:Octo/shop.git"}, job={"branch": ""})
    assert verdict(hook.push(B)) == "Deploying api, job and web at bbbbbbb."
    assert hook.commits() == [{"web": B, "api": B, "job": B}]


def test_both_content_types_and_a_slash_at_the_end(hook: Hook) -> None:
    assert hook.send(push_payload(B), form=True).status_code == 202
    body, headers = signed(push_payload(C, before=B), hook.key)
    answer = Client().post(f"{hook.path}/", body, content_type=headers.pop("Content-Type"), headers=headers)
    assert answer.status_code == 202


def test_what_deploys_nothing_says_why(make_hook: Make) -> None:
    hook = make_hook(web={}, api={})
    name = hook.pod.name
    told = {
        "No app of " + name + " is built from github.com/octo/other.": {"url": "https://github.com/octo/other"},
        "No app watches branch dev: api and web watch main.": {"branch": "dev"},
        "Nothing to do: v1 is a tag. Only branches are deployed.": {"ref": "refs/tags/v1"},
        "Skipped, as the commit's message asks.": {"message": "Wording [skip ci]"},
        "Nothing to deploy: it is at this commit already (api and web).": {"head": A},
        "Nothing to do: branch main was deleted. What is live stays.": {"head": ZEROS},
    }
    for expected, fields in told.items():
        answer = hook.push(**({"head": B, "before": C} | fields))
        assert (answer.status_code, verdict(answer)) == (200, expected)
    assert "event issues" in verdict(hook.send({}, event="issues"))
    assert hook.commits() == []
    assert Receipt.objects.filter(pod=hook.pod, outcome="nothing").count() == len(told) + 1


def test_a_ping_says_what_will_be_deployed(make_hook: Make) -> None:
    hook = make_hook()
    assert (
        verdict(hook.send(ping_payload(), event="ping")) == f"The webhook works: pushes deploy web of {hook.pod.name}."
    )
    assert "no app of" in verdict(hook.send(ping_payload("https://github.com/octo/other"), event="ping"))
    assert "deploy its draft first" in verdict(make_hook(live=False).send(ping_payload(), event="ping"))


def test_a_pod_that_was_never_deployed(make_hook: Make) -> None:
    answer = make_hook(live=False).push(B)
    assert (answer.status_code, "deploy its draft first" in verdict(answer)) == (200, True)


def test_watch_paths(make_hook: Make) -> None:
    hook = make_hook(web={"watchPaths": ["web/**"]}, api={"watchPaths": ["api/**"]})
    assert verdict(hook.push(B, before=A, paths=["api/x.py"])) == "Deploying api at bbbbbbb."
    assert "nothing it watches" in verdict(hook.push(C, before=B, paths=["README"]))
    assert verdict(hook.push(D, before="e" * 40, paths=["README"])) == "Deploying api and web at ddddddd."


def test_what_a_skipped_push_changed_comes_with_the_next(make_hook: Make) -> None:
    hook = make_hook(web={"watchPaths": ["web/**"]})
    assert "Skipped" in verdict(hook.push(B, before=A, paths=["web/x.py"], message="Later [skip deploy]"))
    assert verdict(hook.push(C, before=B, paths=["README"])) == "Deploying web at ccccccc."


def test_the_same_push_again_does_nothing(hook: Hook) -> None:
    payload = push_payload(B, before=A)
    first = hook.send(payload, delivery="one")
    finish(Deployment.objects.get(pod=hook.pod, trigger="push"), "failed")
    for delivery in ("one", "two"):
        answer = hook.send(payload, delivery=delivery)
        assert (answer.status_code, "received before" in verdict(answer)) == (200, True)
    assert first.status_code == 202
    assert hook.commits() == [{"web": B}]


def test_an_old_delivery_does_not_bring_back_an_older_commit(hook: Hook) -> None:
    late = push_payload(B, before=A, pushed_at=NOW - 60)
    assert hook.push(C, before=B, pushed_at=NOW).status_code == 202
    assert "a newer push was received before" in verdict(hook.send(late))
    assert hook.commits() == [{"web": C}]


def test_the_same_commit_pushed_later_moves_the_mark_on(hook: Hook) -> None:
    """There, back and there again; what came in between arrives last and is old all the same."""
    hook.push(B, before=A, pushed_at=NOW - 60)
    assert "received before" in verdict(hook.push(B, before=A, pushed_at=NOW))
    assert "a newer push" in verdict(hook.push(A, before=B, pushed_at=NOW - 30, forced=True))
    assert "received before" in verdict(hook.push(B, before=A, pushed_at=NOW - 60))
    assert "a newer push" in verdict(hook.push(A, before=B, pushed_at=NOW - 30, forced=True))
    assert hook.commits() == [{"web": B}]


def test_a_forced_push_may_bring_back_an_older_commit(hook: Hook) -> None:
    hook.push(B, before=A, pushed_at=NOW - 60)
    finish(Deployment.objects.get(pod=hook.pod, trigger="push"))
    answer = hook.push(A, before=B, pushed_at=NOW, forced=True)
    assert verdict(answer) == "Deploying web at aaaaaaa."


def test_back_to_what_is_live_while_another_is_under_way(hook: Hook) -> None:
    """The branch went there and back before the first was live: what it went back to comes last."""
    hook.push(B, before=A, pushed_at=NOW - 60)
    finish(Deployment.objects.get(pod=hook.pod, trigger="push"))
    hook.push(C, before=B, pushed_at=NOW - 30)
    Deployment.objects.filter(pod=hook.pod, state="waiting").update(state="pending")
    assert hook.push(B, before=C, pushed_at=NOW, forced=True).status_code == 202
    hook.pod.refresh_from_db()
    last = Deployment.objects.filter(pod=hook.pod).order_by("-id")[0]
    assert (last.state, last.revision) == ("waiting", hook.pod.live)


def test_a_rollback_stands_until_the_next_push(hook: Hook, alice: User) -> None:
    pushed = push_payload(B, before=A, pushed_at=NOW - 60)
    hook.send(pushed)
    finish(Deployment.objects.get(pod=hook.pod, trigger="push"))
    first = hook.pod.revisions.get(version=1)
    finish(deployments.deploy_revision(pod=hook.pod, revision=first, by=alice))
    assert "received before" in verdict(hook.send(pushed))
    assert hook.push(C, before=B, pushed_at=NOW).status_code == 202


@pytest.mark.parametrize("reached", ["waiting", "pending"])
def test_a_push_takes_nothing_back_that_is_on_its_way(make_hook: Make, alice: User, reached: str) -> None:
    """A change just deployed, and another repository's push just before: both are in what the push deploys."""
    hook = make_hook(web={}, api={"repo": "https://github.com/octo/api"})
    spec = {"source": {"repo": "https://github.com/octo/shop.git", "branch": "main"}, "instance": "2x"}
    pods.save_resource(pod=hook.pod, kind="App", name="web", spec=spec, by=alice, create=False)
    hook.pod.refresh_from_db()
    change = pods.seal(pod=hook.pod, summary="larger", by=alice)
    made = deployments.start(pod=hook.pod, revision=change, trigger="manual", by=alice)
    Deployment.objects.filter(pk=made.pk).update(state=reached)
    hook.push(B, before=A)
    hook.push(C, before=A, url="https://github.com/octo/api")
    last = Deployment.objects.filter(pod=hook.pod).order_by("-id")[0].revision
    assert last.resources.get(name="web").spec["instance"] == "2x"
    assert dict(last.builds.values_list("app", "commit")) == {"web": B, "api": C}


def test_the_draft_does_not_ship_with_a_push(hook: Hook, alice: User) -> None:
    spec = {"source": {"repo": "https://github.com/octo/shop.git", "branch": "main"}, "instance": "4x"}
    pods.save_resource(pod=hook.pod, kind="App", name="web", spec=spec, by=alice, create=False)
    assert hook.push(B).status_code == 202
    deployed = Deployment.objects.get(pod=hook.pod, trigger="push").revision
    assert deployed.resources.get(name="web").spec["instance"] == "1x"
    draft = Pod.objects.get(pk=hook.pod.pk).draft
    assert draft is not None
    assert draft.resources.get(name="web").spec["source"]["commit"] == B


def test_a_repository_of_the_platform_itself(
    make_hook: Make, team: Team, tmp_path: Any, settings: Any, monkeypatch: Any
) -> None:
    hosted = Hosted(tmp_path / "repositories")
    work = tmp_path / "work"
    work.mkdir()
    (work / "index.html").write_text("hello")
    sha = hosted.commit_tree(team.slug, "site", work, "First")
    address = f"brainpod:{team.slug}/site"
    hook = make_hook(web={"repo": address})
    assert verdict(hook.push(sha, url=address)) == f"Deploying web at {sha[:7]}."
    assert hook.commits() == [{"web": sha}]


@pytest.mark.parametrize("signature", [None, "", "sha256=", "sha256=" + "0" * 64, "sha256=" + "é" * 64])
def test_who_cannot_sign_learns_nothing(hook: Hook, signature: str | None) -> None:
    body, headers = signed(push_payload(B), hook.key)
    kind = headers.pop("Content-Type")
    del headers["X-Hub-Signature-256"]
    given = headers | ({} if signature is None else {"X-Hub-Signature-256": signature})
    paths = [hook.path, "/hooks/0123456789abcdef", "/hooks/x", "/hooks/" + "A" * 64, "/hooks/" + hook.pod.name]
    answers = [Client().post(path, body, content_type=kind, headers=given) for path in paths]
    assert {(a.status_code, a.content) for a in answers} == {(401, json.dumps({"verdict": REFUSED}).encode())}
    assert list(Receipt.objects.values_list("pod", "outcome", "about")) == [(hook.pod.pk, "unsigned", "")]


def test_a_key_of_another_pod_and_of_none(hook: Hook, make_hook: Make, team: Team, alice: User) -> None:
    other = make_hook()
    assert hook.send(push_payload(B), key=other.key).status_code == 401
    assert hook.send(push_payload(B), key="").status_code == 401
    without = make_pod(team, alice, {"web": {}})
    assert Hook(without, "").push(B).status_code == 401
    assert hook.commits() == other.commits() == []


def test_who_goes_on_with_a_bad_signature_is_told_to_wait_and_who_signs_never_is(
    hook: Hook, valkey: str, settings: Any
) -> None:
    settings.VALKEY_URL = valkey
    payload = ping_payload()
    answers = [hook.send(payload, key="guessed", event="ping") for _ in range(limit.FREE + 3)]
    assert [answer.status_code for answer in answers[: limit.FREE]] == [401] * limit.FREE
    assert {answer.status_code for answer in answers[limit.FREE :]} == {429}
    assert 1 <= int(answers[-1]["Retry-After"]) <= limit.WINDOW
    assert "try again later" in verdict(answers[-1])
    assert hook.send(payload, event="ping").status_code == 200
    elsewhere = Client(headers={"X-Real-IP": "203.0.113.7"}).post(hook.path, b"{}", content_type="application/json")
    assert elsewhere.status_code == 401


def test_without_valkey_bad_signatures_are_refused_as_ever(hook: Hook, settings: Any) -> None:
    settings.VALKEY_URL = "unix:///nonexistent/valkey.sock?db=0"
    answers = {hook.send(ping_payload(), key="guessed").status_code for _ in range(limit.FREE + 2)}
    assert answers == {401}


def test_the_signature_is_asked_before_anything_else(hook: Hook) -> None:
    """Broken bodies, other types and events without a signature: all the same answer."""
    for body, kind, event in [(b"[" * 9999, "application/json", "push"), (b"\xff", "text/plain", "x"), (b"", "", "")]:
        answer = Client().post(hook.path, body, content_type=kind, headers={"X-GitHub-Event": event})
        assert (answer.status_code, verdict(answer)) == (401, REFUSED)
    assert Client().post(hook.path, b"{}", content_type="application/json").status_code == 401


BAD_BODIES = {
    "deep": b'{"ref":' + b"[" * 100_000,
    "not utf-8": b'{"ref": "\xff"}',
    "null": b"null",
    "surrogate": b'{"ref": "refs/heads/\\ud83d"}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_signed_body_that_makes_no_sense(hook: Hook, body: bytes) -> None:
    answer = hook.send(body)
    assert (answer.status_code, "signature is right" in verdict(answer)) == (400, True)


def test_a_signed_body_of_another_type(hook: Hook) -> None:
    body, headers = signed(push_payload(B), hook.key)
    headers.pop("Content-Type")
    answer = Client().post(hook.path, body, content_type="text/plain", headers=headers)
    assert (answer.status_code, "application/json" in verdict(answer)) == (415, True)


def test_hostile_words_are_kept_as_words(hook: Hook) -> None:
    hostile = "x\0\r\n\u202e<script>\ud7ff" + "y" * 1000
    answer = hook.send(
        push_payload(B, branch=hostile, before=A), delivery=hostile.replace("\r\n", "").strip("\0")[:900]
    )
    assert answer.status_code == 200
    receipt = Receipt.objects.get(pod=hook.pod)
    assert len(receipt.about) == 250
    assert receipt.about.isprintable()
    assert receipt.verdict.isprintable()
    answer = hook.push(B, before=A, message=hostile)
    assert answer.status_code == 202


def test_other_methods_are_refused(hook: Hook) -> None:
    for method in ("get", "head", "put", "patch", "delete", "options"):
        answer = getattr(Client(), method)(hook.path)
        assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_no_token_of_a_form_is_needed(hook: Hook) -> None:
    body, headers = signed(push_payload(B), hook.key)
    kind = headers.pop("Content-Type")
    client = Client(enforce_csrf_checks=True)
    assert client.post(hook.path, body, content_type=kind, headers=headers).status_code == 202


def test_too_large_a_body_is_not_even_read(hook: Hook) -> None:
    """The test client fails on reading more than there is."""
    for path in (hook.path, "/hooks/0123456789abcdef"):
        answer = Client().generic("POST", path, b"{}", "application/json", CONTENT_LENGTH=str(LARGEST + 1))
        assert (answer.status_code, "too large" in verdict(answer)) == (413, True)


def test_a_large_push_is_taken(hook: Hook) -> None:
    files = [f"src/module_{n}/file.py" for n in range(60_000)]
    payload = push_payload(B, before=A, paths=files)
    payload["head_commit"] = {"id": B, "message": "Large"}
    assert 1_500_000 < len(json.dumps(payload)) < LARGEST
    assert hook.send(payload).status_code == 202


def test_a_deployment_that_cannot_be_is_said(hook: Hook, alice: User) -> None:
    deployments.delete_pod(pod=hook.pod, confirmation=hook.pod.name, by=alice)
    assert hook.push(B).status_code == 401  # as for a pod that is gone
    event = receive.Push(("https://github.com/octo/shop",), branch="main", head=B)
    told = receive.receive(pod_id=hook.pod.pk, provider="GitHub", delivery="", told=[event])
    assert (told.status, told.outcome) == (409, "refused")


def test_a_live_revision_that_is_no_longer_valid_is_said(hook: Hook) -> None:
    assert hook.pod.live is not None
    app = hook.pod.live.resources.get(name="web")
    app.spec = app.spec | {"configs": ["gone"]}
    app.save()
    answer = hook.push(B)
    assert (answer.status_code, verdict(answer).startswith("Not deployed. ")) == (422, True)
    receipt = Receipt.objects.get(pod=hook.pod)
    assert (receipt.outcome, receipt.deployment) == ("refused", None)
    app.spec = app.spec | {"configs": []}
    app.save()
    assert hook.push(B).status_code == 202, "what was refused may come again"


def test_without_the_secret_store_nothing_is_decided(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens where the store should be: no signature can be checked, for this pod or any other."""
    nowhere = Vault(f"http://127.0.0.1:{free_port()}", "role", "secret")
    monkeypatch.setattr(keys, "store", lambda: nowhere)
    for sent in (hook, Hook(Pod(pk="0123456789abcdef"), hook.key)):
        answer = sent.push(B)
        assert (answer.status_code, "Redeliver" in verdict(answer)) == (503, True)
    assert hook.commits() == []


def test_the_last_receipts_are_kept(hook: Hook, make_hook: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_hook()
    other.send(ping_payload(), event="ping")
    monkeypatch.setattr(receive, "KEPT", 3)
    for number in range(5):
        hook.send(ping_payload(), event="ping", delivery=str(number))
    assert list(Receipt.objects.filter(pod=hook.pod).values_list("delivery", flat=True)) == ["4", "3", "2"]
    assert Receipt.objects.filter(pod=other.pod).count() == 1


@pytest.mark.parametrize("told", ["ping", "push"])
def test_what_asks_for_nothing_is_judged_before_others_have_to_wait(hook: Hook, told: str) -> None:
    """SQLite has one writer: what is looked up in its turn, every other delivery and deployment waits for."""
    with CaptureQueriesContext(connection) as asked:
        answer = hook.send(ping_payload(), event="ping") if told == "ping" else hook.push(B, branch="dev")
    assert answer.status_code == 200
    statements = [query["sql"] for query in asked.captured_queries]
    turn = [number for number, sql in enumerate(statements) if "SAVEPOINT" in sql]  # the test's own transaction is open
    kept = [sql.split()[0] for sql in statements[turn[0] : turn[-1] + 1]]
    assert kept == ["SAVEPOINT", "INSERT", "DELETE", "RELEASE"]
    assert turn[-1] == len(statements) - 1


def test_the_answers_come_without_many_queries(make_hook: Make, django_assert_max_num_queries: Any) -> None:
    hook = make_hook(**{f"app{n}": {} for n in range(10)})
    hook.push(B, before=A)
    with django_assert_max_num_queries(20):
        hook.push(C, branch="dev")
