"""What happens by the clock, and what becomes of what was interrupted."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.backups import actions, gone, remote, restoring, retention, run, sealing, tend
from apps.backups.models import Backup, BackupPlan, Restore, directory
from apps.core.errors import Invalid, PlatformError
from apps.deployments.models import AppEvent, Deployment, Workload
from apps.pods.models import Pod
from tests.backups.conftest import Running, made, restored
from tests.people import make_user

pytestmark = pytest.mark.django_db(transaction=True)
PLAN: dict[str, Any] = {"schedule": "0 3 * * *", "zone": "UTC", "last": 2, "days": 0, "weeks": 0, "drills": False}
LONG_AGO = timezone.now() - datetime.timedelta(days=3)


def plan(pod: Pod, by: User, **fields: Any) -> BackupPlan:
    return actions.set_plan(pod=pod, name="db", by=by, **{**PLAN, **fields})


def due(row: BackupPlan, **fields: Any) -> None:
    BackupPlan.objects.filter(pk=row.pk).update(next_at=timezone.now(), **fields)


def test_what_is_due_is_made_and_what_is_old_goes(server: Running, pod: Pod, alice: User) -> None:
    row = plan(pod, alice)
    first, second = made(pod, alice), made(pod, alice)
    due(row)
    tend.tend()
    waiting = Backup.objects.get(pod=pod, state="pending")
    assert (waiting.trigger, waiting.actor) == ("schedule", None)
    row.refresh_from_db()
    assert row.next_at > timezone.now()
    tend.tend()
    assert Backup.objects.filter(pod=pod).count() == 3, "once"
    run.run(waiting.pk)
    retention.apply(row, timezone.now())
    assert set(Backup.objects.filter(pod=pod).values_list("pk", flat=True)) == {second.pk, waiting.pk}
    assert not first.path.exists()
    assert second.path.exists()


def test_planned_before_the_clock_was_set_back_it_is_due_sooner(pod: Pod, alice: User) -> None:
    planned = plan(pod, alice)
    BackupPlan.objects.filter(pk=planned.pk).update(next_at=planned.next_at + datetime.timedelta(days=1))
    tend.tend()
    assert BackupPlan.objects.get(pk=planned.pk).next_at == planned.next_at


def test_what_a_plan_keeps() -> None:
    now = datetime.datetime(2026, 6, 30, 12, tzinfo=datetime.UTC)
    done = [(str(day), now - datetime.timedelta(days=day)) for day in range(40)]
    assert retention.kept(done, BackupPlan(keep_last=0, keep_days=0, keep_weeks=0), now) == {"0"}
    assert retention.kept(done, BackupPlan(keep_last=3, keep_days=5, keep_weeks=0), now) == set("012345")
    # 30 June 2026 is a Tuesday: the newest of each week is its Sunday.
    assert retention.kept(done, BackupPlan(keep_last=1, keep_days=0, keep_weeks=4), now) == {"0", "2", "9", "16"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"schedule": "61 * * * *"}, "schedule"), ({"schedule": "daily"}, "five fields"),
        ({"zone": "Mars"}, "zone: is no time zone"),
        ({"last": 0}, "last"), ({"weeks": -1}, "weeks"), ({"days": 10**6}, "days"),
    ],
)  # fmt: skip
def test_a_plan_that_does_not_hold(server: Running, pod: Pod, alice: User, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        plan(pod, alice, **fields)


def test_an_absent_backup_alarms_once(server: Running, pod: Pod, alice: User) -> None:
    row = plan(pod, alice)
    tend.tend()
    row.refresh_from_db()
    assert row.overdue_since is None
    BackupPlan.objects.filter(pk=row.pk).update(created_at=LONG_AGO)
    for _ in range(2):
        tend.tend()
    assert AppEvent.objects.filter(pod=pod, words="Its backup is overdue", level="error").count() == 1
    row.refresh_from_db()
    assert row.overdue_since is not None
    made(pod, alice)
    row.refresh_from_db()
    assert row.overdue_since is None


def test_the_newest_is_drilled_every_week(server: Running, pod: Pod, alice: User) -> None:
    plan(pod, alice, drills=True)
    tend.tend()
    assert not Restore.objects.filter(pod=pod).exists()
    server.ask("CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
    backup = made(pod, alice)
    tend.tend()
    drill = Restore.objects.get(pod=pod)
    assert (drill.purpose, drill.backup_id) == ("drill", backup.pk)
    restoring.run(drill.pk)
    tend.tend()
    backup.refresh_from_db()
    assert backup.proven_at is not None
    assert Restore.objects.filter(pod=pod).count() == 1
    Restore.objects.update(created_at=timezone.now() - datetime.timedelta(days=8))
    tend.tend()
    assert Restore.objects.filter(pod=pod).count() == 2


def test_a_drill_that_failed_is_tried_again_within_a_day(server: Running, pod: Pod, alice: User) -> None:
    backup = made(pod, alice)
    plan(pod, alice, drills=True)
    failed = Restore.objects.create(pod=pod, backup=backup, target="db", purpose="drill", state="failed")
    tend.tend()
    assert list(Restore.objects.filter(pod=pod)) == [failed]
    Restore.objects.update(created_at=timezone.now() - datetime.timedelta(hours=21))
    tend.tend()
    again = Restore.objects.get(pod=pod, state="pending")
    assert (again.purpose, again.backup_id) == ("drill", backup.pk)


def test_a_worker_that_was_killed_leaves_words_and_no_file(server: Running, pod: Pod, alice: User) -> None:
    kept = made(pod, alice)
    backup = actions.back_up(pod=pod, name="db", by=alice)
    gone = {"leased_until": timezone.now() - datetime.timedelta(seconds=1), "started_at": timezone.now()}
    Backup.objects.filter(pk=backup.pk).update(state="in_progress", file="db_x.dump.zst.age", fence=3, **gone)
    part = directory(pod.pk) / f"db_x.dump.zst.age{sealing.PART}"
    part.write_bytes(b"half")
    scratch = Restore.objects.create(pod=pod, backup=kept, target="db", state="in_progress", cleaned=False, **gone)
    admin = server.connect("postgres", "admin")
    admin.execute(f"CREATE DATABASE {scratch.scratch}")
    admin.close()
    tend.tend()
    for row in (backup, scratch):
        row.refresh_from_db()
        assert (row.state, row.error.split(":")[0]) == ("failed", "Interrupted")
    assert not part.exists()
    assert scratch.cleaned
    assert scratch.scratch not in server.databases()
    assert kept.path.exists()


def test_a_full_disk_fails_it_and_keeps_the_old_one(
    server: Running, pod: Pod, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real thing: /dev/full in the place of the file that is being written."""
    old = made(pod, alice)
    true_open = sealing.os.open

    def full(path: Any, flags: int, mode: int = 0o777) -> int:
        return true_open("/dev/full" if str(path).endswith(f".age{sealing.PART}") else path, flags, mode)

    server.ask("CREATE TABLE t AS SELECT md5(n::text) FROM generate_series(1, 50000) n")
    monkeypatch.setattr(sealing.os, "open", full)
    backup = actions.back_up(pod=pod, name="db", by=alice)
    run.run(backup.pk)
    monkeypatch.undo()
    backup.refresh_from_db()
    assert backup.state == "failed"
    assert "disk is full" in backup.error
    assert {path.name for path in old.path.parent.iterdir()} == {old.file, f"{old.file}.json"}


