"""A live pod with a secret, a database and a route, whose pull requests have previews."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from apps import edge
from apps.accounts.models import Team, User
from apps.deployments import actions as deployments
from apps.deployments.models import Trigger
from apps.pods import actions as pods
from apps.pods.models import Pod
from apps.previews import settling
from apps.previews.following import Followed, follow
from apps.previews.models import Preview, PreviewSettings
from apps.previews.pull_requests import PullRequest
from apps.secretstore.vault import Vault
from tests.edge.conftest import Stand, prepared
from tests.hooks.conftest import REPOSITORY, B, finish

OURS = "github.com/octo/shop"


@dataclass
class Shop:
    pod: Pod
    clock: int = 1_000_000

    def told(self, head: str = B, number: int = 12, *, is_open: bool = True, **fields: object) -> Followed:
        """What a git host tells, each a second after the one before; and what a worker makes of it."""
        self.clock += 1
        pull = PullRequest(
            (REPOSITORY,), number, is_open, head, f"refs/pull/{number}/head", title="Fix the door", branch="door",
            base="main", said_at=self.clock, **fields,  # type: ignore[arg-type]
        )  # fmt: skip
        found = follow(pod=Pod.objects.get(pk=self.pod.pk), pull=pull, repository=OURS, apps=["web"])
        self.settle()
        return found

    def settle(self) -> None:
        for pk in Preview.objects.due().values_list("pk", flat=True):
            settling.settle(pk)

    def row(self, number: int = 12) -> Preview:
        return Preview.objects.select_related("pod__head", "parent").get(parent=self.pod, number=number)

    def child(self, number: int = 12) -> Pod:
        found = self.row(number).pod
        assert found is not None
        return found

    def commits(self, number: int = 12) -> list[str]:
        """Of `web`, in the revisions of the child, oldest first."""
        rows = self.child(number).revisions.order_by("version")
        return [row.resources.get(name="web").spec["source"]["commit"] for row in rows]


@pytest.fixture
def shop(openbao: Vault, team: Team, alice: User) -> Shop:
    pod = pods.create_pod(team=team, name="shop", by=alice)

    def add(kind: str, name: str, spec: dict[str, object], **more: object) -> None:
        pods.save_resource(pod=pod, kind=kind, name=name, spec=spec, by=alice, create=True, **more)  # type: ignore[arg-type]

    add("Config", "common", {"variables": [{"name": "MODE", "value": "live"}]}, secrets={"TOKEN": "s3cret-of-shop"})
    source = {"repo": REPOSITORY, "branch": "main", "submodules": True}
    env = [{"name": "DATABASE_URL", "value": "${db.uri}"}, {"name": "COLOUR", "value": "red"}]
    jobs = [{"name": "nightly", "schedule": "0 3 * * *", "command": "python bill.py"}]
    add("App", "web", {"source": source, "configs": ["common"], "env": env, "instance": "1x", "jobs": jobs})
    add("App", "api", {"source": {"repo": "https://github.com/octo/api.git"}, "instance": "1x"})
    add("Route", "site", {"rules": [{"path": "/", "app": "web"}]})
    pods.save_with_disk(pod=pod, kind="PostgresDB", name="db", spec={"instance": "1x"}, size=5, by=alice, create=True)
    revision = pods.seal(pod=pod, summary="first", by=alice)
    finish(deployments.start(pod=pod, revision=revision, trigger=Trigger.MANUAL, by=alice))
    pod.refresh_from_db()
    PreviewSettings.objects.create(pod=pod, enabled=True, limit=2)
    return Shop(pod)


@pytest.fixture
def front_door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """A real edge, which a teardown tells of what is gone."""
    with prepared() as made:
        made.start()
        monkeypatch.setattr(edge, "edge", lambda: made.edge)
        yield made
