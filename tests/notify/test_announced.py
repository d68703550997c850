"""What happens is told, once, to those who want it, in the transaction in which it happens."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.backups import lacking, remote, restoring, tend
from apps.backups import run as backups
from apps.backups.models import Backup, BackupPlan, Restore
from apps.certificates.models import Certificate
from apps.core import announce as announcing_core
from apps.core.announce import announce
from apps.core.ids import new_id
from apps.core.states import move
from apps.deployments import announcing, certify, domains, lifecycle, observing
from apps.deployments.models import DEPLOYMENT_MOVES, Deployment, Workload
from apps.engines.base import State, Status
from apps.notify import actions, outbox, tidying
from apps.notify.events import EVENTS
from apps.notify.models import Delivery, Endpoint, Message
from apps.pods.domains.settling import Event, Outcome
from apps.pods.models import Pod
from tests.notify.conftest import Add, Clock
from tests.people import join, make_team, make_user

ROOT = Path(__file__).resolve().parents[2]


def told() -> list[tuple[str, dict[str, Any]]]:
    rows = Message.objects.order_by("created_at", "pk")
    return [(row.event, json.loads(row.body)["data"]) for row in rows]


def test_what_is_announced_is_known_and_what_is_known_is_announced() -> None:
    text = "".join(p.read_text() for p in (ROOT / "apps").rglob("*.py") if "notify" not in p.parts)
    named = {name for name in EVENTS if f'"{name}"' in text}
    assert named | {f"domain.{state}" for state in ("verified", "misdirected", "lost")} == EVENTS.keys()
    documented = (ROOT / "docs" / "notifications.md").read_text()
    assert [name for name in EVENTS if f"`{name}`" not in documented] == []


def end(deployment: Deployment, state: str, **fields: Any) -> None:
    with transaction.atomic():
        assert move(deployment, state, table=DEPLOYMENT_MOVES, finished_at=timezone.now(), **fields)
        announcing.deployment_ended(deployment)


def test_a_deployment_from_begin_to_end(add: Add, deployment: Deployment, alice: User) -> None:
    add()
    move(deployment, "pending", table=DEPLOYMENT_MOVES, started_at=timezone.now())
    announcing.deployment_began(deployment)
    announcing.deployment_degraded(deployment, "it answers 503")
    end(deployment, "ready")
    assert [event for event, _ in told()] == ["deployment.started", "deployment.degraded", "deployment.success"]
    data = told()[-1][1]
    assert data["pod"] == {"id": deployment.pod_id, "name": deployment.pod.name}
    assert data["deployment"]["revision"] == 1
    assert data["deployment"]["actor"] == alice.name
    assert data["words"] == f"v1 of {deployment.pod.name} is live."
    assert data["url"].endswith(f"/pods/{deployment.pod.name}/deployments/{deployment.pk}/")


def test_a_failed_build_is_told_beside_the_deployment(add: Add, deployment: Deployment) -> None:
    add()
    move(deployment, "pending", table=DEPLOYMENT_MOVES)
    deployment.stages.create(stage="install", app="web", state="failed")
    end(deployment, "failed", error="Exit code 1.", error_code="build_failed", hint="Look at the log.")
    (build, about), (failed, _) = told()
    assert (build, failed) == ("build.failed", "deployment.failed")
    assert (about["app"], about["stage"]) == ("web", "install")
    assert about["deployment"]["error"] == {
        "code": "build_failed", "message": "Exit code 1.", "hint": "Look at the log.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("trigger", "becomes", "event"),
    [("rollback", "ready", "deployment.rolled_back"), ("manual", "cancelled", "deployment.cancelled")],
)
def test_other_ends(trigger: str, becomes: str, event: str, add: Add, deployment: Deployment) -> None:
    add()
    Deployment.objects.filter(pk=deployment.pk).update(trigger=trigger, state="pending")
    deployment.refresh_from_db()
    end(deployment, becomes)
    assert [name for name, _ in told()] == [event]


def test_it_is_written_if_and_only_if_the_change_is(add: Add, deployment: Deployment) -> None:
    add()
    move(deployment, "pending", table=DEPLOYMENT_MOVES)
    with transaction.atomic():
        move(deployment, "ready", table=DEPLOYMENT_MOVES)
        announcing.deployment_ended(deployment)
        assert len(told()) == 1
        transaction.set_rollback(True)
    assert told() == []


def test_a_listener_that_fails_undoes_nothing(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    def broken(_: Any) -> None:
        Message.objects.create(pk="msg_x", team=pod.team, event="test", body="{}")
        raise RuntimeError

    monkeypatch.setattr(announcing_core, "_listeners", [broken, lambda one: heard.append(one.event)])
    with transaction.atomic():
        Pod.objects.filter(pk=pod.pk).update(region="far")
        announce("app.scaled", pod_id=pod.pk, words="x", page=("pod", pod.name))
    pod.refresh_from_db()
    assert (pod.region, heard, Message.objects.count()) == ("far", ["app.scaled"], 0)


def test_scaling_and_sleep(add: Add, pod: Pod) -> None:
    add()
    control = lifecycle.control_of(pod.pk, "web")
    lifecycle.scale(control=control, count=3, words="3 instances: CPU at 90 %")
    control.refresh_from_db()
    lifecycle.put_to_sleep(control=control, fingerprint="f", words="No request for 5 minutes")
    lifecycle.wake(control=control)
    assert [event for event, _ in told()] == ["app.scaled", "app.asleep", "app.awake"]
    assert told()[0][1]["instances"] == 3
    assert told()[0][1]["words"] == f"web of {pod.name}: 3 instances: CPU at 90 %"


def test_a_crash_loop_is_told_once(add: Add, pod: Pod, clock: Clock) -> None:
    add()
    row = Workload.objects.create(pod=pod, revision=pod.live, app="web", fingerprint="f", state="healthy", serving=True)
    for restarts in range(1, 8):
        row.refresh_from_db()
        observing.note(row, Status(State.RESTARTING, restarts, 1, "exited with code 1"), checked=True)
    assert [event for event, _ in told()] == ["app.crashing"]
    assert told()[0][1] | {"crashes": 3, "instance": "web.1", "revision": 1} == told()[0][1]
    Workload.objects.all().delete()


def test_domains_and_certificates(add: Add, pod: Pod) -> None:
    add()
    host = f"{new_id()}.example.com"
    for change in ("verified", "misdirected", "lost"):
        domains.tell(Outcome([Event(pod.pk, "site", f"{host} is {change}.", change=change, host=host)]))
    domains.tell(Outcome([Event(pod.pk, "site", "of no interest")]))
    name = pod.hosts.create(host=host, custom=True, state="verified", verified_at=timezone.now(), route="site")
    row = Certificate.objects.create(host=host, hostname=name, failures=1, error_code="acme_dns", error="No record.")
    certify._tell_news()
    Certificate.objects.filter(pk=row.pk).update(
        failures=0, version=1, issuer="Us", not_before=timezone.now(),
        not_after=timezone.now() + timezone.timedelta(days=90),
    )  # fmt: skip
    certify._tell_issued(row.pk)
    assert [event for event, _ in told()] == [
        "domain.verified", "domain.misdirected", "domain.lost", "certificate.failed", "certificate.issued",
    ]  # fmt: skip
    assert {data["domain"] for _, data in told()} == {host}


def test_backups(add: Add, pod: Pod) -> None:
    add()
    row = Backup.objects.create(pod=pod, name="db", kind="PostgresDB", state="in_progress")
    backups.fail(row, "The disk is full.", where={})
    assert told()[0][0] == "backup.failed"
    assert told()[0][1]["backup"]["error"] == "The disk is full."


def test_a_backup_that_is_overdue(add: Add, pod: Pod, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    add()
    monkeypatch.setattr(tend.places, "kept", lambda _: {"db": "PostgresDB"})
    plan = BackupPlan.objects.create(pod=pod, name="db", kind="PostgresDB", schedule="@hourly", next_at=timezone.now())
    for _ in range(2):
        clock.pass_by(hours=3)
        tend._alarm(plan, timezone.now())
        plan.refresh_from_db()
    assert [event for event, _ in told()] == ["backup.overdue"]


def test_a_drill_that_fails_until_one_goes_well(add: Add, pod: Pod) -> None:
    add()

    def drilled(name: str, words: str) -> None:
        backup, _ = Backup.objects.get_or_create(pod=pod, name=name, kind="PostgresDB", state="completed", file="x.age")
        state = "in_progress" if words else "completed"
        row = Restore.objects.create(pod=pod, backup=backup, target=name, purpose="drill", state=state)
        if words:
            restoring.fail(row, words, where={})

    for words in ("t: 1 instead of 2.", "Again.", "", "And again."):
        drilled("db", words)
    drilled("other", "No room.")
    assert [event for event, _ in told()] == ["backup.drill_failed"] * 3
    assert [(data["backup"]["resource"], data["backup"]["error"]) for _, data in told()] == [
        ("db", "t: 1 instead of 2."), ("db", "And again."), ("other", "No room."),
    ]  # fmt: skip


def test_copies_that_fail_until_all_are_there(add: Add, pod: Pod, tmp_path: Path, settings: Any) -> None:
    """Their files are gone."""
    add()
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, backups_url=f"file://{tmp_path}")

    def copied(number: int) -> None:
        row = Backup.objects.create(
            pod=pod, name="db", kind="PostgresDB", state="completed", file=f"{number}.age", remote="waiting"
        )
        for _ in range(2):
            remote.copy(row.pk)
        row.refresh_from_db()
        assert row.remote == "failed"

    copied(1)
    copied(2)
    assert [event for event, _ in told()] == ["backup.copy_failed"]
    Backup.objects.update(remote="stored")
    copied(3)
    assert [event for event, _ in told()] == ["backup.copy_failed"] * 2


def test_what_has_no_backup_at_all(add: Add, pod: Pod, team: Team) -> None:
    add()
    revision = pod.revisions.create(version=2, sealed_at=timezone.now(), summary="with data")
    revision.resources.create(kind="Disk", name="files", spec={"size": 1})
    revision.resources.create(kind="Valkey", name="cache", spec={"version": "8", "disk": "x"})
    preview = Pod.objects.create(team=team, name=f"p{new_id()}", parent=pod, lineage="preview")
    Pod.objects.filter(pk__in=(pod.pk, preview.pk)).update(live=revision)
    day, now = lacking.YOUNG, timezone.now()
    lacking.look(now)
    lacking.look(now + day / 2)
    assert told() == []
    for days in (1, 2):
        lacking.look(now + days * day)
    ((event, data),) = told()
    assert (event, data["backup"]) == ("backup.missing", {"resource": "files", "kind": "Disk"})
    assert data["url"].endswith(f"/pods/{pod.name}/resources/files/backups/")
    plan = BackupPlan.objects.create(pod=pod, name="files", kind="Disk", schedule="@daily", next_at=now)
    lacking.look(now + 3 * day)
    plan.delete()
    for days in (4, 5):
        lacking.look(now + days * day)
    assert [event for event, _ in told()] == ["backup.missing"] * 2


def scaled(pod: Pod) -> None:
    announce("app.scaled", pod_id=pod.pk, words="x", page=("resource", pod.name, "web"), app="web")


def test_only_what_was_chosen_is_sent(add: Add, pod: Pod, team: Team) -> None:
    other = Pod.objects.create(team=team, name=f"p{new_id()}")
    by_event = add(events=["build.failed"])
    by_pod, by_other = add(pods=[pod.name]), add(pods=[other.name])
    everything, off = add(), add()
    Endpoint.objects.filter(pk=off.pk).update(enabled=False)
    scaled(pod)
    reached = set(Delivery.objects.values_list("endpoint", flat=True))
    assert reached == {by_pod.pk, everything.pk}
    assert Message.objects.count() == 1
    assert {by_event.pk, by_other.pk, off.pk}.isdisjoint(reached)


def test_pods_that_are_gone_do_not_become_all_pods(add: Add, pod: Pod, team: Team) -> None:
    other = Pod.objects.create(team=team, name=f"p{new_id()}")
    add(pods=[other.name])
    other.delete()
    scaled(pod)
    assert Delivery.objects.count() == 0


def test_a_team_never_hears_of_another(add: Add, pod: Pod, charlie: User) -> None:
    theirs = make_team("theirs")
    dora = join(theirs, make_user("dora"), Role.OWNER)
    add(team=theirs, by=dora)
    scaled(pod)
    assert Message.objects.count() == 0
    with pytest.raises(actions.Invalid):
        add(team=theirs, by=dora, pods=[pod.name])


def test_a_pod_being_deleted_tells_no_more_and_takes_what_it_told_along(add: Add, pod: Pod) -> None:
    add()
    scaled(pod)
    assert Delivery.objects.count() == 1
    Pod.objects.filter(pk=pod.pk).update(deleting_at=timezone.now())
    scaled(pod)
    assert Delivery.objects.count() == 1
    Pod.objects.filter(pk=pod.pk).update(live=None, head=None)
    Pod.objects.get(pk=pod.pk).delete()
    assert Message.objects.count() == 0


def test_a_queue_has_an_end(add: Add, pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST_WAITING", 3)
    add()
    for _ in range(5):
        scaled(pod)
    assert Delivery.objects.count() == 3


def test_nobody_to_tell_costs_one_query(pod: Pod, django_assert_num_queries: Callable[..., Any]) -> None:
    with django_assert_num_queries(5):  # and a savepoint for each who listens
        scaled(pod)


def test_old_messages_go(add: Add, pod: Pod, clock: Clock) -> None:
    add()
    scaled(pod)
    clock.pass_by(days=29)
    tidying.tidy()
    assert Message.objects.count() == 1
    clock.pass_by(days=2)
    tidying.tidy()
    assert (Message.objects.count(), Delivery.objects.count()) == (0, 0)