def test_copies_are_read_back_and_bring_a_lost_file(server: Running, pod: Pod, alice: User, copied: Any) -> None:
    server.ask("CREATE TABLE t AS SELECT 1 AS n")
    backup = made(pod, alice)
    assert backup.remote == "waiting"
    remote.copy(backup.pk)
    backup.refresh_from_db()
    assert (backup.remote, backup.remote_error) == ("stored", "")
    server.ask("DROP TABLE t")
    backup.path.unlink()
    assert restored(backup, alice).state == "completed"
    assert server.ask("SELECT n FROM t") == [(1,)]
    actions.delete(backup=backup, by=alice)
    store = remote.store()
    assert store is not None
    assert list(store.objects(pod.pk)) == []


def test_a_copy_that_fails_harms_nothing(
    server: Running, pod: Pod, alice: User, copied: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = made(pod, alice)

    def broken(*_: Any) -> None:
        raise PlatformError("object_store_away", "The object store is away.")

    monkeypatch.setattr(type(remote.store()), "put", broken)
    remote.copy(backup.pk)
    backup.refresh_from_db()
    assert (backup.state, backup.remote) == ("completed", "failed")
    assert "away" in backup.remote_error
    assert backup.path.is_file()
    assert AppEvent.objects.filter(pod=pod, level="warn", words__contains="could not be copied").count() == 1


def test_what_was_made_before_there_was_a_store_is_copied(
    server: Running, pod: Pod, alice: User, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = made(pod, alice)
    lost = Backup.objects.create(pod=pod, name="db", kind="PostgresDB", state="completed", file="lost.age")
    assert (backup.remote, woken(monkeypatch)) == ("", set()), "no store"
    monkeypatch.setattr(settings, "BRAINPOD", dataclasses.replace(settings.BRAINPOD, backups_url=bucket.url))
    assert woken(monkeypatch) == {backup.pk}, "and not what is nowhere"
    for row in (backup, lost):
        remote.copy(row.pk)
        row.refresh_from_db()
    assert (backup.remote, lost.remote) == ("stored", "")
    to = remote.store()
    assert to is not None
    assert {found.name for found in to.objects(pod.pk)} == {f"{pod.pk}/{backup.file}", f"{pod.pk}/{backup.file}.json"}


def test_copies_that_fail_hold_up_no_others(pod: Pod, copied: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two newest always fail, as they do where the store takes no files of their size."""
    pks = [f"{n:016}" for n in range(5)]
    for pk, state in zip(pks, ("waiting", "waiting", "waiting", "failed", "failed"), strict=True):
        common = {"name": "db", "kind": "PostgresDB", "state": "completed", "file": f"{pk}.age"}
        Backup.objects.create(pk=pk, pod=pod, remote=state, **common)
    Backup.objects.filter(remote="failed").update(remote_tried_at=timezone.now() - datetime.timedelta(hours=1))
    order = [woken(monkeypatch) for _ in range(4)]
    assert order == [{pks[2], pks[1]}, {pks[0], pks[4]}, {pks[3]}, set()], "each once in a quarter of an hour"
    Backup.objects.update(leased_until=timezone.now() + datetime.timedelta(minutes=1), remote_tried_at=None)
    assert woken(monkeypatch) == set(), "no more than two at once"


def woken(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The backups that a round has copied."""
    found: set[str] = set()
    with monkeypatch.context() as patched:
        patched.setattr(remote.wake, "wake", lambda name, *words: found.update(words))
        remote.tend(timezone.now())
    return found


def test_the_backups_of_a_pod_that_is_gone_go(server: Running, pod: Pod, alice: User, copied: Any) -> None:
    backup = made(pod, alice)
    remote.copy(backup.pk)
    path, pk = backup.path, pod.pk
    Pod.objects.filter(pk=pod.pk).update(live=None, head=None)
    Pod.objects.get(pk=pod.pk).delete()
    tend.tend()
    assert not path.exists()
    assert not (Path(settings.BRAINPOD.state) / "backups" / pk).exists()
    store = remote.store()
    assert store is not None
    assert list(store.objects(pk)) == []


def test_the_backups_of_a_pod_that_no_row_knows_stay(
    server: Running, pod: Pod, alice: User, copied: Any, client_of: Callable[..., Client]
) -> None:
    """As after the platform was restored to a time before the pod; until an operator says otherwise."""
    backup = made(pod, alice)
    remote.copy(backup.pk)
    path, pk = backup.path, pod.pk
    with connection.cursor() as cursor:
        for model in (Restore, Backup, BackupPlan, Workload, AppEvent, Deployment):
            cursor.execute(f"DELETE FROM {model._meta.db_table} WHERE pod_id = %s", [pk])
    Pod.objects.filter(pk=pk).update(live=None, head=None)
    pod.revisions.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM pods_pod WHERE id = %s", [pk])
    upgrades = directory("upgrades")
    upgrades.mkdir()
    tend.tend()
    assert path.exists()
    assert upgrades.exists(), "copies of the database are no pod's"
    store = remote.store()
    assert store is not None
    assert len(list(store.objects(pk))) == 2
    operator = client_of(make_user("operator", is_staff=True, is_superuser=True))
    assert str(path.parent) in operator.get(reverse("platform-backups")).content.decode()
    (path.parent / gone.MARK).touch()
    tend.tend()
    assert not path.parent.exists()
    assert list(store.objects(pk)) == []
    assert upgrades.exists()


def test_no_more_than_two_at_once(server: Running, pod: Pod, alice: User) -> None:
    for number in range(run.MOST):
        Backup.objects.create(pod=pod, name=f"other{number}", kind="PostgresDB", state="in_progress")
    backup = actions.back_up(pod=pod, name="db", by=alice)
    run.run(backup.pk)
    backup.refresh_from_db()
    assert backup.state == "pending"
