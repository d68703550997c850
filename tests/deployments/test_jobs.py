"""Jobs: what becomes due, what was missed, who runs it, how it ends; on the process engine, with real logs."""

from __future__ import annotations

import datetime
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps import artifacts, engines, secretstore
from apps.accounts.models import Team, User
from apps.builds.models import Artifact, Build
from apps.core import holders
from apps.core.errors import Conflict, Invalid, NotFound, Unavailable
from apps.core.states import move
from apps.deployments import attended, maintenance
from apps.deployments.jobs import actions, history, tend
from apps.deployments.jobs import run as runner
from apps.deployments.jobs.follow import follow
from apps.deployments.models import AppControl, AppEvent, Job, JobRun
from apps.deployments.release import Release
from apps.deployments.runtime_logs import may_read
from apps.engines.process.client import ProcessEngine
from apps.logs import reader
from apps.pods import actions as pods
from apps.pods.contents import apps_of
from apps.pods.models import Pod
from apps.secretstore.vault import Vault

pytestmark = pytest.mark.django_db(transaction=True)
SOURCE = {"repo": "https://git.example.com/team/shop.git"}
OVER = 60.0  # seconds anything may take on a machine with other things to do
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)


def job(**fields: Any) -> dict[str, Any]:
    return {"name": "tidy", "schedule": "0 * * * *", "command": "true"} | fields


def go_live(pod: Pod, by: User, *jobs: dict[str, Any], **spec: Any) -> None:
    """A revision with an app that has these jobs is live; its build is a directory with one file."""
    app = {"type": "job", "source": SOURCE, "instance": ".25x", "jobs": list(jobs)} | spec
    create = "web" not in ((pod.live or pod.draft).snapshot() if pod.live or pod.draft else {})
    pods.save_resource(pod=pod, kind="App", name="web", spec=app, by=by, create=create)
    pod.refresh_from_db()
    revision = pods.seal(pod=pod, summary="", by=by)
    place = artifacts.artifacts().scratch(f"jobs-{secrets.token_hex(6)}")
    (place / "app").mkdir()
    (place / "app" / "code.txt").write_text("the app's own\n")
    digest = artifacts.artifacts().adopt(place / "app").digest
    made = Artifact.objects.create(team=pod.team, kind="bundle", manifest={"kind": "bundle", "app": digest})
    Build.objects.create(revision=revision, app="web", inputs="0", artifact=made)
    Pod.objects.filter(pk=pod.pk).update(live=revision, head=revision)
    follow(pod.pk, revision)
    pod.refresh_from_db()


@pytest.fixture
def pod(team: Team, alice: User) -> Pod:
    return pods.create_pod(team=team, name=f"shop-{secrets.token_hex(4)}", by=alice)


@pytest.fixture
def engine(engine_agent: ProcessEngine, monkeypatch: pytest.MonkeyPatch) -> ProcessEngine:
    monkeypatch.setattr(engines, "engine", lambda: engine_agent)
    monkeypatch.setattr(secretstore, "secrets", lambda: None)  # most have no secret
    return engine_agent


def row(pod: Pod, name: str = "tidy") -> Job:
    return Job.objects.get(pod=pod, app="web", name=name)


def planned(pod: Pod, now: datetime.datetime) -> list[tuple[str, str, int]]:
    """Deal with what is due at `now`; the runs there are then, the oldest first."""
    tend.plan(row(pod), now)
    return [(run.state, run.trigger, run.count) for run in JobRun.objects.filter(pod=pod).order_by("id")]


def first(pod: Pod) -> datetime.datetime:
    due = row(pod).next_at
    assert due is not None
    return due


def test_it_is_run_when_it_is_due_and_once(pod: Pod, alice: User) -> None:
    go_live(pod, alice, job())
    due = first(pod)
    assert planned(pod, due - datetime.timedelta(seconds=1)) == []
    assert planned(pod, due + datetime.timedelta(seconds=3)) == [("waiting", "schedule", 1)]
    assert planned(pod, due + datetime.timedelta(seconds=9)) == [("waiting", "schedule", 1)]
    assert first(pod) == due + HOUR
    assert JobRun.objects.get(pod=pod).scheduled_for == due


def stop(pod: Pod, stopped: bool = True) -> None:
    at = timezone.now() if stopped else None
    AppControl.objects.update_or_create(pod=pod, app="web", defaults={"stopped_at": at})


