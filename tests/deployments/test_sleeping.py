"""Asleep when idle, awake for a request: none is lost, however many come at once and whoever dies on the way."""

from __future__ import annotations

import asyncio
import datetime
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.utils import timezone

from apps import engines
from apps.accounts.models import User
from apps.deployments import lifecycle, reconcile, regulation, settling, waker
from apps.deployments.models import AppControl, Deployment, Workload
from apps.deployments.release import Release
from apps.deployments.waker import Look, Waker
from apps.edge.access_log import Served
from apps.metrics import store
from apps.metrics.steps import Batch
from tests.deployments.standing import Shop, until, waker_at, worker

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = datetime.timedelta(hours=1)


@pytest.fixture
def door(shop: Shop) -> Iterator[None]:
    with waker_at(shop.stand.root / "run" / "sockets.sock"):
        yield


def asleep(shop: Shop) -> None:
    assert shop.pod.live is not None
    control = lifecycle.control_of(shop.pod.pk, "web")
    fingerprint = Release.of(shop.pod.live).fingerprint("web")
    assert lifecycle.put_to_sleep(control=control, fingerprint=fingerprint, words="No request for 5 minutes")
    shop.settle()
    assert (shop.running(), shop.control().due) == (0, False)
    assert shop.control().asleep_since is not None


def test_fifty_at_once_are_all_answered_and_it_is_started_once(shop: Shop, door: None) -> None:
    shop.deploy(sleepAfter=5, env={"LATE": "1"})
    generation = shop.stand.edge.generation()
    asleep(shop)
    before = Workload.objects.filter(pod=shop.pod).count()
    bodies = [f"{number:02d}".encode() * 20_000 for number in range(50)]

    def ask(number: int) -> str:
        if number % 2:
            status, text = shop.ask(method="POST", body=bodies[number])
            return f"{status} {text == bodies[number].decode()}"
        return f"{shop.ask()[0]} True"

    with worker(), ThreadPoolExecutor(50) as people:
        assert Counter(people.map(ask, range(50))) == {"200 True": 50}
    assert Workload.objects.filter(pod=shop.pod).count() == before + 1
    assert shop.control().asleep_since is None
    assert [words for words in shop.words() if words == "Woken by a request"] == ["Woken by a request"]
    assert shop.stand.edge.generation() == generation, "to sleep and to wake, nginx reads no configuration"
    assert shop.ask()[0] == 200


def test_several_instances_and_one_path_of_a_host_only(shop: Shop, door: None) -> None:
    shop.save("App", "api", type="web", source={"repo": "https://git.example.com/a/b.git"}, env=[])
    shop.save("Route", "front", rules=[{"path": "/", "app": "web"}, {"path": "/api", "app": "api", "strip": True}])
    shop.deploy(sleepAfter=5, replicas=2)
    asleep_web = lifecycle.control_of(shop.pod.pk, "web")
    assert shop.pod.live is not None
    fingerprint = Release.of(shop.pod.live).fingerprint("web")
    assert lifecycle.put_to_sleep(control=asleep_web, fingerprint=fingerprint, words="idle")
    shop.settle()
    assert [row.app for row in shop.serving()] == ["api"]
    assert shop.ask("/api")[0] == 200, "the other app's requests wait for nothing"
    assert shop.control().asleep_since is not None
    with worker():
        assert shop.ask()[0] == 200
    assert [row.app for row in shop.serving()].count("web") == 2


