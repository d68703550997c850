"""Jobs on the whole platform, by its own forms: run by hand, cancelled, cut off with their worker, and by the clock."""

from __future__ import annotations

import datetime
import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.test_push_to_live import Repository, add, deploy, ended, new_pod
from tests.stack.platform import Platform
from tests.stack.visitor import Visitor

pytestmark = pytest.mark.platform
MARK = "600.0625"  # seconds that nothing else sleeps
RUNS = """
import json
from apps.deployments.models import JobRun
rows = JobRun.objects.filter(pod__name="clock", job="tick", state="succeeded").order_by("id")
print(json.dumps([[row.pk, row.scheduled_for.isoformat(), row.started_at.isoformat()] for row in rows]))
"""


@pytest.fixture
def visitor(platform: Platform):
    made = Visitor(platform)
    yield made
    made.close()


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.3)


def run_now(visitor: Visitor, job: str) -> str:
    """Press the job's button; the page of its run."""
    visitor.get("/pods/clock/resources/web/")
    visitor.fill(f"/pods/clock/resources/web/jobs/{job}/runs/", {})
    assert re.fullmatch(r"/pods/clock/job-runs/\w+/", visitor.where()), visitor.page.text
    return visitor.where()


def state(visitor: Visitor, page: str) -> str:
    found = re.search(r'id="job_run".*?data-state="(\w+)"', visitor.get(page).text, re.DOTALL)
    assert found, visitor.page.text
    return found[1]


def output(visitor: Visitor, page: str) -> str:
    return "\n".join(line[4] for line in visitor.get(f"{page}log/").json()["lines"])


def sleepers() -> list[str]:
    """The processes of the job that sleeps."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if MARK.encode() in words:
            found.append(entry.name)
    return found


def ticks(platform: Platform) -> list[tuple[str, datetime.datetime, datetime.datetime]]:
    """Every run by the clock: its id, when it was due, when it began."""
    told = json.loads(platform.manage("shell", "-c", RUNS).stdout.strip().splitlines()[-1])
    read = datetime.datetime.fromisoformat
    return [(pk, read(due), read(began)) for pk, due, began in told]


def test_by_hand_cancelled_cut_off_and_by_the_clock(platform: Platform, visitor: Visitor, tmp_path: Path) -> None:
    repository = Repository(platform, tmp_path, "clock")
    repository.push("clock")
    new_pod(visitor, "clock")
    jobs = {
        "jobs.0.name": "tick",
        "jobs.0.schedule": "* * * * *",
        "jobs.0.command": "echo the code has $(wc -l < Procfile) lines",
        "jobs.0.enabled": "on",
        "jobs.1.name": "long",
        "jobs.1.schedule": "@yearly",
        "jobs.1.command": f"echo begun; sleep {MARK}; echo over",
        "jobs.1.enabled": "on",
    }
    add(visitor, "clock", "App", "web", {"source.repo": repository.address, "type": "job", **jobs})
    assert ended(visitor, deploy(visitor, "clock")) == "ready"

    page = run_now(visitor, "long")
    wait_for(lambda: "begun" in output(visitor, page).splitlines(), 120, "the job's output")
    assert state(visitor, page) == "running"
    visitor.fill(f"{page}cancellation/", {})
    wait_for(lambda: state(visitor, page) == "cancelled", 120, "the end of the run")
    wait_for(lambda: not sleepers(), 60, "the end of its processes")
    assert "over" not in output(visitor, page).splitlines()

    page = run_now(visitor, "long")
    wait_for(lambda: "begun" in output(visitor, page).splitlines(), 120, "the job's output")
    killed_at = datetime.datetime.now(datetime.UTC)
    platform.wait_restarted("worker", platform.kill("worker", signal.SIGKILL), seconds=120)
    wait_for(lambda: state(visitor, page) == "failed", 180, "word of what was cut off")
    assert "Interrupted" in visitor.page.text
    assert "begun" in output(visitor, page).splitlines(), "what it had said is kept"
    wait_for(lambda: not sleepers(), 60, "the end of its processes")

    def later() -> list[tuple[str, datetime.datetime, datetime.datetime]]:
        return [tick for tick in ticks(platform) if tick[1] > killed_at]

    wait_for(lambda: bool(later()), 240, "a run by the clock")
    pk, due, began = later()[0]
    assert due.second == 0
    assert datetime.timedelta(0) <= began - due < datetime.timedelta(minutes=2)
    said = output(visitor, f"/pods/clock/job-runs/{pk}/").splitlines()
    assert "the code has 2 lines" in said
    card = visitor.get("/pods/clock/resources/web/").text
    assert "every minute" in card.lower()
    assert f"/pods/clock/job-runs/{pk}/" in card or len(ticks(platform)) > 1
