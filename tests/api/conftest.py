"""A program with a token: what it asks is checked against the public API's description."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from apps.accounts import tokens
from apps.accounts.models import Team, User
from apps.api import events
from apps.deployments.models import Deployment, Workload
from apps.pods import actions
from apps.pods.models import Pod
from tests.api import reference
from tests.edge.test_journal import Log

V1 = "/api/v1"


@dataclass
class Answer:
    status: int
    said: Any
    headers: dict[str, str]

    @property
    def error(self) -> str:
        return str(self.said["error"]["code"])

    @property
    def paths(self) -> list[str]:
        return [one["path"] for one in self.said["error"].get("details", [])]


@dataclass
class Program:
    """Every answer that it gets has the shape that is published."""

    token: str

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        address = path if path.startswith(V1) else f"{V1}{path}"
        given = {
            "data": body if isinstance(body, (str, bytes)) else json.dumps(body),
            "content_type": "application/json",
        }
        client = Client(raise_request_exception=False)
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        answer = client.generic(
            method,
            address,
            **(given if body is not None else {}),
            headers={k.replace("_", "-"): v for k, v in headers.items()},
        )
        if answer.streaming:
            return Answer(answer.status_code, b"".join(answer.streaming_content).decode(), dict(answer.headers))
        said = answer.json() if answer.content else None
        reference.check_answer(method, address, answer.status_code, said)
        return Answer(answer.status_code, said, dict(answer.headers))

    def get(self, path: str, **headers: str) -> Answer:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self("POST", path, body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> Answer:
        return self("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Answer:
        return self("DELETE", path, **headers)


@pytest.fixture
def program(team: Team) -> Callable[..., Program]:
    """`program(user, policy)`: one that has a token of `user` in the team."""

    def make(user: User, policy: dict[str, Any] | None = None, of: Team | None = None) -> Program:
        return Program(tokens.make(user=user, name="test", team=of or team, policy=policy)[1])

    return make


@pytest.fixture
def ask(program: Callable[..., Program], bob: User) -> Program:
    """Of a developer of the team."""
    return program(bob)


@pytest.fixture
def pod(team: Team, alice: User) -> Pod:
    return actions.create_pod(team=team, name="shop", by=alice)


def resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "pod.brainpod.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


APP = {"source": {"repo": "https://git.example.com/team/shop.git"}, "env": [], "instance": "1x", "replicas": 1}
WEB = resource("App", "web", APP)
FRONT = resource(
    "Route", "front", {"rules": [{"name": "all", "path": "/", "port": 8080, "backendRef": "urn:brain:app:default:web"}]}
)
DATA = resource("Disk", "data", {"size": 10})
SETTINGS = resource("Config", "settings", {"files": {"a.txt": "A\n"}})


@pytest.fixture
def workload(pod: Pod, ask: Program) -> Workload:
    ask.post("/pods/shop/resources", [WEB, FRONT, DATA])
    revision = actions.seal(pod=pod, summary="", by=None)
    Pod.objects.filter(pk=pod.pk).update(live=revision, head=revision)
    deployment = Deployment.objects.create(pod=pod, revision=revision, trigger="manual", state="ready")
    return Workload.objects.create(pod=pod, revision=revision, deployment=deployment, app="web", fingerprint="f")


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    made = Log(tmp_path / "requests")
    monkeypatch.setattr(events, "edge", lambda: SimpleNamespace(journal=lambda: made.root))
    yield made
    made.keeper.release()