@pytest.mark.parametrize("where", ["settling.recorded", "workload.launched", "settling.moved"])
def test_a_worker_killed_while_it_wakes_loses_no_request(
    shop: Shop, door: None, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    shop.deploy(sleepAfter=5)
    asleep(shop)

    class Killed(BaseException):
        pass

    def die(name: str, *about: object) -> None:
        if name == where:
            raise Killed

    with ThreadPoolExecutor(8) as people:
        asked = [people.submit(shop.ask, "/", "POST", b"body") for _ in range(8)]
        until(lambda: shop.control().due)
        with monkeypatch.context() as patched:
            for module in (settling, settling.launch):
                patched.setattr(module, "failpoint", die)
            with pytest.raises(Killed):
                shop.settle()
        reconcile.reconcile()
        with worker():
            assert [one.result() for one in asked] == [(200, "body")] * 8
    until(lambda: not shop.control().due)
    reconcile.reconcile()
    assert shop.running() == 1


def test_one_that_cannot_be_woken_says_so_and_is_left_alone_for_a_while(
    shop: Shop, door: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deploy(sleepAfter=5, healthCheckTimeout=1)
    asleep(shop)
    before = Workload.objects.filter(pod=shop.pod).count()
    monkeypatch.setattr(settling.launch, "PORT", 0)
    real = settling.launch.spec_of
    monkeypatch.setattr(
        settling.launch, "spec_of", lambda *given: type(real(*given))(**_fields(real(*given), command=("false",)))
    )
    with worker():
        status, page = shop.ask()
        assert (status, "It could not be woken" in page) == (503, True)
        assert shop.ask(method="POST", body=b"x")[0] == 503
    assert Workload.objects.filter(pod=shop.pod).count() == before + 1
    assert shop.words()[-1].startswith("It could not be woken. web ended by itself")
    assert shop.control().asleep_since is not None
    monkeypatch.undo()


def _fields(spec: object, **other: object) -> dict[str, object]:
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__} | other  # type: ignore[attr-defined]


def test_a_stopped_app_is_not_woken(shop: Shop, door: None, alice: User) -> None:
    shop.deploy(sleepAfter=5)
    asleep(shop)
    lifecycle.stop(pod=shop.pod, app="web", by=alice)
    shop.settle()
    assert "This app has been stopped" in shop.ask()[1]
    assert waker.look(shop.pod.pk, "web") == Look(hopeless=True)
    assert shop.running() == 0


def test_a_deployment_leaves_asleep_what_is_unchanged_and_wakes_what_is_not(shop: Shop) -> None:
    shop.deploy(sleepAfter=5)
    asleep(shop)
    same = shop.run(
        Deployment.objects.create(pod=shop.pod, revision=shop.pod.live, trigger="redeploy")  # type: ignore[misc]
    )
    assert same.state == "ready"
    assert same.stages.get(stage="launch").note == "Asleep and unchanged: the next request starts it."
    assert shop.running() == 0
    other = shop.deploy(sleepAfter=5, env={"GREETING": "new"})
    assert other.state == "ready"
    assert shop.control().asleep_since is None
    assert "new" in shop.ask()[1]


def measured(shop: Shop, *, requests: tuple[float, ...] = (), cpu: float | None = None, memory: int = 100) -> None:
    """Figures as the collector writes them: requests so many seconds ago, and every stretch of the last ten minutes."""
    now = time.time()
    batch = Batch()
    batch.at("", "", now).looks += 1
    for ago in requests:
        batch.at(shop.pod.pk, "web", now - ago).count(Served(shop.pod.pk, "web", now - ago, 200, 5, 1, 1))
    for back in range(0, 600, 15) if cpu is not None else ():
        sums = batch.at(shop.pod.pk, "web", now - back)
        sums.cpu_ms, sums.watched_ms = round((cpu or 0) * 15_000), 15_000
        sums.look(memory_mb=memory)
    row = store.reading("host")
    store.write(row, {}, batch.buckets())


def idle_since(shop: Shop, moment: datetime.datetime) -> None:
    Workload.objects.filter(pod=shop.pod).update(created_at=moment)
    Deployment.objects.filter(pod=shop.pod).update(switched_at=moment)
    AppControl.objects.filter(pod=shop.pod).update(active_at=moment)


def test_it_falls_asleep_without_requests_and_not_while_anything_speaks_against_it(shop: Shop) -> None:
    shop.deploy(sleepAfter=5)

    def falls() -> bool:
        regulation.regulate()
        return AppControl.objects.filter(pod=shop.pod, asleep_since__isnull=False).exists()

    idle_since(shop, timezone.now() - LONG_AGO)
    assert not falls(), "nothing was ever measured"
    measured(shop, requests=(3000.0, 120.0))
    assert not falls(), "a request two minutes ago"
    idle_since(shop, timezone.now())
    store.forget([shop.pod.pk])
    assert not falls(), "deployed just now"
    idle_since(shop, timezone.now() - LONG_AGO)
    with socket.create_connection(("127.0.0.1", shop.stand.port), timeout=60) as visitor:
        visitor.sendall(f"GET /slow HTTP/1.1\r\nHost: {shop.host}\r\nConnection: close\r\n\r\n".encode())
        (row,) = shop.serving()
        until(lambda: engines.engine().connections(row.handle))
        assert not falls(), "a request is under way"
        while visitor.recv(65536):
            pass
    idle_since(shop, timezone.now() - LONG_AGO)
    until(lambda: not engines.engine().connections(row.handle))
    assert falls()
    assert shop.words() == ["No request for 5 minutes: asleep until the next one"]
    shop.settle()
    assert shop.running() == 0


def test_figures_that_stopped_coming_put_nothing_to_sleep(shop: Shop) -> None:
    shop.deploy(sleepAfter=1)
    idle_since(shop, timezone.now() - LONG_AGO)
    measured(shop)
    row = store.reading("host")
    type(row).objects.filter(pk=row.pk).update(written_at=timezone.now() - LONG_AGO)
    regulation.regulate()
    assert not AppControl.objects.filter(asleep_since__isnull=False).exists()


def test_load_adds_an_instance_with_words(shop: Shop) -> None:
    shop.deploy(scaling="auto", minReplicas=1, maxReplicas=3, targetCpu=60)
    measured(shop, cpu=0.84)
    regulation.regulate()
    assert shop.words() == ["CPU 84 % of target 60 %: 1 → 2 instances"]
    shop.settle()
    assert len(shop.serving()) == 2
    regulation.regulate()
    assert len(shop.words()) == 2, "not again at once: one line for the decision, one for the start"


def test_who_waits_is_bounded_and_asks_once() -> None:
    asked: list[str] = []

    def ask(pod: str, app: str) -> Look:
        asked.append(app)
        return Look(("unix:/somewhere",)) if len(asked) > 2 else Look()

    async def all_at_once() -> list[tuple[int, str]]:
        door = Waker(ask)
        return await asyncio.gather(*(door.address("pod", "web") for _ in range(waker.MOST_OF_APP + 5)))

    answers = Counter(asyncio.run(all_at_once()))
    assert answers == {(204, "unix:/somewhere"): waker.MOST_OF_APP, (401, ""): 5}
    assert asked == ["web"] * 3


def test_patience_ends() -> None:
    async def wait() -> tuple[int, str]:
        return await Waker(lambda pod, app: Look(), patience=0.2).address("pod", "web")

    assert asyncio.run(wait()) == (403, "")
