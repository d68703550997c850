"""The whole story with a registry: deployed, refused, rolled back to what this daemon no longer has, tidied away."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import docker
import pytest
from django.conf import settings
from django.utils import timezone

from apps import artifacts, edge, engines
from apps.accounts.models import Team, User
from apps.artifacts import objects
from apps.artifacts.local import LocalArtifacts
from apps.artifacts.shared import SharedArtifacts
from apps.builds.image import images, pruning
from apps.builds.models import Build, PushedImage
from apps.builds.stages import storing
from apps.deployments import actions, pipeline, teardown
from apps.deployments.models import Deployment, Trigger
from apps.engines.docker import transfer
from apps.engines.docker.client import DockerEngine
from apps.logs import reader
from apps.pods import actions as pods
from apps.pods.models import HostName, Pod, Revision
from apps.secretstore.vault import Vault
from apps.sources.git import GitSource
from tests.edge.conftest import Stand, prepared
from tests.stack.docker import BUSYBOX, DockerDaemon
from tests.stack.docker_engine import engine_on
from tests.stack.registry import RegistryServer
from tests.stack.s3 import Bucket

pytestmark = pytest.mark.django_db(transaction=True)
DOCKERFILE = f"""FROM {BUSYBOX}
COPY index.html /www/
CMD ["sh", "-c", "exec httpd -f -p $PORT -h /www"]
"""


@dataclasses.dataclass
class Shop:
    """A pod with one app, whose repository says in `page` what it answers; `front` is where it is asked."""

    pod: Pod
    by: User
    source: GitSource
    work: Path
    front: Stand
    page: str = "index.html"

    def deploy(self, says: str) -> Deployment:
        (self.work / self.page).write_text(says)
        sha = self.source.hosted.commit_tree(self.pod.team.slug, "shop", self.work, says)
        if self.pod.live is None:
            return self._go(pods.seal(pod=self.pod, summary=says, by=self.by), Trigger.MANUAL)
        revision = pods.pin_commit(pod=self.pod, commits={"web": sha}, by=self.by, summary=says)
        return self._go(revision, Trigger.PUSH)

    def rollback(self, revision: Revision) -> Deployment:
        return self._go(revision, Trigger.ROLLBACK)

    def _go(self, revision: Revision, trigger: Trigger) -> Deployment:
        deployment = actions.start(pod=self.pod, revision=revision, trigger=trigger, by=self.by)
        pipeline.run(deployment.pk)
        deployment.refresh_from_db()
        self.pod.refresh_from_db()
        return deployment

    def answer(self) -> str:
        return self.front.ask(HostName.objects.get(pod=self.pod).host).text.strip()


def told(deployment: Deployment) -> str:
    return "\n".join(line.text for line in reader.tail(deployment.stream, 2000))


def went(deployment: Deployment) -> tuple[str, str]:
    return deployment.state, deployment.error_code


def image_of(deployment: Deployment) -> str:
    artifact = Build.objects.get(revision=deployment.revision).artifact
    assert artifact is not None
    return str(artifact.manifest["image"])


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with prepared() as stand:
        stand.start()
        monkeypatch.setattr(edge, "edge", lambda: stand.edge)
        yield stand


@pytest.fixture
def engine(docker_daemon: DockerDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerEngine]:
    monkeypatch.setattr(settings, "BRAINPOD", dataclasses.replace(settings.BRAINPOD, docker_host=docker_daemon.host))
    with engine_on(docker_daemon) as (made, _):
        monkeypatch.setattr(engines, "engine", lambda: made)
        yield made
        for workload in made.workloads():
            made.stop({"id": workload}, 0)


@pytest.fixture
def shop(
    engine: DockerEngine,
    openbao: Vault,
    valkey: str,
    front: Stand,
    team: Team,
    alice: User,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Shop:
    source, store, work = GitSource(tmp_path / "git"), LocalArtifacts(front.root / "artifacts"), tmp_path / "work"
    monkeypatch.setattr("apps.sources.source", lambda: source)
    monkeypatch.setattr(artifacts, "artifacts", lambda: store)
    work.mkdir()
    pod = pods.create_pod(team=team, name=f"shop-{secrets.token_hex(4)}", by=alice)
    return Shop(pod, alice, source, work, front)


@pytest.fixture
def web(shop: Shop) -> Shop:
    """Its app is an image."""
    (shop.work / "Dockerfile").write_text(DOCKERFILE)
    return with_app(shop, {"instance": ".25x"})


@pytest.fixture
def site(shop: Shop) -> Shop:
    """Its app is static files."""
    return with_app(shop, {"type": "static"})


def with_app(shop: Shop, spec: dict[str, Any]) -> Shop:
    app = {"source": {"repo": f"brainpod:{shop.pod.team.slug}/shop"}, **spec}
    pods.save_resource(pod=shop.pod, kind="App", name="web", spec=app, by=shop.by, create=True)
    route = {"rules": [{"path": "/", "app": "web"}]}
    pods.save_resource(pod=shop.pod, kind="Route", name="site", spec=route, by=shop.by, create=True)
    shop.pod.refresh_from_db()
    return shop


@pytest.fixture
def by_registry(registry: RegistryServer, engine: DockerEngine, monkeypatch: pytest.MonkeyPatch) -> RegistryServer:
    monkeypatch.setattr(transfer, "PAUSES", (0.1, 0.1))
    ours = registry.known()
    monkeypatch.setattr(artifacts, "registry", lambda: ours)
    engine.starter.login = ours.login
    return registry


def test_images_travel_by_the_registry_and_a_failed_push_leaves_what_serves(
    web: Shop, by_registry: RegistryServer, docker_daemon: DockerDaemon
) -> None:
    first = web.deploy("one")
    assert went(first) == ("ready", ""), told(first)
    assert image_of(first).startswith(f"{by_registry.prefix}/{web.pod.name}-web@sha256:")
    assert f"Pushing to {by_registry.prefix}/{web.pod.name}-web:" in told(first)
    push = first.stages.get(stage="push")
    assert push.note.endswith(f"in {by_registry.prefix}/{web.pod.name}-web")

    by_registry.stop()
    failed = web.deploy("two")
    assert went(failed) == ("failed", "upload_failed"), told(failed)
    assert by_registry.host in failed.error
    assert failed.stages.get(stage="push").state == "failed"
    assert web.answer() == "one"

    by_registry.start()
    second = web.deploy("three")
    assert went(second) == ("ready", ""), told(second)
    assert web.answer() == "three"

    images.remove(docker_daemon.host, docker_daemon.client().images.get(image_of(first)).id)
    back = web.rollback(first.revision)
    assert went(back) == ("ready", ""), told(back)
    assert f"Pulling {image_of(first)}" in told(back)
    assert "Pulled in " in told(back)
    assert web.answer() == "one"


def test_an_image_that_cannot_be_pulled_leaves_what_serves(
    web: Shop, by_registry: RegistryServer, docker_daemon: DockerDaemon
) -> None:
    first, second = web.deploy("one"), web.deploy("two")
    assert went(second) == ("ready", ""), told(second)
    images.remove(docker_daemon.host, docker_daemon.client().images.get(image_of(first)).id)
    by_registry.stop()
    back = web.rollback(first.revision)
    assert went(back) == ("failed", "image_pull_failed"), told(back)
    assert image_of(first) in back.error
    assert web.answer() == "two"


def test_the_images_of_a_deleted_pod_go(web: Shop, by_registry: RegistryServer, docker_daemon: DockerDaemon) -> None:
    image = image_of(web.deploy("one"))
    Pod.objects.filter(pk=web.pod.pk).update(deleting_at=timezone.now())
    teardown.tear_down(web.pod.pk)
    assert not Pod.objects.filter(pk=web.pod.pk).exists()
    pruning.sweep(older_than=-60)
    assert by_registry.known().digest(*image.split("@")) == ""
    assert not PushedImage.objects.exists()
    with pytest.raises(docker.errors.ImageNotFound):
        docker_daemon.client().images.get(image)


def test_a_store_of_artifacts_that_takes_nothing_fails_the_push_and_leaves_what_serves(
    site: Shop, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "PAUSES", (0.1, 0.1))
    store = SharedArtifacts(site.front.root / "artifacts", objects.opened(bucket.url))
    monkeypatch.setattr(artifacts, "artifacts", lambda: store)
    first = site.deploy("one")
    assert went(first) == ("ready", ""), told(first)
    assert site.answer() == "one"

    s3 = boto3.client("s3", endpoint_url=bucket.endpoint, region_name="us-east-1")
    for row in s3.list_objects_v2(Bucket=bucket.name)["Contents"]:
        s3.delete_object(Bucket=bucket.name, Key=row["Key"])
    s3.delete_bucket(Bucket=bucket.name)
    failed = site.deploy("two")
    assert went(failed) == ("failed", "upload_failed"), told(failed)
    assert "NoSuchBucket" in failed.error
    assert told(failed).count("Trying again in") == 2
    assert failed.stages.get(stage="push").state == "failed"
    assert site.answer() == "one"

    s3.create_bucket(Bucket=bucket.name)
    again = site.deploy("three")
    assert went(again) == ("ready", ""), told(again)
    assert site.answer() == "three"
