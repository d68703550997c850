"""The worker's processes, of a real worker: as many as tasks last at once, and those that are idle end again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery

from brainpod import celery
from tests.infrastructure.pool_settings import SETTINGS
from tests.stack.components import running, wait_for

FEWEST, MOST = 2, 6
Send = Callable[[str, str], None]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def patience() -> float:
    return 0.1


@pytest.fixture
def connections(valkey: str) -> Iterator[Callable[[], set[int]]]:
    """Those that there were not when the test began, this fixture's own left out."""
    with redis.Redis.from_url(valkey) as client:

        def there() -> set[int]:
            return {int(one["id"]) for one in client.client_list()}

        before = there()
        yield lambda: there() - before


@pytest.fixture
def worker(
    notes: Path, valkey: str, patience: float, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    queue = f"pool-{uuid.uuid4().hex[:8]}"
    broker = valkey.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
    for name, value in {
        "POOL_BROKER": broker, "POOL_NOTES": str(notes), "POOL_QUEUE": queue, "AUTOSCALE_KEEPALIVE": "1",
        "POOL_PATIENCE": str(patience), "POOL_VALKEY": valkey,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    command = [
        *(sys.executable, "-m", "celery", "-q", "-A", "tests.infrastructure.pool_tasks", "worker"),
        *("--queues", queue, "--autoscale", f"{MOST},{FEWEST}", "--without-gossip", "--without-mingle"),
    ]
    log = notes / "worker.log"
    with running(command, log, lambda: b"ready." in log.read_bytes()) as process:
        yield process


@pytest.fixture
def send(worker: subprocess.Popen[bytes]) -> Send:
    app = Celery(broker=os.environ["POOL_BROKER"])

    def sender(name: str, until: str) -> None:
        task = "tests.infrastructure.pool_tasks.last"
        app.send_task(task, [name, until], queue=os.environ["POOL_QUEUE"], ignore_result=True)

    return sender


def processes(worker: subprocess.Popen[bytes]) -> set[int]:
    found = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text()
    return {int(pid) for pid in found.split()}


def test_processes_begin_for_tasks_that_last_and_end_after_them(
    worker: subprocess.Popen[bytes], send: Send, notes: Path
) -> None:
    wait_for(lambda: len(processes(worker)) == FEWEST, 30, "the first processes")
    send("long", "end of the long one")
    for number in range(MOST - 1):
        send(f"short{number}", "end of the short ones")
    wait_for(lambda: len(list(notes.glob("*.begun"))) == MOST, 30, "all to be begun")
    assert len({file.read_text() for file in notes.glob("*.begun")}) == MOST, "a process each"

    (notes / "end of the short ones").touch()
    wait_for(lambda: len(processes(worker)) == FEWEST, 30, "those that are idle to end")
    at_work = int((notes / "long.begun").read_text())
    assert at_work in processes(worker)
    (notes / "end of the long one").touch()
    wait_for((notes / "long.ended").exists, 30, "the long task to end")
    assert int((notes / "long.ended").read_text()) == at_work, "it was begun again"


def test_after_the_broker_was_away_processes_begin_as_before(
    connections: Callable[[], set[int]], worker: subprocess.Popen[bytes], send: Send, notes: Path
) -> None:
    """What was begun before goes on; however many of those there are, what comes later is begun beside them."""
    for number in range(FEWEST):
        send(f"long{number}", "end")
    wait_for(lambda: len(list(notes.glob("*.begun"))) == FEWEST, 30, "the long ones to be begun")
    log = notes / "worker.log"
    with redis.Redis.from_url(os.environ["POOL_VALKEY"]) as client:
        for one in connections():
            client.client_kill_filter(_id=one)
    wait_for(lambda: b"Connection to broker lost" in log.read_bytes(), 30, "the worker to notice")
    for number in range(MOST - FEWEST):
        send(f"later{number}", "end")
    wait_for(lambda: len(list(notes.glob("later*.begun"))) == MOST - FEWEST, 30, "the later ones to be begun")
    (notes / "end").touch()
    wait_for(lambda: len(list(notes.glob("*.ended"))) == MOST, 30, "all to end")


def test_it_is_set_as_the_platform_s() -> None:
    assert {name: celery.app.conf[name] for name in SETTINGS} == SETTINGS


@pytest.mark.parametrize("patience", [60.0])  # of a machine that is this busy
def test_what_is_done_in_no_time_begins_no_process(worker: subprocess.Popen[bytes], send: Send, notes: Path) -> None:
    wait_for(lambda: len(processes(worker)) == FEWEST, 30, "the first processes")
    first = processes(worker)
    for number in range(20):
        send(f"quick{number}", "")
    wait_for(lambda: len(list(notes.glob("*.ended"))) == 20, 30, "all to be done")
    assert processes(worker) == first


def test_the_pipes_of_a_process_that_was_killed_are_forgotten(
    worker: subprocess.Popen[bytes], send: Send, notes: Path
) -> None:
    """Their numbers are given to other pipes: read as results, after the broker was away, they held the worker up."""
    wait_for(lambda: len(processes(worker)) == FEWEST, 30, "the first processes")
    at_work = notes / "killed.begun"
    send("killed", "end")
    wait_for(lambda: at_work.exists() and at_work.read_text() != "", 30, "the task to be begun")
    control = Celery(broker=os.environ["POOL_BROKER"]).control.inspect(timeout=5)
    assert list(control._request("free").values()) == [FEWEST]
    pid = int(at_work.read_text())
    at_work.unlink()
    os.kill(pid, signal.SIGKILL)
    wait_for(at_work.exists, 30, "another process to begin it")
    (notes / "end").touch()
    wait_for((notes / "killed.ended").exists, 30, "the task to end")
    (ends,) = control._request("readers").values()
    assert sorted(ends) == sorted(processes(worker))