def test_of_a_stopped_app_the_clock_runs_nothing_and_one_row_says_so(pod: Pod, alice: User) -> None:
    go_live(pod, alice, job(catchUp=True), type="worker")
    stop(pod)
    due = first(pod)
    assert planned(pod, due) == [("skipped", "schedule", 1)]
    assert planned(pod, due + HOUR) == [("skipped", "schedule", 2)]
    assert planned(pod, due + 4 * HOUR) == [("skipped", "schedule", 5)]
    assert JobRun.objects.get(pod=pod).reason == tend.STOPPED
    assert first(pod) == due + 5 * HOUR
    stop(pod, False)
    assert planned(pod, due + 5 * HOUR) == [("skipped", "schedule", 5), ("waiting", "schedule", 1)]
    stop(pod)
    assert planned(pod, due + 6 * HOUR)[2:] == [("skipped", "schedule", 1)]


@pytest.mark.usefixtures("engine")
def test_stopped_before_it_began_is_left_out_and_run_now_runs_it(pod: Pod, alice: User) -> None:
    go_live(pod, alice, job(), type="worker")
    assert planned(pod, first(pod)) == [("waiting", "schedule", 1)]
    stop(pod)
    waiting = JobRun.objects.get(pod=pod)
    runner.run(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.reason) == ("skipped", tend.STOPPED)
    asked = actions.run_now(pod=pod, app="web", job="tidy", by=alice)
    runner.run(asked.pk)
    asked.refresh_from_db()
    assert asked.state == "succeeded"


