"""The whole story on Docker: images deployed, healthy, switched, rolled back, and one that never becomes healthy."""

from __future__ import annotations

import dataclasses
import datetime
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.utils import timezone

from apps import edge, engines, secretstore
from apps.accounts.models import Team, User
from apps.builds.models import Artifact, Build
from apps.dashboard.pod_states import silence
from apps.deployments import actions, checker, pipeline, reconcile
from apps.deployments.models import AppEvent, Deployment, Trigger, Workload
from apps.engines.base import State
from apps.logs import reader
from apps.pods import actions as pods
from apps.pods.models import HostName, Pod, Revision
from tests.edge.conftest import Stand, prepared
from tests.engines.workloads import until
from tests.stack.docker import BUSYBOX, DockerDaemon
from tests.stack.docker_engine import ImageEngine, engine_on

pytestmark = pytest.mark.django_db(transaction=True)
APP = {"source": {"repo": "https://git.example.com/team/shop.git"}, "instance": ".25x", "healthCheckTimeout": 60}
SERVES = 'CMD ["sh", "-c", "exec httpd -f -p $PORT -h /www"]'


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with prepared() as stand:
        stand.start()
        monkeypatch.setattr(edge, "edge", lambda: stand.edge)
        yield stand


@pytest.fixture
def engine(docker_daemon: DockerDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImageEngine]:
    with engine_on(docker_daemon) as (made, _):
        monkeypatch.setattr(engines, "engine", lambda: made)
        monkeypatch.setattr(secretstore, "secrets", lambda: None)  # nothing here has a secret
        yield made
        for workload in made.workloads():
            made.stop({"id": workload}, 0)


@pytest.fixture
def pod(team: Team, alice: User) -> Pod:
    pod = pods.create_pod(team=team, name=f"shop-{secrets.token_hex(4)}", by=alice)
    pods.save_resource(pod=pod, kind="App", name="web", spec=APP, by=alice, create=True)
    route = {"rules": [{"path": "/", "app": "web"}]}
    pods.save_resource(pod=pod, kind="Route", name="site", spec=route, by=alice, create=True)
    pod.refresh_from_db()
    return pod


def image(daemon: DockerDaemon, says: str, cmd: str = SERVES) -> str:
    """An image that answers with `says` to everything."""
    client = daemon.client()
    text = f"mkdir /www; echo {says} > /www/index.html"
    container = client.containers.create(BUSYBOX, ["sh", "-c", text])
    container.start()
    container.wait()
    made = container.commit(repository="brainpod-test/site", tag=says, changes=[cmd])
    container.remove()
    return str(made.id)


def deploy(pod: Pod, revision: Revision, reference: str, by: User, trigger: Trigger = Trigger.MANUAL) -> Deployment:
    """As the pipeline does when every app's image is there already."""
    deployment = actions.start(pod=pod, revision=revision, trigger=trigger, by=by)
    if reference:
        manifest = {"kind": "image", "image": reference}
        artifact = Artifact.objects.create(team=pod.team, kind="image", manifest=manifest)
        Build.objects.filter(revision=revision, app="web").update(artifact=artifact)
    pipeline.run(deployment.pk)
    deployment.refresh_from_db()
    pod.refresh_from_db()
    return deployment


def sealed(pod: Pod, by: User, value: str) -> Revision:
    spec = {**APP, "env": [{"name": "V", "value": value}]}
    pods.save_resource(pod=pod, kind="App", name="web", spec=spec, by=by, create=False)
    pod.refresh_from_db()
    return pods.seal(pod=pod, summary=value, by=by)


def test_images_go_live_one_after_the_other_and_back(
    docker_daemon: DockerDaemon, engine: ImageEngine, front: Stand, pod: Pod, alice: User
) -> None:
    first = sealed(pod, alice, "one")
    deployment = deploy(pod, first, image(docker_daemon, "one"), alice)
    assert (deployment.state, deployment.error) == ("ready", "")
    host = HostName.objects.get(pod=pod).host
    assert front.ask(host).text == "one\n"

    deployment = deploy(pod, sealed(pod, alice, "two"), image(docker_daemon, "two"), alice)
    assert (deployment.state, deployment.error) == ("ready", "")
    assert front.ask(host).text == "two\n"
    old = Workload.objects.get(pod=pod, revision=first)
    assert old.state == "stopped"
    assert engine.status(old.handle).state is State.GONE

    broken = image(docker_daemon, "broken", 'CMD ["sh", "-c", "exit 127"]')
    deployment = deploy(pod, sealed(pod, alice, "three"), broken, alice)
    assert deployment.state == "failed"
    assert "web" in deployment.error
    assert front.ask(host).text == "two\n"

    deployment = deploy(pod, first, "", alice, Trigger.ROLLBACK)
    assert (deployment.state, deployment.error) == ("ready", "")
    assert front.ask(host).text == "one\n"


