"""The inbox: every delivery with its verdict, those nobody signed too, and judging one once more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.models import Team, User
from apps.hooks import receive
from apps.hooks.models import Receipt
from apps.hooks.providers.base import Push
from apps.hooks.views import REFUSED
from apps.pods.models import Pod
from tests.hooks.conftest import A, B, C, Hook, finish, make_pod, verdict
from tests.stack.github import ping_payload, push_payload

pytestmark = pytest.mark.django_db
Browser = Callable[..., Client]


def inbox(client: Client, pod: Pod, outcome: str = "") -> str:
    answer = client.get(f"/pods/{pod.name}/webhook/deliveries/", {"outcome": outcome} if outcome else {})
    assert answer.status_code == 200
    return answer.content.decode()


def again(client: Client, receipt: Receipt) -> Client:
    return client.post(f"/pods/{receipt.pod.name}/webhook/deliveries/{receipt.pk}/redelivery/")  # type: ignore[return-value]


def test_what_nobody_signed_is_there_too(hook: Hook, alice: User, client_of: Browser) -> None:
    assert hook.send(push_payload(B), key="wrong").status_code == 401
    row = Receipt.objects.get(pod=hook.pod)
    assert (row.outcome, row.verdict, row.provider, row.event) == ("unsigned", REFUSED, "GitHub", None)
    assert row.head == row.about == "", "nothing of what it says is believed"
    page = inbox(client_of(alice), hook.pod)
    assert "The signature does not match" in page
    assert "/redelivery/" not in page
    assert "The signature does not match" in inbox(client_of(alice), hook.pod, "unsigned")
    assert "No delivery matches" in inbox(client_of(alice), hook.pod, "deploying")


@pytest.mark.parametrize("path", ["/hooks/0123456789abcdef", "/hooks/x", "/hooks/%00"])
def test_what_goes_to_no_pod_is_kept_nowhere(hook: Hook, path: str) -> None:
    answer = Client().post(path, b"{}", content_type="application/json", headers={"X-GitHub-Event": "push"})
    assert answer.status_code in (401, 404)
    assert not Receipt.objects.exists()


def test_the_unsigned_push_no_other_out(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "UNSIGNED_KEPT", 3)
    monkeypatch.setattr(receive, "KEPT", 2)
    hook.push(B)
    for _ in range(5):
        hook.send(push_payload(C), key="wrong")
    outcomes = list(Receipt.objects.filter(pod=hook.pod).order_by("id").values_list("outcome", flat=True))
    assert outcomes == ["deploying", "unsigned", "unsigned", "unsigned"]


def test_a_push_is_judged_once_more(hook: Hook, alice: User, client_of: Browser) -> None:
    """Its first deployment failed; the host would only be told that it was received before."""
    assert hook.push(B, before=A, paths=["a", "b"], pushed_at=1_700_000_000).status_code == 202
    row = Receipt.objects.get(pod=hook.pod)
    assert row.deployment
    finish(row.deployment, "failed")
    assert "received before" in verdict(hook.push(B, before=A, pushed_at=1_700_000_009))
    answer = again(client_of(alice), row)
    assert answer.status_code == 302  # type: ignore[attr-defined]
    assert hook.commits() == [{"web": B}, {"web": B}]
    new = Receipt.objects.filter(pod=hook.pod).latest("id")
    assert (new.outcome, new.again_by, new.head) == ("deploying", alice, B)
    assert f"once more, for {alice}" in inbox(client_of(alice), hook.pod)


def test_what_is_live_or_old_is_not_deployed_again(hook: Hook, alice: User, client_of: Browser) -> None:
    hook.push(B, before=A, pushed_at=1_700_000_000)
    old = Receipt.objects.get(pod=hook.pod)
    assert old.deployment
    finish(old.deployment)
    again(client_of(alice), old)
    assert "at this commit already" in Receipt.objects.filter(pod=hook.pod).latest("id").verdict
    hook.push(C, before=B, pushed_at=1_700_000_100)
    again(client_of(alice), old)
    assert "a newer push was received before" in Receipt.objects.filter(pod=hook.pod).latest("id").verdict
    assert hook.commits() == [{"web": B}, {"web": C}]


def test_a_ping_and_what_tells_nothing(hook: Hook, alice: User, client_of: Browser) -> None:
    hook.send(ping_payload(), event="ping")
    ping = Receipt.objects.get(pod=hook.pod)
    again(client_of(alice), ping)
    assert Receipt.objects.filter(pod=hook.pod, verdict__startswith="The webhook works").count() == 2
    hook.send({}, event="issues")
    other = Receipt.objects.filter(pod=hook.pod).latest("id")
    assert other.event is None
    assert again(client_of(alice), other).status_code == 409  # type: ignore[attr-defined]


def test_a_push_with_very_many_paths_is_kept_small(hook: Hook) -> None:
    hook.push(B, before=A, paths=[f"p{n}" for n in range(1001)])
    kept = Receipt.objects.get(pod=hook.pod).event
    assert kept is not None
    assert kept["push"]["paths"] is None
    event = receive.events.read(kept)
    assert isinstance(event, Push)
    assert (event.head, event.before, event.branch) == (B, A, "main")


def test_what_git_cannot_have_is_not_kept(hook: Hook) -> None:
    assert hook.push(B, before=A, branch="x\0y").status_code == 200
    assert Receipt.objects.get(pod=hook.pod).event is None


def test_who_may(hook: Hook, vera: User, charlie: User, alice: User, team: Team, client_of: Browser) -> None:
    hook.push(B)
    row = Receipt.objects.get(pod=hook.pod)
    assert "/redelivery/" not in inbox(client_of(vera), hook.pod)
    assert again(client_of(vera), row).status_code == 403  # type: ignore[attr-defined]
    assert again(client_of(charlie), row).status_code == 404  # type: ignore[attr-defined]
    other = make_pod(team, alice, {"web": {}})
    answer = client_of(alice).post(f"/pods/{other.name}/webhook/deliveries/{row.pk}/redelivery/")
    assert answer.status_code == 404
    assert "No deliveries yet" in inbox(client_of(alice), other)
    assert Receipt.objects.count() == 1