def test_two_schedulers_at_once_make_one_run(pod: Pod, alice: User) -> None:
    go_live(pod, alice, job())
    seen, due = row(pod), first(pod)
    start = threading.Barrier(4)

    def plan() -> None:
        try:
            start.wait(OVER)
            tend.plan(Job.objects.select_related("pod__live").get(pk=seen.pk), due + MINUTE)
        finally:
            connection.close()

    threads = [threading.Thread(target=plan) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(OVER)
    assert JobRun.objects.filter(pod=pod).count() == 1
    # Even one that has read the row before the others wrote theirs changes nothing.
    tend.plan(seen, due + MINUTE)
    assert JobRun.objects.filter(pod=pod).count() == 1


@pytest.mark.parametrize("catches_up", [False, True])
def test_a_long_outage_is_one_row_with_the_number(pod: Pod, alice: User, catches_up: bool) -> None:
    go_live(pod, alice, job(catchUp=catches_up))
    due = first(pod)
    found = planned(pod, due + 5 * HOUR + 30 * MINUTE)  # due six times, the last half an hour ago
    assert found == (
        [("missed", "schedule", 5), ("waiting", "catch up", 1)] if catches_up else [("missed", "schedule", 6)]
    )
    missed = JobRun.objects.get(pod=pod, state="missed")
    assert missed.reason == tend.OUTAGE
    assert missed.scheduled_for == due
    assert first(pod) == due + 6 * HOUR


def test_after_an_outage_what_is_due_just_now_runs(pod: Pod, alice: User) -> None:
    go_live(pod, alice, job())
    due = first(pod)
    assert planned(pod, due + 3 * HOUR + MINUTE) == [("missed", "schedule", 3), ("waiting", "schedule", 1)]


def test_how_late_a_run_may_begin_depends_on_how_often_it_comes(pod: Pod, alice: User) -> None:
    go_live(pod, alice, job(schedule="* * * * *"), job(name="daily", schedule="@daily"))
    spec = {each.name: each for each in tend_specs(pod)}
    now = timezone.now()
    assert tend.grace(spec["tidy"], now.replace(second=0, microsecond=0)) == MINUTE
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert tend.grace(spec["daily"], midnight) == HOUR * 2.4


def tend_specs(pod: Pod) -> list[Any]:
    assert pod.live
    return list(apps_of(pod.live.snapshot())["web"].jobs)


def test_a_queue_that_is_too_slow_is_a_miss_too(pod: Pod, alice: User) -> None:
    go_live(pod, alice, job())
    planned(pod, first(pod))
    JobRun.objects.filter(pod=pod).update(begin_by=timezone.now() - MINUTE)
    tend.wake_waiting()
    run = JobRun.objects.get(pod=pod)
    assert (run.state, run.reason) == ("missed", tend.BUSY)


@pytest.mark.parametrize(
    ("overlap", "states"),
    [("skip", ["running", "skipped"]), ("allow", ["running", "waiting"]), ("replace", ["running", "waiting"])],
)
def test_what_becomes_of_a_run_while_the_last_is_not_over(
    pod: Pod, alice: User, overlap: str, states: list[str]
) -> None:
    go_live(pod, alice, job(overlap=overlap))
    due = first(pod)
    planned(pod, due)
    running = JobRun.objects.get(pod=pod)
    JobRun.objects.filter(pk=running.pk).update(state="running", started_at=due)
    assert [state for state, *_ in planned(pod, due + HOUR)] == states
    running.refresh_from_db()
    assert (running.cancel_at is not None) == (overlap == "replace")


def test_a_deployment_neither_repeats_a_run_nor_leaves_one_out(pod: Pod, alice: User) -> None:
    go_live(pod, alice, job())
    past = timezone.now() - 2 * MINUTE
    Job.objects.filter(pod=pod).update(next_at=past)
    go_live(pod, alice, job(command="echo other"))
    assert first(pod) == past
    go_live(pod, alice, job(schedule="30 * * * *"))
    assert first(pod) > timezone.now() - MINUTE  # another schedule begins anew: nothing of it was missed
    go_live(pod, alice, job(schedule="30 * * * *", enabled=False))
    assert row(pod).next_at is None
    go_live(pod, alice, job(name="other"))
    assert [each.name for each in Job.objects.filter(pod=pod)] == ["other"]


def test_planned_before_the_clock_was_set_back_it_is_due_sooner(pod: Pod, alice: User) -> None:
    go_live(pod, alice, job(), job(name="off", enabled=False))
    due = first(pod)
    tend.plan_sooner()
    assert first(pod) == due
    Job.objects.filter(pod=pod, name="tidy").update(next_at=due + 24 * HOUR)
    maintenance.maintain()
    assert first(pod) == due
    assert row(pod, "off").next_at is None


def done(pod: Pod, by: User, name: str = "tidy") -> JobRun:
    """The job, run now in this process."""
    run = actions.run_now(pod=pod, app="web", job=name, by=by)
    runner.run(run.pk)
    run.refresh_from_db()
    return run


def lines(run: JobRun) -> list[str]:
    return [line.text for line in reader.read(run.stream)]


def test_it_has_what_its_app_has(engine: ProcessEngine, pod: Pod, alice: User) -> None:
    if not engine.check().sandbox:
        pytest.skip("without a sandbox a disk is not at its path")
    pods.save_resource(pod=pod, kind="Disk", name="notes", spec={"size": 5}, by=alice, create=True)
    pods.save_resource(pod=pod, kind="Config", name="set", spec={"files": {"a.txt": "file"}}, by=alice, create=True)
    command = 'echo "$GREETING $(cat code.txt) $(cat /conf/a.txt) $BRAINPOD_JOB $BRAINPOD_REVISION"; echo 1 >> /data/n'
    go_live(
        pod, alice, job(command=f"{command}; cat /data/n"), env=[{"name": "GREETING", "value": "hello"}],
        mounts=[{"path": "/data", "disk": "notes"}, {"path": "/conf/a.txt", "file": "a.txt", "config": "set"}],
    )  # fmt: skip
    for _ in range(2):
        run = done(pod, alice)
        assert (run.state, run.reason, run.exit_code) == ("succeeded", "", 0)
    assert "hello the app's own file tidy 1" in lines(run)
    assert lines(run).count("1") == 2  # the second found what the first wrote
    assert (run.revision, run.actor, run.trigger) == (pod.live, alice, "manual")
    assert run.seconds is not None


@pytest.mark.parametrize(
    ("command", "fields", "reason"),
    [
        ("echo out; exit 3", {}, "It ended with exit code 3."),
        ("echo out; exec sleep 600", {"timeout": 1}, "It took longer than its 1 s and was ended."),
    ],
)
def test_how_it_fails(
    engine: ProcessEngine, pod: Pod, alice: User, command: str, fields: dict[str, Any], reason: str
) -> None:
    go_live(pod, alice, job(command=command, **fields))
    run = done(pod, alice)
    assert (run.state, run.reason) == ("failed", reason)
    assert "out" in lines(run)
    assert reason in lines(run)
    assert AppEvent.objects.get(pod=pod).words == f"tidy failed: {reason}"


def test_what_it_prints_of_secrets_is_masked(
    engine: ProcessEngine, openbao: Vault, monkeypatch: pytest.MonkeyPatch, pod: Pod, alice: User
) -> None:
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    value = f"s3cret-{secrets.token_hex(8)}"
    pods.save_resource(pod=pod, kind="Config", name="keys", spec={}, secrets={"TOKEN": value}, by=alice, create=True)
    go_live(pod, alice, job(command='echo "token $TOKEN"; echo "${#TOKEN} letters"'), configs=["keys"])
    run = done(pod, alice)
    assert run.state == "succeeded", run.reason
    assert "token ••••••" in lines(run)
    assert f"{len(value)} letters" in lines(run)
    assert not [line for line in lines(run) if value in line]


def test_a_run_is_cancelled_within_seconds(engine: ProcessEngine, pod: Pod, alice: User, bob: User) -> None:
    go_live(pod, alice, job(command="echo begun; exec sleep 600", overlap="replace"))
    run = actions.run_now(pod=pod, app="web", job="tidy", by=alice)
    thread = threading.Thread(target=_run, args=(run.pk,))
    thread.start()
    until(lambda: "begun" in lines(run))
    actions.cancel_run(run=run, by=bob)
    thread.join(OVER)
    run.refresh_from_db()
    assert (run.state, run.cancelled_by) == ("cancelled", bob)
    with pytest.raises(Conflict, match="over already"):
        actions.cancel_run(run=run, by=bob)


def test_a_run_is_replaced_by_the_next(engine: ProcessEngine, pod: Pod, alice: User) -> None:
    go_live(pod, alice, job(command="echo begun; exec sleep 600", overlap="replace"))
    old = actions.run_now(pod=pod, app="web", job="tidy", by=alice)
    thread = threading.Thread(target=_run, args=(old.pk,))
    thread.start()
    until(lambda: "begun" in lines(old))
    new = actions.run_now(pod=pod, app="web", job="tidy", by=alice)
    thread.join(OVER)
    old.refresh_from_db()
    assert (old.state, old.reason) == ("cancelled", "Replaced by the next run.")
    assert JobRun.objects.get(pk=new.pk).state == "waiting"
    actions.cancel_run(run=new, by=alice)


def _run(pk: str) -> None:
    try:
        runner.run(pk)
    finally:
        connection.close()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + OVER
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_two_workers_run_it_once(engine: ProcessEngine, pod: Pod, alice: User) -> None:
    go_live(pod, alice, job(command="echo once"))
    run = actions.run_now(pod=pod, app="web", job="tidy", by=alice)
    threads = [threading.Thread(target=_run, args=(run.pk,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(OVER)
    assert lines(run).count("once") == 1


def test_a_worker_that_was_killed_leaves_a_failed_run_that_is_not_repeated(pod: Pod, alice: User) -> None:
    go_live(pod, alice, job())
    run = actions.run_now(pod=pod, app="web", job="tidy", by=alice)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    holder = holders.of(other.pid)
    move(run, "running", table={"waiting": frozenset({"running"})}, holder=holder,
         leased_until=timezone.now() + MINUTE, started_at=timezone.now())  # fmt: skip
    tend._interrupted()
    run.refresh_from_db()
    assert run.state == "running", "whoever runs it is alive"
    os.kill(other.pid, signal.SIGKILL)
    other.wait(OVER)
    tend._interrupted()
    run.refresh_from_db()
    assert (run.state, run.reason) == ("failed", tend.INTERRUPTED)
    runner.run(run.pk)
    run.refresh_from_db()
    assert run.state == "failed"
    assert AppEvent.objects.get(pod=pod).words == f"tidy failed: {tend.INTERRUPTED}"
    assert planned(pod, first(pod))[-1] == ("waiting", "schedule", 1), "the schedule goes on"


def test_there_is_room_for_so_many_at_once(pod: Pod, alice: User, settings: Any) -> None:
    go_live(pod, alice, job(overlap="allow"))
    for _ in range(settings.BRAINPOD.jobs):
        run = actions.run_now(pod=pod, app="web", job="tidy", by=alice)
        JobRun.objects.filter(pk=run.pk).update(state="running", leased_until=timezone.now() + MINUTE)
    waits = actions.run_now(pod=pod, app="web", job="tidy", by=alice)
    runner.run(waits.pk)
    waits.refresh_from_db()
    assert waits.state == "waiting"


def test_an_engine_that_stays_away_is_waited_for_and_then_said(
    pod: Pod, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        def check(self) -> None:
            raise Unavailable("engine_unavailable", "The engine does not answer.")

    monkeypatch.setattr(engines, "engine", lambda: Away())
    monkeypatch.setattr(secretstore, "secrets", lambda: None)
    monkeypatch.setattr(attended, "PATIENCE", 1.0)
    go_live(pod, alice, job())
    run = done(pod, alice)
    assert run.state == "failed"
    assert run.reason.startswith("The engine does not answer.")
    assert any(line.startswith("Waiting for the engine") for line in lines(run))


def test_only_the_last_runs_are_kept_with_their_logs(engine: ProcessEngine, pod: Pod, alice: User) -> None:
    go_live(pod, alice, job(command="echo kept", keep=2))
    runs = [done(pod, alice) for _ in range(4)]
    assert list(JobRun.objects.filter(pod=pod).order_by("id")) == runs[2:]
    assert lines(runs[0]) == []
    assert "kept" in lines(runs[3])


def test_who_may_run_and_read(engine: ProcessEngine, pod: Pod, alice: User, vera: User, charlie: User) -> None:
    go_live(pod, alice, job())
    run = done(pod, alice)
    assert may_read(vera, run.stream)
    assert not may_read(charlie, run.stream)
    with pytest.raises(NotFound):
        actions.run_now(pod=pod, app="web", job="other", by=alice)
    JobRun.objects.create(pod=pod, app="web", job="tidy", state="running")
    with pytest.raises(Conflict, match="running already"):
        actions.run_now(pod=pod, app="web", job="tidy", by=alice)


def test_a_pod_is_not_deleted_before_its_runs_have_ended(pod: Pod, alice: User) -> None:
    go_live(pod, alice, job())
    run = actions.run_now(pod=pod, app="web", job="tidy", by=alice)
    JobRun.objects.filter(pk=run.pk).update(state="running", leased_until=timezone.now() + MINUTE)
    assert not history.forget(pod.pk)
    JobRun.objects.filter(pk=run.pk).update(leased_until=None)
    assert history.forget(pod.pk)


def test_an_app_of_jobs_alone_has_no_instance(pod: Pod, alice: User) -> None:
    go_live(pod, alice, job())
    assert pod.live
    assert Release.of(pod.live).wanted() == []


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"schedule": "0 25 * * *"}, "jobs.0.schedule"),
        ({"timeZone": "Mars/Base"}, "jobs.0.timeZone"),
        ({"command": " "}, "jobs.0.command"),
        ({"name": "Nightly"}, "jobs.0.name"),
        ({"timeout": 0}, "jobs.0.timeout"),
        ({"overlap": "queue"}, "jobs.0.overlap"),
        ({"keep": 0}, "jobs.0.keep"),
        ({"when": "later"}, "jobs.0.when"),
    ],
)
def test_what_is_wrong_with_a_job_is_said_of_its_field(
    pod: Pod, alice: User, fields: dict[str, Any], path: str
) -> None:
    app = {"type": "worker", "source": SOURCE, "jobs": [job(**fields)]}
    with pytest.raises(Invalid) as error:
        pods.save_resource(pod=pod, kind="App", name="web", spec=app, by=alice, create=True)
    assert [detail.path for detail in error.value.details] == [path]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"type": "job"}, "jobs"),
        ({"type": "static", "jobs": [job()]}, "jobs"),
        ({"type": "worker", "jobs": [job(), job()]}, "jobs.1.name"),
        ({"type": "worker", "jobs": [job(name=f"j{n}") for n in range(21)]}, "jobs"),
        ({"type": "job", "jobs": [job()], "startCommand": "x"}, "startCommand"),
        ({"type": "web", "mcpKey": True}, "mcpKey"),
    ],
)
def test_what_does_not_go_together(pod: Pod, alice: User, spec: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as error:
        pods.save_resource(pod=pod, kind="App", name="web", spec={"source": SOURCE, **spec}, by=alice, create=True)
    assert [detail.path for detail in error.value.details] == [path]
