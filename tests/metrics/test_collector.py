"""Measuring for real: nginx answers, processes run, and whatever restarts, nothing is lost or counted twice."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.core.ids import new_id
from apps.edge.journal.entry import Filter
from apps.edge.journal.search import back
from apps.engines.base import Status
from apps.engines.process.client import ProcessEngine
from apps.metrics import collector, store
from apps.metrics.collector import Collector, measure
from apps.metrics.instances import Instance, Watch, on
from apps.metrics.models import Reading
from apps.metrics.steps import COARSE, FINE, routes_of
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
    watch = Watch(more.pop("engine", Away()), more.pop("instances", nobody))
    return Collector([watch], door.edge, **more)


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


def kept(door: Stand, pod: str) -> int:
    return len(back(door.edge.journal(), Filter(pod), limit=1000).entries)


def test_one_reading_serves_the_figures_and_the_request_log(door: Stand, pod: str) -> None:
    door.apply(replace(app("shop.test", door.upstream().address, app=f"{pod}/web"), route=f"{pod}/site"))
    one = made(door)
    one.round()
    ask(door, 3)
    one.read()
    assert (kept(door, pod), requests(pod)) == (3, 0)  # people see them at once, figures are written by the round
    one.close()  # and it dies before that
    ask(door, 2)
    another = made(door)
    another.round()
    assert (kept(door, pod), requests(pod)) == (5, 5)
    another.read()
    another.round()
    assert (kept(door, pod), requests(pod)) == (5, 5)
    by_route = store.between(routes_of(pod), "site", COARSE, 0, int(time.time()) + 60)
    assert sum(sums.succeeded for sums in by_route.values()) == 5


def test_what_a_route_answers_without_an_app_is_its_own(door: Stand, pod: str) -> None:
    door.apply(replace(app("shop.test", door.upstream().address), route=f"{pod}/site", answer="maintenance"))
    assert door.ask("shop.test").status_code == 503
    wait_for(lambda: lines(door) == 1)
    made(door).round()
    (sums,) = store.between(routes_of(pod), "site", COARSE, 0, int(time.time()) + 60).values()
    assert (sums.failed, sums.requests, sums.timed) == (1, 1, 1)
    assert requests(pod) == 0
    assert store.totals() == {}


def test_a_request_log_that_cannot_be_written_stops_no_figures(door: Stand, pod: str) -> None:
    serve(door, pod)
    door.edge.journal().parent.mkdir(exist_ok=True)
    door.edge.journal().write_text("no directory")
    ask(door, 2)
    made(door).round()
    assert requests(pod) == 2


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


def test_an_engine_that_is_away_keeps_nobody_from_measuring_the_others(
    door: Stand, pod: str, engine_agent: ProcessEngine
) -> None:
    handle = engine_agent.launch(worker("sleep 600"))
    try:
        running(engine_agent, handle)
        known = {
            handle["id"]: Instance(pod, "web", handle, "process"),
            "far": Instance(pod, "web", {"id": "far"}, "docker"),
        }
        asked: list[tuple[str, Any]] = [("docker", Away()), ("process", engine_agent)]
        watches = [Watch(one, on(name, lambda: known)) for name, one in asked]
        row = store.reading("host")
        store.write(row, {"restarts": {"far": 2}}, {})
        Collector(watches, door.edge).round()
        assert store.totals()[pod, "web"].looks == 1
        assert Reading.objects.get().state["restarts"] == {"far": 2, handle["id"]: 0}
    finally:
        engine_agent.stop(handle, 0.5)
