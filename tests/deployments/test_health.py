"""Health checks of each type against real apps: what passes, and in which words the rest fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.core.errors import UserError
from apps.deployments import checks, health
from apps.deployments.checks import Check
from apps.deployments.models import Workload
from tests.deployments.started import Apps, server
from tests.engines.workloads import running, until

SLEEPS = "import time; time.sleep(600)"
PATIENT = 45.0  # seconds: what is to pass has this long


def wait(workload: Workload, **check: Any) -> tuple[str, list[str]]:
    """What the passing check saw, and what was told when the window had passed."""
    told: list[str] = []
    given: dict[str, Any] = {"type": "http", "window": PATIENT, "host": "shop.localhost"}
    words = health.wait(workload, Check(**given | check), tick=lambda: None, degraded=told.append)
    return words, told


def refused(workload: Workload, **check: Any) -> UserError:
    with pytest.raises(UserError) as refusal:
        wait(workload, **{"window": 0.6, **check})
    return refusal.value


@pytest.mark.parametrize("status", [200, 204, 302])
def test_what_answers_2xx_or_3xx_is_healthy(apps: Apps, status: int) -> None:
    words, told = wait(apps.start(server(status=status)), path="/up")
    assert (words, told) == (f"/up answered {status}", [])


def test_a_port_that_takes_connections_is_healthy(apps: Apps) -> None:
    program = "import os, socket, time; s = socket.create_server(('0.0.0.0', int(os.environ['PORT']))); time.sleep(600)"
    assert wait(apps.start(program), type="tcp") == ("$PORT takes connections", [])


def test_a_command_that_ends_with_0_is_healthy(apps: Apps) -> None:
    workload = apps.start(SLEEPS, env={"MOOD": "fine"})
    assert wait(workload, type="command", command='test "$MOOD" = fine')[0] == "the check command ended with 0"


def test_a_worker_is_healthy_once_it_has_run_for_a_moment(apps: Apps) -> None:
    words, _ = wait(apps.start(SLEEPS, port=None), type="alive")
    assert words.startswith("running for")


def test_degraded_is_told_once_before_it_fails(apps: Apps) -> None:
    workload = apps.listening(server(status=404))
    told: list[str] = []
    with pytest.raises(UserError) as refusal:
        health.wait(workload, Check("http", window=0.5), tick=lambda: None, degraded=told.append)
    assert told == ["/ answered 404"]
    assert refusal.value.code == "health_check_status"
    assert "was not healthy within 0 s: / answered 404" in refusal.value.message


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_nothing_listens(apps: Apps, kind: str) -> None:
    workload = apps.start(SLEEPS)
    running(apps.engine, workload.handle)
    error = refused(workload, type=kind)
    assert error.code == "not_listening"
    assert "listens on nothing yet; it should listen on $PORT" in error.message


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_it_listens_on_another_port(apps: Apps, kind: str) -> None:
    if not apps.engine.check().sandbox:
        pytest.skip("without a sandbox its sockets cannot be told from the host's")
    workload = apps.start(server(host="127.0.0.1", port="5000"))
    until(lambda: "5000" in (apps.engine.probe(workload.handle) or ""), "the port to show")
    error = refused(workload, type=kind)
    assert error.code == "not_listening"
    assert "listens on 127.0.0.1:5000, not on $PORT 8080" in error.message
    assert "0.0.0.0" in error.hint


def test_it_is_too_slow(apps: Apps) -> None:
    error = refused(apps.listening(server(pause=600)), path="/slow", timeout=0.3)
    assert error.code == "health_check_timeout"
    assert "/slow did not answer within 0.3 s" in error.message


def test_it_speaks_no_http(apps: Apps) -> None:
    program = (
        "import os, socket\n"
        "s = socket.create_server(('0.0.0.0', int(os.environ['PORT'])))\n"
        "while True:\n"
        "    c, _ = s.accept(); c.recv(100); c.sendall(b'220 mail.example.org ready\\r\\n'); c.close()\n"
    )
    error = refused(apps.listening(program))
    assert error.code == "health_check_status"
    assert "/ did not answer in HTTP" in error.message


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("echo looking; echo queue is stuck >&2; exit 7", "health_check_command", "ended with 7: queue is stuck"),
        ("false", "health_check_command", "the check command ended with 1."),
        ("sleep 600", "health_check_timeout", "the check command did not end within 0.3 s"),
    ],
)
def test_a_command_that_fails(apps: Apps, command: str, code: str, words: str) -> None:
    workload = apps.start(SLEEPS)
    running(apps.engine, workload.handle)
    error = refused(workload, type="command", command=command, timeout=0.3 if "sleep" in command else 20.0)
    assert (error.code, words in error.message) == (code, True), error.message
    assert error.hint


def test_an_answer_that_never_ends_is_an_answer(apps: Apps) -> None:
    program = server().replace("self.end_headers()", "self.end_headers(); self.wfile.write(b'x'); time.sleep(600)")
    workload = apps.listening(program)
    found = asyncio.run(checks.http(workload.address, Check("http")))
    assert (found.healthy, found.words) == (True, "/ answered 200")


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ({}, "http"),
        ({"type": "web", "healthCheckType": "tcp"}, "tcp"),
        ({"type": "web", "healthCheckType": "command", "healthCheckCommand": "true"}, "command"),
        ({"type": "web", "healthCheckCommand": "true"}, "http"),
        ({"type": "worker"}, "alive"),
        ({"type": "worker", "healthCheckCommand": "true"}, "command"),
    ],
)
def test_a_spec_asks_for_a_check(spec: dict[str, str], kind: str) -> None:
    check = Check.of_app(spec, "shop")
    assert (check.type, check.window, check.interval, check.threshold, check.timeout) == (kind, 60, 10, 3, 10)
    assert check.host.startswith("shop.")
