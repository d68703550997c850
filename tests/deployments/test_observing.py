"""What is written down and told of instances, by what the engine says of them."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.utils import timezone

from apps import engines
from apps.core.errors import PlatformError, Unavailable, UserError
from apps.deployments import desired, feed, launch, observing, reconcile
from apps.deployments.models import AppEvent, Workload
from apps.engines import recovery
from apps.engines.base import State, Status
from apps.pods.models import Revision

pytestmark = pytest.mark.django_db

RESTARTING = Status(
    State.RESTARTING, 2, 3, "exited with code 3; restarted 2 of 10 in this window, next try in 20 s"
)  # fmt: skip


def row(revision: Revision, **fields: Any) -> Workload:
    given: dict[str, Any] = {"state": "healthy", "serving": True, "app": "web", "observed_at": timezone.now()}
    return Workload.objects.create(pod=revision.pod, revision=revision, fingerprint="f", **given | fields)


def told() -> list[str]:
    return list(AppEvent.objects.order_by("id").values_list("words", flat=True))


def later(seconds: float) -> datetime.datetime:
    return timezone.now() + datetime.timedelta(seconds=seconds)


def note(workload: Workload, status: Status, checked: bool = True) -> Workload:
    observing.note(workload, status, checked=checked)
    workload.refresh_from_db()
    return workload


def test_each_restart_is_told_once_and_in_words(live: Revision) -> None:
    workload = row(live)
    note(workload, RESTARTING)
    assert (workload.state, workload.restarts, workload.reason) == ("unhealthy", 2, RESTARTING.reason)
    note(workload, Status(State.RESTARTING, 2, 3, RESTARTING.reason.replace("20 s", "15 s")))
    assert workload.reason.endswith("next try in 15 s")
    assert told() == ["Exited with code 3; restarted 2 of 10 in this window, next try in 20 s."]
    note(workload, Status(State.RESTARTING, 3, 3, RESTARTING.reason.replace("2 of", "3 of")))
    assert len(told()) == 2, "the next end, though it was never seen running between"


def test_what_runs_again_is_healthy_when_its_check_says_so(live: Revision) -> None:
    workload = row(live)
    note(workload, RESTARTING)
    note(workload, Status(State.RUNNING, 3))
    assert (workload.state, workload.reason) == ("starting", observing.RUNS_AGAIN)
    note(workload, Status(State.RUNNING, 3))
    assert workload.state == "starting"
    assert observing.passed(workload, "/ answered 200")
    note(workload, Status(State.RUNNING, 3))
    assert (workload.state, workload.reason) == ("healthy", "")


def test_a_worker_without_a_command_is_healthy_since_it_runs(live: Revision) -> None:
    workload = row(live, app="mail")
    note(workload, RESTARTING, checked=False)
    note(workload, Status(State.RUNNING, 3), checked=False)
    assert workload.state == "healthy"


def test_an_end_nobody_saw_is_noticed_by_the_number_of_starts(live: Revision) -> None:
    assert note(row(live, restarts=1), Status(State.RUNNING, 2)).state == "starting"


def test_that_it_runs_does_not_make_an_unhealthy_one_healthy(live: Revision) -> None:
    workload = row(live)
    assert observing.failed(workload, "/ answered 500")
    note(workload, Status(State.RUNNING))
    assert (workload.state, workload.failing) == ("unhealthy", "/ answered 500")
    note(workload, Status(State.RESTARTING, 0, 1, "exited with code 1"))
    assert (workload.reason, workload.failing) == ("exited with code 1", ""), "the process it was found in has ended"
    assert told() == ["Unhealthy: / answered 500.", "Exited with code 1."]


def test_a_check_that_comes_late_changes_nothing(live: Revision) -> None:
    workload = row(live)
    late = Workload.objects.get(pk=workload.pk)
    note(workload, RESTARTING)
    late.state = "starting"
    assert not observing.passed(late, "/ answered 200")
    assert Workload.objects.get(pk=workload.pk).state == "unhealthy"


def test_traffic_leaves_out_what_is_not_healthy_but_never_all(live: Revision) -> None:
    rows = [row(live, replica=n, handle={"id": str(n), "address": f"unix:/run/{n}.sock"}) for n in (1, 2, 3)]

    def reached() -> list[str]:
        return [at.removeprefix("unix:/run/").removesuffix(".sock") for at in desired._upstreams()[live.pod_id, "web"]]

    assert reached() == ["1", "2", "3"]
    for workload, state, left in zip(
        rows, ("unhealthy", "starting", "lost"), (["2", "3"], ["3"], ["1", "2", "3"]), strict=True
    ):
        Workload.objects.filter(pk=workload.pk).update(state=state)
        assert reached() == left


def test_silence_is_told_and_after_15_minutes_by_the_rule(live: Revision) -> None:
    long_ago = later(-60)
    web = row(live, observed_at=long_ago, handle={"id": "w", "address": "unix:/run/w.sock"})
    worker = row(live, app="mail", observed_at=long_ago, handle={"id": "m"})
    fresh = row(live, replica=2)
    every = [web, worker, fresh]
    observing.silent(every)
    observing.silent(every)
    assert told() == ["The engine does not answer: its state is unknown."] * 2, "once each, and not of the fresh one"
    assert set(Workload.objects.values_list("state", flat=True)) == {"healthy"}
    AppEvent.objects.update(at=later(-recovery.LOST_AFTER))
    Workload.objects.exclude(pk=fresh.pk).update(observed_at=later(-recovery.LOST_AFTER - 60))
    observing.silent([Workload.objects.get(pk=w.pk) for w in every])
    observing.silent([Workload.objects.get(pk=w.pk) for w in every])
    web.refresh_from_db()
    worker.refresh_from_db()
    assert (web.state, worker.state) == ("lost", "lost")
    assert "there is no other host to start it on. Check that the machine is up" in web.reason
    assert "not started elsewhere, since it may still be at its work" in worker.reason
    assert len(told()) == 4
    note(web, Status(State.RUNNING))
    assert web.state == "starting"
    assert told()[-1].startswith("The engine answers again, after ")


def test_a_platform_that_was_down_itself_has_lost_nothing(live: Revision) -> None:
    workload = row(live, observed_at=later(-7200), handle={"id": "w", "address": "unix:/run/w.sock"})
    observing.silent([workload])
    workload.refresh_from_db()
    assert workload.state == "healthy"
    note(workload, Status(State.RUNNING))
    assert workload.state == "healthy"


class Empty:
    """An engine that answers and runs nothing, and starts what it likes."""

    def workloads(self) -> dict[str, Status]:
        return {}


@pytest.fixture
def gone(live: Revision, monkeypatch: pytest.MonkeyPatch) -> Workload:
    monkeypatch.setattr(engines, "engine", Empty)
    return row(live)


def failing(error: Exception) -> Any:
    def start(release: object, workload: Workload) -> None:
        raise error

    return start


def test_what_is_gone_is_started_again_and_told(gone: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(launch, "start", lambda release, workload: started.append(workload.pk))
    reconcile._workloads()
    gone.refresh_from_db()
    assert (started, gone.state, told()) == ([gone.pk], "starting", [reconcile.GONE])


@pytest.mark.parametrize(
    "error",
    [UserError("image_pull_failed", "There is no such image."), PlatformError("artifact_missing", "No artifact.")],
)
def test_one_that_cannot_be_started_waits_longer_each_time_and_keeps_nobody_up(
    gone: Workload, error: Exception, monkeypatch: pytest.MonkeyPatch, live: Revision
) -> None:
    other = row(live, app="other")
    tried: list[str] = []

    def start(release: object, workload: Workload) -> None:
        tried.append(workload.app)
        if workload.pk == gone.pk:
            raise error

    monkeypatch.setattr(launch, "start", start)
    delays = []
    for _ in range(3):
        Workload.objects.filter(pk=gone.pk).update(retry_at=None)
        before = timezone.now()
        reconcile._workloads()
        gone.refresh_from_db()
        assert gone.retry_at is not None
        delays.append((gone.retry_at - before).total_seconds())
    assert [30 * 2**n <= delay < 30 * 2**n + 29 for n, delay in enumerate(delays)] == [True] * 3, delays
    assert (gone.state, tried.count("other") > 0) == ("unhealthy", True)
    assert gone.reason.endswith("failed 3 times in a row, next try in 2 min.")
    other.refresh_from_db()
    assert other.state == "starting"
    count = len(tried)
    Workload.objects.filter(pk=other.pk).update(serving=False)
    reconcile._workloads()
    assert len(tried) == count, "not before its time"


def test_an_engine_that_goes_away_meanwhile_is_no_failure_of_the_app(
    gone: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "start", failing(Unavailable("engine_unavailable", "It does not answer.")))
    with pytest.raises(Unavailable):
        reconcile._workloads()
    gone.refresh_from_db()
    assert (gone.state, gone.failed_starts) == ("healthy", 0)


def test_the_feed_forgets_what_is_old_and_what_is_too_much(live: Revision, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = row(live)
    for number in range(4):
        feed.tell(workload, "health", f"number {number}")
    AppEvent.objects.filter(words="number 3").update(at=timezone.now() - feed.KEPT - datetime.timedelta(minutes=1))
    monkeypatch.setattr(feed, "MOST", 2)
    feed.forget()
    assert told() == ["number 1", "number 2"]
