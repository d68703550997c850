"""What serves is checked for as long as it serves: real apps, a real edge, and the checker beside them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from apps import edge, engines
from apps.core.ids import new_id
from apps.deployments import checker
from apps.deployments.desired import edge_state
from apps.deployments.models import AppEvent, Workload
from apps.engines.base import LaunchSpec, State
from apps.engines.process.client import ProcessEngine
from apps.pods.models import Pod, Revision
from tests.edge.conftest import Stand, prepared
from tests.engines.workloads import running, until
from tests.stack.engine import EngineAgent

pytestmark = pytest.mark.django_db(transaction=True)

MOODY = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    status = 200
    def do_GET(self):
        asked = self.path.strip("/")
        if asked.isdigit():
            Handler.status = int(asked)
        self.send_response(200 if asked else Handler.status)
        self.end_headers()
        self.wfile.write(os.environ["NAME"].encode())
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""
"""An app that answers / with what it was told last: /500, /200."""


@pytest.fixture
def engine(engine_agent: ProcessEngine, monkeypatch: pytest.MonkeyPatch) -> ProcessEngine:
    monkeypatch.setattr(engines, "engine", lambda: engine_agent)
    return engine_agent


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with prepared() as stand:
        stand.start()
        monkeypatch.setattr(edge, "edge", lambda: stand.edge)
        yield stand


@pytest.fixture
def pod(live: Revision) -> Pod:
    """Checked every second, unhealthy after two failures."""
    quick = {"healthCheckInterval": 1, "healthCheckThreshold": 2, "healthCheckAttemptTimeout": 30}
    app = live.resources.get(name="web")
    live.resources.filter(name="web").update(spec={**app.spec, **quick})
    return live.pod


@pytest.fixture
def serve(pod: Pod, live: Revision, engine: ProcessEngine) -> Iterator[Callable[..., Workload]]:
    started: list[Workload] = []

    def make(replica: int = 1, *, command: tuple[str, ...] = ("python3", "-c", MOODY), **fields: Any) -> Workload:
        given = {"state": "healthy", "serving": True, "fingerprint": "f", "app": "web"} | fields
        row = Workload.objects.create(pod=pod, revision=live, replica=replica, **given)
        spec = LaunchSpec(
            id=row.pk, pod=pod.pk, command=command, env={"NAME": str(row)}, port=8080, grace=1.0
        )  # fmt: skip
        row.handle = engine.launch(spec)
        row.save()
        started.append(row)
        running(engine, row.handle)
        return row

    yield make
    for row in started:
        engine.stop(row.handle, 1.0)


@pytest.fixture
def checking() -> Iterator[None]:
    """The checker, for as long as the test runs."""
    stop = threading.Event()
    thread = threading.Thread(target=checker.check, args=(stop,), daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


def tell(row: Workload, status: int) -> None:
    """Have the app answer its health check with `status` from now on."""
    transport = httpx.HTTPTransport(uds=row.address.removeprefix("unix:"))
    with httpx.Client(transport=transport, timeout=60) as client:
        until(lambda: _told(client, status), "the app to hear")


def _told(client: httpx.Client, status: int) -> bool:
    try:
        return client.get(f"http://app/{status}").status_code == 200
    except httpx.HTTPError:
        return False


def becomes(row: Workload, state: str) -> Workload:
    until(lambda: Workload.objects.filter(pk=row.pk, state=state).exists(), f"{row} to be {state}")
    row.refresh_from_db()
    return row


def words() -> list[str]:
    return list(AppEvent.objects.order_by("id").values_list("words", flat=True))


@pytest.mark.usefixtures("checking")
def test_what_fails_is_unhealthy_and_healthy_again_once_it_passes(serve: Callable[..., Workload]) -> None:
    row = serve()
    tell(row, 503)
    becomes(row, "unhealthy")
    assert row.failing == row.reason == "/ answered 503, 2 times in a row"
    assert row.since is not None
    tell(row, 200)
    becomes(row, "healthy")
    assert (row.failing, row.reason) == ("", "")
    until(lambda: len(words()) == 2, "both to be told")
    first, second = words()
    assert first == "Unhealthy: / answered 503, 2 times in a row."
    assert second.startswith("Healthy again after ")
    assert second.endswith(": / answered 200.")


@pytest.mark.usefixtures("checking")
def test_what_starts_is_healthy_with_its_first_check(serve: Callable[..., Workload]) -> None:
    becomes(serve(state="starting"), "healthy")


@pytest.mark.usefixtures("checking")
def test_a_port_nobody_listens_on_is_told_so(serve: Callable[..., Workload]) -> None:
    row = becomes(serve(command=("sleep", "600")), "unhealthy")
    assert "listens on nothing yet; it should listen on $PORT" in row.reason


@pytest.mark.usefixtures("checking")
def test_a_worker_is_checked_by_its_command(serve: Callable[..., Workload], live: Revision) -> None:
    resource, mark = live.resources.get(name="web"), f"/tmp/stuck-{new_id()}"
    spec = {**resource.spec, "type": "worker", "healthCheckCommand": f"test -e {mark} && echo stuck && exit 3; true"}
    live.resources.filter(name="web").update(spec=spec)
    row = serve(state="starting", command=("sh", "-c", "sleep 600"))
    becomes(row, "healthy")
    assert engines.engine().exec(row.handle, ("touch", mark))[0] == 0
    becomes(row, "unhealthy")
    assert row.reason == "the check command ended with 3: stuck, 2 times in a row"
    engines.engine().exec(row.handle, ("rm", mark))
    becomes(row, "healthy")


@pytest.mark.usefixtures("checking")
def test_traffic_goes_to_the_healthy_while_there_is_one(
    serve: Callable[..., Workload], door: Stand, pod: Pod, live: Revision
) -> None:
    first, second = serve(1), serve(2)
    live.resources.create(kind="Route", name="www", spec={"rules": [{"path": "/", "app": "web"}]})
    pod.hosts.create(host="shop.test", route="www")
    for row in (first, second):
        tell(row, 200)
    door.edge.apply(edge_state)

    def answering() -> set[str]:
        return {door.ask("shop.test", "/name").text for _ in range(8)}

    until(lambda: answering() == {"web.1", "web.2"}, "both to have traffic")
    tell(first, 500)
    becomes(first, "unhealthy")
    until(lambda: answering() == {"web.2"}, "the unhealthy one to be without")
    tell(second, 500)
    becomes(second, "unhealthy")
    until(lambda: answering() == {"web.1", "web.2"}, "both, since none is better")
    tell(first, 200)
    becomes(first, "healthy")
    until(lambda: answering() == {"web.1"}, "the healthy one alone")
    tell(second, 200)
    becomes(second, "healthy")
    until(lambda: answering() == {"web.1", "web.2"}, "both again")


def test_without_an_answer_of_the_engine_nothing_is_concluded(
    live: Revision, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = EngineAgent()
    try:
        agent.start()
        monkeypatch.setattr(engines, "engine", lambda: agent.engine)
        row = Workload.objects.create(pod=pod, revision=live, app="web", state="healthy", serving=True)
        spec = LaunchSpec(id=row.pk, pod=pod.pk, command=("sleep", "600"), env={}, port=8080, grace=1.0)
        row.handle = agent.engine.launch(spec)
        row.save()
        check = checker.Check("command", command="true")
        until(lambda: checker._beside(row, check), "a check that passes")
        http = checker.Found(False, checker.checks.NOBODY)
        assert "listens on nothing" in checker._explained(row, checker.Check("http"), http)
        agent.kill()
        assert agent.engine.status(row.handle).state is State.UNKNOWN
        assert checker._beside(row, check) is None
        assert checker._explained(row, checker.Check("http"), http) == ""
        agent.start()
        until(lambda: checker._beside(row, check), "a check that passes again")
    finally:
        agent.remove()
