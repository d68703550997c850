"""Why an app did not come up, read from its own last lines; with the real engine."""

from __future__ import annotations

import asyncio

import pytest

from apps.core.errors import UserError
from apps.deployments import checks, health, rollout
from apps.deployments.models import Workload
from apps.engines.base import State
from tests.deployments.started import Apps
from tests.engines.workloads import until

CHECK = checks.Check("http", host="shop.localhost", window=1.0)
NOTHING = checks.Found(False, "nothing answered")
ANSWERS = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print({said!r}, flush=True)
        self.send_response({status})
        self.end_headers()
http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""


def crashed(apps: Apps, program: str) -> UserError:
    workload = apps.start(program)
    until(lambda: apps.engine.status(workload.handle).state == State.RESTARTING, "the app to end")
    return health._diagnosis(workload, CHECK, NOTHING)


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
    error = crashed(apps, program)
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
    found = until(lambda: _answer(workload), "the app to answer")
    error = health._diagnosis(workload, CHECK, found)
    assert error.code == code
    assert f"/ answered {status}" in error.message


def _answer(workload: Workload) -> checks.Found | None:
    found = asyncio.run(checks.http(workload.address, CHECK))
    assert not found.healthy
    return found if "answered" in found.words else None


def test_what_nobody_has_a_handle_of_has_last_words_too(apps: Apps) -> None:
    """Started, and whoever started it was refused the rest: its deployment ends all the same."""
    workload = apps.start("print('hello', flush=True); import time; time.sleep(600)")
    until(lambda: list(apps.engine.logs(workload.handle)), "its line")
    workload.id, workload.handle = workload.handle["id"], {}
    told: list[str] = []
    rollout._last_words(workload, told.append)
    assert told == ["web | hello"]
