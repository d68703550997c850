"""`manage.py up` as a whole, and what becomes of it when its parts are killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from apps.core.ports import free_port
from apps.infrastructure.embedded import openbao, process
from brainpod.celery import PULSE
from tests.stack.components import vault_of, wait_for
from tests.stack.platform import ROOT, SERVICES, Platform, own_platform

pytestmark = pytest.mark.platform


@pytest.fixture(scope="module")
def up() -> Iterator[Platform]:
    """One for the whole module, from nothing; that a stop in order leaves nothing behind is seen at its end."""
    with own_platform(fresh=True, BRAINPOD_WORKERS="1", BRAINPOD_WEB_WORKERS="1", BRAINPOD_LOG_FORMAT="json") as made:
        yield made
        pids = [made.pid(name) for name in SERVICES]
        assert made.stop(signal.SIGTERM) == 0
        assert "everything is stopped" in made.output.read_text()
        assert not [pid for pid in pids if process.group_alive(pid)]
        wait_for(lambda: not _processes_about(made.state), what="what the services had started to end")
        assert not list((made.state / "run").glob("*.pid"))


def ask(up: Platform, path: str) -> httpx.Response:
    return httpx.get(up.address + path, headers={"Host": "localhost"}, timeout=30)


def answers(up: Platform) -> bool:
    try:
        return ask(up, "/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def log_of(up: Platform, service: str) -> str:
    return (up.state / "log" / f"{service}.log").read_text(errors="replace")


def test_it_says_what_a_newcomer_needs(up: Platform) -> None:
    told = up.output.read_text()
    assert f"Dashboard  http://localhost:{up.port}" in told
    assert "Sign in    http://localhost" in told
    assert answers(up)


def test_the_link_opens_the_first_page_and_stands_in_no_log(up: Platform) -> None:
    path = up.output.read_text().partition("Sign in    http://localhost")[2].split()[0].partition("/")[2]
    token = path.strip("/").split("/")[-1]
    assert len(token) > 30
    assert ask(up, f"/{path}").status_code == 200
    never = ask(up, f"/sign-in/{token[::-1]}/")
    assert never.status_code >= 400
    access = up.state / "nginx" / "logs" / "access.log"
    wait_for(lambda: never.headers["X-Request-ID"] in access.read_text(), what="the access log")
    assert '"path":"/sign-in/…"' in access.read_text()
    logs = [*up.state.glob("log/*"), *up.state.glob("nginx/logs/*")]
    for word in (token, token[::-1]):
        assert [log.name for log in logs if word in log.read_text(errors="replace")] == []


def test_lines_are_json_and_carry_the_number_of_the_request_or_the_task(up: Platform) -> None:
    number = ask(up, "/nothing-here").headers["X-Request-ID"]
    wait_for(lambda: number in log_of(up, "pages"), what="the line of the request")
    wait_for(lambda: " succeeded in " in log_of(up, "worker"), 90, "a task")
    logs = [log_of(up, name) for name in ("pages", "worker", "beat", "logs")]
    # A line that is being written may be seen in part: the last one of a log counts once it has its end.
    lines = [line for log in logs for line in log[: log.rfind("\n") + 1].splitlines()]
    entries = [json.loads(line) for line in lines]
    assert all({"timestamp", "level", "message"} <= entry.keys() for entry in entries)
    found = [entry for entry in entries if entry.get("request") == number]
    assert [entry["message"] for entry in found] == ["Not Found: /nothing-here"]
    done = next(entry for entry in entries if " succeeded in " in entry["message"])
    assert done["task"] in done["message"]


def test_a_worker_that_hangs_can_be_told(up: Platform) -> None:
    """By a file that it touches though it has nothing to do (apps/infrastructure/embedded/services.py)."""
    sign = up.state / "run" / "worker.ready"
    last = sign.stat().st_mtime_ns
    wait_for(lambda: sign.stat().st_mtime_ns != last, 60, "a sign of life")
    worker = up.pid("worker")
    os.kill(worker, signal.SIGSTOP)
    try:
        last = sign.stat().st_mtime_ns
        time.sleep(PULSE * 1.5)
        assert sign.stat().st_mtime_ns == last
    finally:
        os.kill(worker, signal.SIGCONT)


def test_browsers_that_come_all_at_once_find_room(up: Platform) -> None:
    """As after a restart; the process that takes them is stopped, so that none of them is taken meanwhile."""
    sockets = up.pid("sockets")
    os.kill(sockets, signal.SIGSTOP)
    try:
        with ExitStack() as stack:
            for _ in range(100):
                browser = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                browser.setblocking(False)  # as nginx does
                browser.connect(str(up.state / "run" / "sockets.sock"))
    finally:
        os.kill(sockets, signal.SIGCONT)


def test_a_second_one_is_refused_and_says_which_runs(up: Platform) -> None:
    done = up.manage("up", "--no-demo", check=False)
    assert done.returncode == 1
    assert f"process {up.pid('supervisor')}" in done.stderr
    assert answers(up)


def test_a_port_that_is_taken_is_said_before_anything_starts(up: Platform, short_state: Path) -> None:
    """Here the platform itself is what has it."""
    up_there = {**up.env, "BRAINPOD_STATE": str(short_state)}
    done = subprocess.run(
        [sys.executable, "manage.py", "up", "--no-demo"],
        cwd=ROOT, env=up_there, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"127.0.0.1:{up.port} cannot be used" in done.stderr
    assert f"BRAINPOD_PORT={up.port + 1} make up" in done.stderr
    assert not list(short_state.glob("log/*"))


def test_a_sandbox_that_is_required_and_cannot_be_made_ends_the_start(short_state: Path) -> None:
    broken = short_state / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bubblewrap 0.11.0: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    state = short_state / "s"
    environment = {
        **os.environ, "DJANGO_SETTINGS_MODULE": "brainpod.settings", "BRAINPOD_STATE": str(state),
        "BRAINPOD_PORT": str(free_port()), "BRAINPOD_TLS_PORT": "0",
        "BRAINPOD_SANDBOX": "required", "BRAINPOD_BWRAP_BINARY": str(broken),
    }  # fmt: skip
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "manage.py", "up", "--no-demo"],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "BRAINPOD_SANDBOX is required, and no sandbox can be made here." in done.stdout
    assert "manage.py doctor says why" in done.stdout
    assert "everything is stopped" in done.stdout


def test_the_doctor_of_a_running_platform(up: Platform) -> None:
    done = up.manage("doctor", check=False)
    assert done.returncode == 0, done.stdout
    assert "used by the platform itself" in done.stdout


def test_all_of_it_stays_small(up: Platform) -> None:
    """Proportional: what processes share counts once. `make bench` has the figure; without sharing it was 685 MB."""
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("this kernel does not say")
    assert sum(map(_megabytes, _descendants(up.pid("supervisor")))) < 600


def test_every_service_comes_back_from_a_kill(up: Platform) -> None:
    """And no secret is lost with its store, nor a task with its broker."""
    vault = vault_of(up.state)
    assert vault.write("pods/x/y", {"A": "1"}) == 1
    killed = {service: up.kill(service) for service in SERVICES}
    for service, old in killed.items():
        up.wait_restarted(service, old)
    wait_for(lambda: answers(up), 60, "the dashboard after every service was killed")
    assert (up.state / "run").stat().st_mode & 0o777 == 0o711, "the edge's workers cannot pass through"
    wait_for(lambda: openbao.ready(up.state), 90, "the secret store to come back")
    assert vault_of(up.state).read("pods/x/y", 1) == {"A": "1"}
    after = log_of(up, "worker").count(" succeeded in ")
    wait_for(lambda: log_of(up, "worker").count(" succeeded in ") > after + 1, 120, "tasks after the kill")


def test_after_a_kill_of_the_supervisor_nothing_is_left_and_everything_comes_back(up: Platform) -> None:
    pids = {name: up.pid(name) for name in SERVICES}
    up.kill("supervisor")
    up.stop()
    for name, pid in pids.items():
        wait_for(lambda pid=pid: not process.group_alive(pid), 60, f"{name} to die with its supervisor")
    up.output.write_bytes(b"")
    up.start()
    assert answers(up)
    assert not {up.pid(name) for name in SERVICES} & set(pids.values())


def _processes_about(state: Path) -> list[str]:
    """Command lines that mention the state directory."""
    listed = subprocess.run(["ps", "-eo", "pid,args", "-ww"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(state) in line]


def _descendants(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for child, its in rows if its == parent]
    return found


def _megabytes(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it ended meanwhile
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:")), 0.0)