def test_a_prestart_command_runs_in_a_small_image_of_its_own(
    docker_daemon: DockerDaemon, engine: ImageEngine, front: Stand, pod: Pod, alice: User, settings: Any
) -> None:
    own = dataclasses.replace(settings.BRAINPOD, base_images=f"prestart={BUSYBOX}")
    settings.BRAINPOD = own
    line = 'echo "seeding with $V in $(ls /www 2>/dev/null | wc -l) files"; exit $((V))'
    spec = {**APP, "env": [{"name": "V", "value": "0"}], "preStart": line}
    for value, state in (("0", "ready"), ("7", "failed")):
        spec["env"] = [{"name": "V", "value": value}]
        pods.save_resource(pod=pod, kind="App", name="web", spec=spec, by=alice, create=False)
        pod.refresh_from_db()
        revision = pods.seal(pod=pod, summary=value, by=alice)
        deployment = deploy(pod, revision, image(docker_daemon, f"seeded-{value}"), alice)
        assert deployment.state == state, deployment.error
        assert f"seeding with {value} in 0 files" in [line.text for line in reader.read(deployment.stream)]
    assert deployment.error_code == "prestart_failed"
    assert front.ask(HostName.objects.get(pod=pod).host).text == "seeded-0\n"


def test_the_reconciler_brings_back_a_container_that_somebody_removed(
    docker_daemon: DockerDaemon, engine: ImageEngine, front: Stand, pod: Pod, alice: User
) -> None:
    deploy(pod, sealed(pod, alice, "one"), image(docker_daemon, "kept"), alice)
    row = Workload.objects.get(pod=pod, serving=True)
    docker_daemon.client().api.remove_container(f"brainpod-{row.pk}", force=True)
    reconcile.reconcile()
    row.refresh_from_db()
    until(lambda: engine.probe(row.handle) is None, "it to listen again")
    reconcile.reconcile()
    assert front.ask(HostName.objects.get(pod=pod).host).text == "kept\n"


def test_a_daemon_that_restarts_leaves_live_what_was_live_and_starts_nothing_twice(
    docker_daemon: DockerDaemon, engine: ImageEngine, front: Stand, pod: Pod, alice: User
) -> None:
    revision = sealed(pod, alice, "one")
    assert deploy(pod, revision, image(docker_daemon, "stays"), alice).state == "ready"
    host = HostName.objects.get(pod=pod).host
    row = Workload.objects.get(pod=pod, serving=True)
    docker_daemon.stop()
    try:
        Workload.objects.update(observed_at=timezone.now() - datetime.timedelta(minutes=3, seconds=5))
        for _ in range(2):
            reconcile.reconcile()
        row.refresh_from_db()
        assert (row.state, silence(row)) == ("healthy", "unknown for 3 min: the engine does not answer")
        assert front.ask(host).status_code in (502, 503, 504)
    finally:
        docker_daemon.start()
    with checking():
        until(lambda: (reconcile.reconcile(), front.ask(host).text)[1] == "stays\n", "the app to answer again")
        until(lambda: (reconcile.reconcile(), Workload.objects.get(pk=row.pk).state)[1] == "healthy", "its health")
    row.refresh_from_db()
    pod.refresh_from_db()
    assert (silence(row), row.serving, row.revision, pod.live) == ("", True, revision, revision)
    assert list(Workload.objects.filter(pod=pod)) == [row], "no other one was asked for"
    containers = docker_daemon.client().api.containers(all=True, filters=engine.names.filters())
    assert [one["Names"] for one in containers] == [[f"/brainpod-{row.pk}"]]
    told = list(AppEvent.objects.filter(pod=pod, kind="engine").order_by("id").values_list("words", flat=True))
    assert told[0] == "The engine does not answer: its state is unknown."
    assert [words.partition(",")[0] for words in told[1:]] == ["The engine answers again"]


@contextmanager
def checking() -> Iterator[None]:
    """The health checks of what serves, as the platform makes them all the time."""
    stop = threading.Event()
    thread = threading.Thread(target=checker.check, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
