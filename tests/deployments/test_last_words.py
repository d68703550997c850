"""Why an app did not come up, read from its own last lines; with the real engine."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from apps import engines
from apps.core.errors import UserError
from apps.deployments import health
from apps.deployments.models import Workload
from apps.engines.base import LaunchSpec, State
from apps.engines.process.client import ProcessEngine
from tests.engines.workloads import name, until

CHECK = health.Check("/", 1.0, "shop.localhost")
ANSWERS = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print({said!r}, flush=True)
        self.send_response({status})
        self.end_headers()
http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Apps:
    """Starts apps and stops them afterwards."""

    def __init__(self, engine: ProcessEngine) -> None:
        self.engine = engine
        self.handles: list[dict[str, object]] = []

    def start(self, program: str) -> Workload:
        command = ("python3", "-c", program)
        handle = self.engine.launch(
            LaunchSpec(id=name("said"), pod="pod-a", command=command, env={}, port=8080, grace=1.0)
        )
        self.handles.append(handle)
        return Workload(app="web", handle=handle)

    def crashed(self, program: str) -> UserError:
        workload = self.start(program)
        until(lambda: self.engine.status(workload.handle).state == State.RESTARTING, "the app to end")
        return health._diagnosis(workload, CHECK, health.Seen())


@pytest.fixture
def apps(engine_agent: ProcessEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Apps]:
    monkeypatch.setattr(engines, "engine", lambda: engine_agent)
    started = Apps(engine_agent)
    yield started
    for handle in started.handles:
        engine_agent.stop(handle, 1.0)


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("import flask_that_is_not_there", "module_not_found", "flask_that_is_not_there"),
        ("import os; os.environ['DATABASE_URL']", "variable_missing", "status 1"),
        ("print('no licence'); raise SystemExit(3)", "app_exited", "exit code 3: no licence"),
        ("print('done')", "app_exited", "exit code 0: done"),
    ],
)
def test_a_crash_is_told_by_what_the_app_said(apps: Apps, program: str, code: str, said: str) -> None:
    error = apps.crashed(program)
    assert (error.code, said in str(error)) == (code, True), str(error)
    assert "web ended by itself" in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ("Invalid HTTP_HOST header: 'shop.localhost'.", 400, "host_not_allowed"),
        ('connection to server at "db", port 5432 failed', 500, "database_unreachable"),
        ("Cannot find module 'left-pad'", 500, "health_check_status"),
        ("GET /", 404, "health_check_status"),
    ],
)
def test_a_bad_answer_is_told_by_what_is_behind_it(apps: Apps, said: str, status: int, code: str) -> None:
    workload = apps.start(ANSWERS.format(said=said, status=status))
    seen = health.Seen()
    with httpx.Client(transport=health._transport(workload.address)) as client:
        until(lambda: _asked(client, workload, seen), "the app to answer")
    error = health._diagnosis(workload, CHECK, seen)
    assert error.code == code
    assert f"/ answered {status}" in error.message


def _asked(client: httpx.Client, workload: Workload, seen: health.Seen) -> bool:
    status = engines.engine().status(workload.handle)
    assert health._web(client, CHECK, workload, status, seen) == ""
    return "answered" in seen.words
