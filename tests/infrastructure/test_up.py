"""`manage.py up` as a whole, and what becomes of it when its parts are killed."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from apps.infrastructure.embedded import process
from tests.stack.components import wait_for
from tests.stack.platform import SERVICES, Platform, own_platform

pytestmark = pytest.mark.platform


@pytest.fixture(scope="module")
def up() -> Iterator[Platform]:
    with own_platform(BRAINPOD_WORKERS="1", BRAINPOD_WEB_WORKERS="1") as made:
        yield made


def answers(up: Platform) -> bool:
    try:
        return httpx.get(up.address + "/healthz", headers={"Host": "localhost"}, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def test_it_says_what_a_newcomer_needs(up: Platform) -> None:
    told = up.output.read_text()
    assert f"Dashboard  http://localhost:{up.port}" in told
    assert "Sign in    http://localhost" in told
    assert answers(up)


def test_the_link_opens_once_the_first_page(up: Platform) -> None:
    answer = httpx.get(up.address + up.signin(), headers={"Host": "localhost"}, timeout=30)
    assert answer.status_code == 200, answer.text


def test_a_second_one_is_refused_and_says_which_runs(up: Platform) -> None:
    done = up.manage("up", "--no-demo", check=False)
    assert done.returncode == 1
    assert f"process {up.pid('supervisor')}" in done.stderr
    assert answers(up)


def test_the_doctor_of_a_running_platform(up: Platform) -> None:
    done = up.manage("doctor", check=False)
    assert done.returncode == 0, done.stdout
    assert "used by the platform itself" in done.stdout


def test_every_service_comes_back_from_a_kill(up: Platform) -> None:
    killed = {service: up.kill(service) for service in SERVICES}
    for service, old in killed.items():
        up.wait_restarted(service, old)
    wait_for(lambda: answers(up), 60, "the dashboard after every service was killed")
    assert (up.state / "run").stat().st_mode & 0o777 == 0o711, "the edge's workers cannot pass through"


def test_tasks_run_again_after_the_broker_was_killed(up: Platform) -> None:
    log = up.state / "log" / "worker.log"

    def done() -> int:
        return log.read_text(errors="replace").count(" succeeded in ")

    before = done()
    wait_for(lambda: done() > before, 90, "a task before the kill")
    up.wait_restarted("valkey", up.kill("valkey"))
    after = done()
    wait_for(lambda: done() > after + 1, 120, "tasks after the kill")


def test_secrets_survive_a_kill_of_their_store(up: Platform) -> None:
    write = "from apps.secretstore import secrets; print(secrets().write('pods/x/y', {'A': '1'}))"
    read = "from apps.secretstore import secrets; print(secrets().read('pods/x/y', 1))"
    assert up.manage("shell", "--no-imports", "-c", write).stdout.strip() == "1"
    up.wait_restarted("openbao", up.kill("openbao"))

    def back() -> bool:
        return "{'A': '1'}" in up.manage("shell", "--no-imports", "-c", read, check=False).stdout

    wait_for(back, 90, "the secret store to come back")


def test_after_a_kill_of_the_supervisor_everything_comes_back(up: Platform) -> None:
    pids = {name: up.pid(name) for name in SERVICES}
    up.kill("supervisor")
    up.stop()
    for name, pid in pids.items():
        wait_for(lambda pid=pid: not process.group_alive(pid), 60, f"{name} to die with its supervisor")
    up.output.write_bytes(b"")
    up.start()
    assert answers(up)
    assert all(up.pid(name) != pids[name] for name in SERVICES)


def test_a_stop_in_order_leaves_no_process_and_the_next_start_brings_everything_back(up: Platform) -> None:
    pids = [up.pid(name) for name in SERVICES]
    assert up.stop(signal.SIGTERM) == 0
    assert "everything is stopped" in up.output.read_text()
    assert not [pid for pid in pids if process.group_alive(pid)]
    assert _processes_about(up.state) == []
    assert not list((up.state / "run").glob("*.pid"))
    up.output.write_bytes(b"")
    up.start()
    assert answers(up)


def _processes_about(state: Path) -> list[str]:
    """Command lines that mention the state directory."""
    time.sleep(0.5)
    listed = subprocess.run(["ps", "-eo", "pid,args", "-ww"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(state) in line]
