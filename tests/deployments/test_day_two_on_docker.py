"""What is done with an app after its deployment, on Docker: nothing of it is the process engine's alone."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from apps import edge, engines, secretstore
from apps.accounts.models import Team, User
from apps.deployments import lifecycle
from apps.deployments.jobs import run as runner
from apps.deployments.jobs import tend
from apps.deployments.models import Deployment, Job, JobRun, Workload
from apps.deployments.release import Release
from apps.logs import reader
from tests.deployments.standing import SERVER, Shop, until, waker_at, worker
from tests.edge.conftest import Stand
from tests.edge.load import Load
from tests.stack.docker import DockerDaemon
from tests.stack.docker_engine import PYTHON, ImageEngine, engine_on

pytestmark = pytest.mark.django_db(transaction=True)
JOB = {"name": "tick", "schedule": "0 * * * *", "command": 'echo "$GREETING from $(ls /srv)"'}


class DockerShop(Shop):
    """Its app is an image."""

    image: str
    engine: ImageEngine

    def built(self, deployment: Deployment, code: str) -> dict[str, Any]:
        return {"kind": "image", "image": self.image}

    def containers(self) -> set[str]:
        """Those that run of it, as Docker calls them."""
        found = self.engine.daemon.api.containers(filters=self.engine.names.filters())
        return {name.removeprefix("/") for one in found for name in one["Names"]}

    def as_rows_say(self) -> bool:
        return self.containers() == {f"brainpod-{row.pk}" for row in self.serving()}


@pytest.fixture
def image(docker_daemon: DockerDaemon, python_image: str) -> str:
    """The server of these tests in an image of its own."""
    client = docker_daemon.client()
    write = ["python3", "-c", "import os; open('/srv/server.py', 'w').write(os.environ['CODE'])"]
    container = client.containers.create(PYTHON, write, user="root", environment={"CODE": SERVER})
    container.start()
    assert container.wait()["StatusCode"] == 0
    changes = ["USER app", "ENV CODE=", 'CMD ["python3", "-u", "/srv/server.py"]']
    made = container.commit(repository="brainpod-test/server", tag="1", changes=changes)
    container.remove()
    return str(made.id)


@pytest.fixture
def shop(
    docker_daemon: DockerDaemon,
    image: str,
    front_door: Stand,
    team: Team,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[DockerShop]:
    with engine_on(docker_daemon) as (engine, _):
        monkeypatch.setattr(engines, "engine", lambda: engine)
        monkeypatch.setattr(secretstore, "secrets", lambda: None)  # nothing here has a secret
        monkeypatch.setattr(edge, "edge", lambda: front_door.edge)
        made = DockerShop(front_door, alice, team)
        made.image, made.engine = image, engine
        yield made
        for workload in engine.workloads():
            engine.stop({"id": workload}, 0)


def under_load(shop: DockerShop, change: Callable[[], object], done: Callable[[], bool]) -> None:
    """Make a change while six clients ask; none of them notices, and the containers are as the rows say."""
    with Load(shop.stand.port, shop.host) as load:
        change()
        until(lambda: not shop.control().due and done(), what=f"for the change: {shop.words()}")
        until(shop.as_rows_say, what="for the replaced to end")
        answered = load.answered
        until(lambda: load.answered > answered + 20)
    assert load.failures == [], shop.words()


def test_restart_scale_stop_start_sleep_wake_a_job_and_a_release_command(shop: DockerShop, alice: User) -> None:
    deployment = shop.deploy(
        env={"GREETING": "hello"}, release='echo "released: $GREETING with $(ls /srv)"', sleepAfter=5, jobs=[JOB],
        scaling="auto", minReplicas=1, maxReplicas=3,
    )  # fmt: skip
    assert deployment.state == "ready", deployment.error
    assert "released: hello with server.py" in [line.text for line in reader.read(deployment.stream)]
    pod, control = shop.pod, lifecycle.control_of(shop.pod.pk, "web")
    with worker(), waker_at(shop.stand.root / "run" / "sockets.sock"):
        (first,) = shop.containers()
        under_load(
            shop,
            lambda: lifecycle.restart(pod=pod, app="web", by=alice),
            lambda: first not in {f"brainpod-{row.pk}" for row in shop.serving()},
        )
        for count in (2, 1):
            control.refresh_from_db()
            under_load(
                shop,
                lambda count=count: lifecycle.scale(control=control, count=count, words=f"now {count}"),  # type: ignore[misc]
                lambda count=count: len(shop.serving()) == count,  # type: ignore[misc]
            )
        lifecycle.stop(pod=pod, app="web", by=alice)
        until(lambda: shop.running() == 0)
        assert (shop.containers(), shop.ask()[0]) == (set(), 503)
        lifecycle.start(pod=pod, app="web", by=alice)
        until(lambda: shop.ask()[0] == 200)
        control.refresh_from_db()
        fingerprint = Release.of(pod.live).fingerprint("web")  # type: ignore[arg-type]
        assert lifecycle.put_to_sleep(control=control, fingerprint=fingerprint, words="idle")
        until(lambda: shop.running() == 0)
        assert shop.containers() == set()
        assert shop.ask(method="POST", body=b"wake up") == (200, "wake up")
        until(shop.as_rows_say)
    assert Workload.objects.filter(pod=pod).count() == 5, "restarted, one more, started, woken"
    assert "Woken by a request" in shop.words()

    tick = Job.objects.get(pod=pod, app="web", name="tick")
    assert tick.next_at is not None
    tend.plan(tick, tick.next_at + datetime.timedelta(seconds=1))
    due = JobRun.objects.get(pod=pod)
    runner.run(due.pk)
    due.refresh_from_db()
    assert (due.state, due.trigger, due.reason) == ("succeeded", "schedule", "")
    assert "hello from server.py" in [line.text for line in reader.read(due.stream)]
    assert shop.as_rows_say(), "the container of the run has gone"
