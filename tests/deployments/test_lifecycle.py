"""Stop, start, restart and scale with an app that runs behind a real edge, under constant requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from apps import engines
from apps.accounts.models import User
from apps.core.errors import Conflict, NotFound
from apps.core.leases import acquire
from apps.deployments import actions, lifecycle, reconcile, settling
from apps.deployments.models import Trigger
from apps.deployments.release import Release
from apps.engines.base import State
from tests.deployments.standing import Shop, until, worker
from tests.edge.load import Load

pytestmark = pytest.mark.django_db(transaction=True)


def answered(load: Load, more: int = 40) -> None:
    """Wait for as many answers again."""
    before = load.answered
    until(lambda: load.answered > before + more)


def under_load(shop: Shop, change: Callable[[], None], done: Callable[[], bool]) -> None:
    """Make a change while six clients ask; none of them notices."""
    with worker(), Load(shop.stand.port, shop.host) as load:
        answered(load)
        change()
        until(lambda: not shop.control().due and done(), what=f"for the change: {shop.words()}")
        answered(load)
        until(lambda: shop.running() == len(shop.serving()), what="for the replaced to end")
        answered(load)
    assert load.failures == []


def test_a_restart_replaces_every_instance_without_a_failed_request(shop: Shop, alice: User) -> None:
    assert shop.deploy(replicas=2).state == "ready"
    before = {row.pk for row in shop.serving()}
    assert len(before) == 2
    under_load(
        shop,
        lambda: lifecycle.restart(pod=shop.pod, app="web", by=alice),
        lambda: not before & {row.pk for row in shop.serving()},
    )
    assert len(shop.serving()) == 2
    assert {row.revision_id for row in shop.serving()} == {shop.pod.live_id}
    assert shop.pod.deployments.count() == 1, "no deployment, no build"
    assert shop.words()[0] == "Restart"
    assert shop.words()[1].startswith("2 instances started in ")
    assert shop.pod.events.get(kind="restarted").actor == alice


def test_one_that_is_sent_away_is_replaced_without_a_failed_request(shop: Shop) -> None:
    shop.deploy(replicas=2)
    leaving, other = shop.serving()

    def sent_away() -> None:
        for _ in range(3):  # it is seen again until it is gone
            lifecycle.replace(leaving)

    under_load(shop, sent_away, lambda: leaving.pk not in {row.pk for row in shop.serving()})
    (new,) = [row for row in shop.serving() if row.pk != other.pk]
    assert (new.app, new.replica, new.fingerprint) == (leaving.app, leaving.replica, other.fingerprint)
    assert [words for words in shop.words() if "emptied" in words] == [
        "Its machine is being emptied: another one is started in its place."
    ]


def test_more_and_fewer_instances_without_a_failed_request(shop: Shop) -> None:
    shop.deploy(scaling="auto", minReplicas=1, maxReplicas=5)
    for count in (4, 2):
        control = lifecycle.control_of(shop.pod.pk, "web")

        def change(control: object = control, count: int = count) -> None:
            assert lifecycle.scale(control=control, count=count, words=f"now {count}")  # type: ignore[arg-type]

        under_load(shop, change, lambda count=count: len(shop.serving()) == count)  # type: ignore[misc]
        assert {row.replica for row in shop.serving()} == set(range(1, count + 1))
    replies = {shop.ask()[1].split()[0] for _ in range(40)}
    assert replies == {"1", "2"}


def test_stopped_is_answered_by_a_page_and_stays_stopped_whatever_happens(shop: Shop, alice: User) -> None:
    shop.deploy(env={"GREETING": "one"})
    (row,) = shop.serving()
    lifecycle.stop(pod=shop.pod, app="web", by=alice)
    shop.settle()
    assert (shop.serving(), shop.running()) == ([], 0)
    assert engines.engine().status(row.handle).state in (State.GONE, State.EXITED)
    status, page = shop.ask()
    assert status == 503
    assert "This app has been stopped" in page
    assert shop.ask(method="POST", body=b"x")[0] == 503
    assert shop.control().stopped_by == alice
    with pytest.raises(Conflict, match="stopped already"):
        lifecycle.stop(pod=shop.pod, app="web", by=alice)
    with pytest.raises(Conflict, match="is stopped"):
        lifecycle.restart(pod=shop.pod, app="web", by=alice)

    reconcile.reconcile()
    done = shop.deploy(env={"GREETING": "two"})
    assert done.state == "ready"
    assert done.stages.get(stage="launch").note.startswith("Stopped by hand: it stays stopped.")
    first = shop.pod.revisions.get(version=1)
    back = shop.run(actions.start(pod=shop.pod, revision=first, trigger=Trigger.ROLLBACK, by=alice))
    assert back.state == "ready"
    reconcile.reconcile()
    assert (shop.running(), shop.ask()[0]) == (0, 503)

    lifecycle.start(pod=shop.pod, app="web", by=alice)
    shop.settle()
    assert shop.ask()[0] == 200
    assert "one" in shop.ask()[1], "what is live by now, not what ran when it was stopped"
    with pytest.raises(Conflict, match="not stopped"):
        lifecycle.start(pod=shop.pod, app="web", by=alice)


def test_what_fails_to_restart_leaves_what_serves_and_says_why(shop: Shop, alice: User, monkeypatch) -> None:
    shop.deploy(healthCheckTimeout=1)
    (row,) = shop.serving()
    real = settling.launch.spec_of

    def broken(release, workload):  # type: ignore[no-untyped-def]
        return replace(real(release, workload), env={**real(release, workload).env, "STATUS": "500"})

    monkeypatch.setattr(settling.launch, "spec_of", broken)
    lifecycle.restart(pod=shop.pod, app="web", by=alice)
    shop.settle()
    assert [w.pk for w in shop.serving()] == [row.pk]
    assert (shop.running(), shop.ask()[0]) == (1, 200)
    assert not shop.control().due
    assert shop.words()[-1].startswith("web was not healthy within 1 s: / answered 500.")
    assert shop.words()[-1].endswith("What ran before goes on.")


def test_one_that_does_not_start_stays_stopped(shop: Shop, alice: User, monkeypatch) -> None:
    shop.deploy(healthCheckTimeout=1)
    lifecycle.stop(pod=shop.pod, app="web", by=alice)
    shop.settle()
    real = settling.launch.spec_of

    def broken(release, workload):  # type: ignore[no-untyped-def]
        return replace(real(release, workload), command=("sh", "-c", "exit 3"))

    with monkeypatch.context() as patched:
        patched.setattr(settling.launch, "spec_of", broken)
        lifecycle.start(pod=shop.pod, app="web", by=alice)
        shop.settle()
    assert shop.running() == 0
    assert shop.control().stopped_at is not None
    assert shop.words()[-1].startswith("It did not start and stays stopped. web ended by itself with status 3.")
    assert shop.ask()[0] == 503


def test_a_stop_while_it_starts_is_heeded(shop: Shop, alice: User) -> None:
    shop.deploy()
    lifecycle.stop(pod=shop.pod, app="web", by=alice)
    shop.settle()
    shop.deploy(env={"LATE": "600"}, healthCheckTimeout=600)
    lifecycle.start(pod=shop.pod, app="web", by=alice)
    with worker():
        until(lambda: shop.running() == 1)
        lifecycle.stop(pod=shop.pod, app="web", by=alice)
        until(lambda: shop.running() == 0 and not shop.control().due)
    assert shop.serving() == []


def test_with_a_disk_the_one_instance_is_ended_and_started_again(shop: Shop, alice: User) -> None:
    if not engines.engine().check().sandbox:
        pytest.skip("without a sandbox a disk is not at its path")
    shop.save("Disk", "notes", size=5)
    shop.deploy(mounts=[{"path": "/data", "disk": "notes"}])
    (row,) = shop.serving()
    before = shop.ask()[1]
    lifecycle.restart(pod=shop.pod, app="web", by=alice)
    shop.settle()
    assert [w.pk for w in shop.serving()] == [row.pk]
    until(lambda: shop.ask()[0] == 200)
    assert shop.ask()[1] != before
    assert "its disk has one writer" in shop.words()[-1]
    assert shop.running() == 1


def test_a_deployment_takes_precedence(shop: Shop, alice: User) -> None:
    """Whoever settles was held up: what it started moves no traffic once a deployment has gone by."""
    shop.deploy(env={"GREETING": "one"})
    lifecycle.restart(pod=shop.pod, app="web", by=alice)
    control = shop.control()
    lease = acquire(control)
    assert lease is not None
    release = Release.of(shop.pod.live)  # type: ignore[arg-type]
    rows = settling._started(control, lease, release, release.wanted())
    assert shop.running() == 2
    shop.deploy(env={"GREETING": "two"})
    with pytest.raises((settling.LeaseLost, settling.Changed)):
        settling._move_traffic(control, lease, release, rows)
    reconcile._leftovers()
    assert shop.running() == 1
    assert "two" in shop.ask()[1]
    shop.settle()
    assert not shop.control().due
    assert shop.running() == 1, "the deployment heeded the restart already"


def test_nothing_is_settled_while_a_deployment_starts_instances(shop: Shop, alice: User) -> None:
    done = shop.deploy()
    (row,) = shop.serving()
    type(done).objects.filter(pk=done.pk).update(state="degraded")
    lifecycle.restart(pod=shop.pod, app="web", by=alice)
    shop.settle()
    assert [w.pk for w in shop.serving()] == [row.pk]
    assert shop.control().due
    type(done).objects.filter(pk=done.pk).update(state="ready")
    shop.settle()
    assert row.pk not in [w.pk for w in shop.serving()]


@pytest.mark.parametrize("where", ["settling.recorded", "workload.launched", "settling.moved", "retire.drained"])
@pytest.mark.parametrize("action", ["restart", "stop"])
def test_a_worker_that_dies_anywhere_is_made_up_for(
    shop: Shop, alice: User, monkeypatch: pytest.MonkeyPatch, where: str, action: str
) -> None:
    class Killed(BaseException):
        pass

    def die(name: str, *about: object) -> None:
        if name == where:
            raise Killed

    shop.deploy(replicas=2)
    before = {row.pk for row in shop.serving()}
    lifecycle.ACTIONS[action](pod=shop.pod, app="web", by=alice)
    with monkeypatch.context() as patched:
        for module in (settling, settling.launch):
            patched.setattr(module, "failpoint", die)
        patched.setattr("apps.deployments.retire.failpoint", die)
        try:
            shop.settle()
        except Killed:
            pass
    for _ in range(3):
        reconcile.reconcile()
        shop.settle()
    assert not shop.control().due
    if action == "stop":
        assert (shop.running(), shop.ask()[0]) == (0, 503)
    else:
        assert (shop.running(), shop.ask()[0]) == (2, 200)
        assert not before & {row.pk for row in shop.serving()}


def test_all_apps_of_a_pod(shop: Shop, alice: User) -> None:
    shop.save("App", "crew", type="worker", source={"repo": "https://git.example.com/team/shop.git"})
    shop.deploy()
    assert len(shop.serving()) == 2
    assert lifecycle.for_pod("stop", pod=shop.pod, by=alice) == ["crew", "web"]
    for app in ("crew", "web"):
        shop.settle(app)
    assert shop.running() == 0
    with pytest.raises(Conflict, match="can be asked to stop"):
        lifecycle.for_pod("stop", pod=shop.pod, by=alice)
    lifecycle.start(pod=shop.pod, app="crew", by=alice)
    assert lifecycle.for_pod("start", pod=shop.pod, by=alice) == ["web"]
    for app in ("crew", "web"):
        shop.settle(app)
    assert len(shop.serving()) == 2


def test_what_runs_nothing_cannot_be_stopped(shop: Shop, alice: User) -> None:
    with pytest.raises(NotFound):
        lifecycle.stop(pod=shop.pod, app="web", by=alice)
    shop.deploy()
    with pytest.raises(NotFound):
        lifecycle.stop(pod=shop.pod, app="front-of-another", by=alice)
