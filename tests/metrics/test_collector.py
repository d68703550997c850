"""Measuring for real: nginx answers, processes run, and whatever restarts, nothing is lost or counted twice."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.core.ids import new_id
from apps.engines.base import Status
from apps.engines.process.client import ProcessEngine
from apps.metrics import collector, store
from apps.metrics.collector import Collector, measure
from apps.metrics.instances import Instance
from apps.metrics.models import Reading
from apps.metrics.steps import FINE
from tests.edge.conftest import Stand, app, wait_for
from tests.engines.workloads import running, worker

pytestmark = pytest.mark.django_db


class Away:
    """An engine that does not answer."""

    def workloads(self) -> dict[str, Status]:
        raise Unavailable("engine_unavailable", "It does not answer.")


@pytest.fixture
def pod() -> str:
    return new_id()


def serve(door: Stand, pod: str, **more: Any) -> None:
    door.apply(app("shop.test", door.upstream().address, app=f"{pod}/web", **more))


def ask(door: Stand, count: int) -> None:
    """Asked, and written into the log."""
    written = lines(door)
    for _ in range(count):
        assert door.ask("shop.test").status_code == 200
    wait_for(lambda: lines(door) == written + count)


def lines(door: Stand) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in door.edge.access_logs() if path.exists())


def nobody() -> dict[str, Instance]:
    return {}


def made(door: Stand, **more: Any) -> Collector:
    return Collector(more.pop("engine", Away()), door.edge, more.pop("instances", nobody), **more)


def requests(pod: str) -> int:
    found = store.totals().get((pod, "web"))
    return found.requests if found else 0


def test_requests_are_counted_once_whoever_counts(door: Stand, pod: str) -> None:
    serve(door, pod)
    one = made(door)
    one.round()
    ask(door, 3)
    one.round()
    one.round()
    assert requests(pod) == 3
    ask(door, 2)
    made(door).round()
    one.round()  # overtaken: it has to read what the other wrote
    assert requests(pod) == 5
    ask(door, 1)
    one.round()
    assert requests(pod) == 6


def test_the_log_is_put_aside_when_it_is_large(door: Stand, pod: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "LOG_BYTES", 500)
    serve(door, pod)
    old, new = door.edge.access_logs()
    one = made(door)
    for _ in range(3):
        ask(door, 4)
        one.round()
        wait_for(new.exists)
    one.round()
    assert old.exists()
    assert requests(pod) == 12


def test_a_log_of_any_size_is_read_to_its_end(door: Stand, pod: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.metrics.tail.CHUNK", 700)
    serve(door, pod)
    ask(door, 9)
    made(door).round()
    assert requests(pod) == 9


def test_a_write_that_fails_is_made_up_for(door: Stand, pod: str, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(door, pod)
    ask(door, 4)
    one = made(door)
    with monkeypatch.context() as patch:
        patch.setattr(store, "_add", broken)
        with pytest.raises(OSError):
            one.round()
    one.begin_again()
    one.round()
    assert requests(pod) == 4


def broken(_: object) -> None:
    raise OSError("the disk is full")


def test_a_clock_that_was_set_back_stores_nothing_in_the_future(door: Stand, pod: str) -> None:
    serve(door, pod)
    ask(door, 2)
    then = time.time() - 86400
    made(door, wall=lambda: then).round()
    assert [start <= then for start in store.between(pod, "web", FINE, 0, int(time.time()) + 60)] == [True]
    assert requests(pod) == 2


def test_an_engine_that_is_away_keeps_no_requests_from_being_counted(
    door: Stand, pod: str, engine_agent: ProcessEngine
) -> None:
    serve(door, pod)
    handle = engine_agent.launch(worker("sleep 600"))
    try:
        running(engine_agent, handle)
        owner = {handle["id"]: Instance(pod, "web", handle)}
        ask(door, 1)
        made(door, instances=lambda: owner).round()
        found = store.totals()[pod, "web"]
        assert (found.requests, found.looks) == (1, 0)
        clock = iter((0.0, 15.0))
        one = made(door, engine=engine_agent, instances=lambda: owner, clock=lambda: next(clock))
        one.round()
        one.round()
        found = store.totals()[pod, "web"]
        assert (found.requests, found.looks, found.watched_ms) == (1, 2, 15_000)
    finally:
        engine_agent.stop(handle, 0.5)


def test_hostile_lines_stop_nothing(door: Stand, pod: str) -> None:
    serve(door, pod)
    ask(door, 1)
    log = door.edge.layout.access_log
    good = log.read_bytes().splitlines()[-1]
    assert json.loads(good)["app"] == f"{pod}/web"
    with log.open("ab") as file:
        file.write(b"\xff\xfe{\n\n" + b"[" * 5000 + b"\n" + good[:-20] + b"\n" + good + b"\n")
    made(door).round()
    assert requests(pod) == 2


def test_the_platform_says_when_it_looked(door: Stand) -> None:
    now = 1_700_000_007.5 + FINE
    made(door, wall=lambda: now).round()
    assert store.starts(FINE, 0, int(now) + 60) == [int((now - FINE / 2) // FINE) * FINE]
    newest = store.newest()
    assert newest is not None
    assert abs(newest - time.time()) < 600


@pytest.mark.django_db(transaction=True)
def test_measuring_goes_on_until_it_is_told_to_stop(door: Stand, pod: str, wait: Callable[..., None]) -> None:
    serve(door, pod)
    stop = threading.Event()
    options: dict[str, Any] = {"source": Away(), "door": door.edge, "instances": nobody, "every": 0.2}
    thread = threading.Thread(target=measure, args=(stop,), kwargs=options)
    thread.start()
    try:
        ask(door, 2)
        wait(lambda: requests(pod) == 2)
        ask(door, 2)
        wait(lambda: requests(pod) == 4)
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert Reading.objects.get(source=collector.SOURCE).version > 1


@pytest.fixture
def wait() -> Callable[..., None]:
    return wait_for
