"""A pod with a live app built from github.com/octo/shop, and its webhook in a real secret store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from apps.accounts.models import Team, User
from apps.builds.models import Artifact
from apps.core.ids import new_id
from apps.deployments import actions as deployments
from apps.deployments.models import Deployment, Trigger
from apps.hooks import actions
from apps.pods import actions as pods
from apps.pods.models import Pod
from apps.secretstore.vault import Vault
from tests.stack.github import push_payload, signed

REPOSITORY = "https://github.com/octo/shop.git"
A, B, C, D = (letter * 40 for letter in "abcd")


def make_pod(team: Team, by: User, apps: dict[str, dict[str, Any]], *, live: bool = True) -> Pod:
    """A pod with these apps' sources; deployed to the end if `live`."""
    pod = pods.create_pod(team=team, name=f"p{new_id()[-12:]}", by=by)
    for name, source in apps.items():
        spec = {"source": {"repo": REPOSITORY, "branch": "main"} | source, "instance": "1x"}
        pods.save_resource(pod=pod, kind="App", name=name, spec=spec, by=by, create=True)
    if live:
        revision = pods.seal(pod=pod, summary="first", by=by)
        finish(deployments.start(pod=pod, revision=revision, trigger=Trigger.MANUAL, by=by))
    pod.refresh_from_db()
    return pod


def finish(deployment: Deployment, state: str = "ready") -> None:
    """What the pipeline would have left behind."""
    for build in deployment.revision.builds.filter(artifact=None) if state == "ready" else ():
        build.artifact = Artifact.objects.create(team=deployment.pod.team, kind="bundle", manifest={"n": build.pk})
        build.commit = build.commit or A
        build.save()
    Deployment.objects.filter(pk=deployment.pk).update(state=state)
    if state == "ready":
        Pod.objects.filter(pk=deployment.pod_id).update(live=deployment.revision)


@dataclass
class Hook:
    """Sends deliveries to one pod's address as GitHub would."""

    pod: Pod
    key: str

    @property
    def path(self) -> str:
        return f"/hooks/{self.pod.pk}"

    def send(self, payload: Any, *, key: str | None = None, **given: Any) -> HttpResponse:
        body, headers = signed(payload, self.key if key is None else key, **given)
        return Client().post(self.path, body, content_type=headers.pop("Content-Type"), headers=headers)  # type: ignore[return-value]

    def push(self, head: str, **fields: Any) -> HttpResponse:
        return self.send(push_payload(head, **fields))

    def commits(self) -> list[dict[str, str]]:
        """What every push so far deployed, oldest first: commit by app."""
        rows = Deployment.objects.filter(pod=self.pod, trigger="push").order_by("id")
        return [dict(row.revision.builds.values_list("app", "commit")) for row in rows]


def verdict(answer: HttpResponse) -> str:
    assert answer["Content-Type"] == "application/json"
    told = answer.json()  # type: ignore[attr-defined]
    assert list(told) == ["verdict"]
    return str(told["verdict"])


@pytest.fixture
def make_hook(openbao: Vault, team: Team, alice: User) -> Callable[..., Hook]:
    """`make_hook(web={…source…}, api={…})`: a live pod with these apps and a webhook."""

    def make(*, live: bool = True, **apps: dict[str, Any]) -> Hook:
        pod = make_pod(team, alice, apps or {"web": {}}, live=live)
        actions.make_webhook(pod=pod, by=alice)
        return Hook(pod, actions.read_key(pod=pod, by=alice))

    return make


@pytest.fixture
def hook(make_hook: Callable[..., Hook]) -> Hook:
    return make_hook()
