"""Snapshots: asked for, taken by a worker, put back whole or not at all, kept as long as they may be."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from apps.accounts.models import User
from apps.core.errors import Conflict, Invalid, UserError
from apps.deployments.disk_paths import disk_path, prepared_path
from apps.disks import archive, snapshots, tending, work
from apps.disks.models import DiskAction, Restore, Snapshot
from apps.disks.places import Disk
from apps.pods.models import Pod
from tests.deployments.standing import Shop, until

pytestmark = pytest.mark.django_db(transaction=True)


def taken(disk: Disk, by: User | None = None, note: str = "") -> Snapshot:
    row = snapshots.take(disk=disk, note=note, by=by)
    work.take(row.pk)
    row.refresh_from_db()
    assert row.state == "ready", row.reason
    return row


def put_back(disk: Disk, snapshot: Snapshot, *, keeps: bool = True) -> Restore:
    row = snapshots.put_back(disk=disk, snapshot=snapshot, keeps=keeps, by=None)
    work.put_back(row.pk)
    row.refresh_from_db()
    return row


def test_taken_and_put_back_with_what_was_there_kept(disk: Disk, bob: User) -> None:
    (disk.path / "a").write_text("then")
    first = taken(disk, bob, "before the upgrade")
    assert (first.actor, first.note, first.size) == (bob, "before the upgrade", first.file.stat().st_size)
    (disk.path / "a").write_text("now")
    (disk.path / "b").write_text("new")
    row = put_back(disk, first)
    assert (row.state, row.reason) == ("ready", "")
    assert [(path.name, path.read_text()) for path in disk.path.iterdir()] == [("a", "then")]
    former = Snapshot.objects.exclude(pk=first.pk).get()
    assert disk.beside("aside", row.pk).is_dir(), "kept until it is a snapshot"
    work.take(former.pk)
    assert not disk.beside("aside", row.pk).exists()
    former.refresh_from_db()
    put_back(disk, former, keeps=False)
    assert {path.name: path.read_text() for path in disk.path.iterdir()} == {"a": "now", "b": "new"}
    assert not list(disk.beside("aside").iterdir())
    assert Snapshot.objects.count() == 2
    said = list(DiskAction.objects.order_by("id").values_list("did", "person"))
    assert said == [("Took a snapshot", bob.email), ("Put back", ""), ("Put back", "")]
    assert "was put back" in str(disk.pod.events.filter(app="data").first())


def test_a_worker_that_died_is_followed_and_replaces_nothing_twice(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(name: str, of: str = "") -> None:
        raise Killed

    (disk.path / "a").write_text("then")
    row = snapshots.take(disk=disk, note="", by=None)
    with monkeypatch.context() as patched:
        patched.setattr(work, "failpoint", die)
        with pytest.raises(Killed):
            work.take(row.pk)
    row.refresh_from_db()
    assert row.state == "running"
    work.take(row.pk)
    row.refresh_from_db()
    assert (row.state, row.tries) == ("ready", 2)

    asked = snapshots.put_back(disk=disk, snapshot=row, keeps=True, by=None)
    with monkeypatch.context() as patched:
        patched.setattr(work, "failpoint", die)
        with pytest.raises(Killed):
            work.put_back(asked.pk)
    (disk.path / "since").write_text("written by the app since")
    work.put_back(asked.pk)
    asked.refresh_from_db()
    assert asked.state == "ready"
    assert (disk.path / "since").exists(), "it was exchanged already"
    assert Snapshot.objects.filter(former=asked.pk).count() == 1


def test_one_that_kills_every_worker_is_given_up(disk: Disk) -> None:
    row = snapshots.take(disk=disk, note="", by=None)
    Snapshot.objects.filter(pk=row.pk).update(state="running", tries=work.MOST_TRIES)
    work.take(row.pk)
    row.refresh_from_db()
    assert row.state == "failed"
    assert work.LOST in row.reason


def test_a_damaged_snapshot_changes_nothing(disk: Disk) -> None:
    (disk.path / "a").write_text("then")
    snapshot = taken(disk)
    snapshot.file.write_bytes(snapshot.file.read_bytes()[:-3])
    (disk.path / "a").write_text("now")
    row = put_back(disk, snapshot)
    assert (row.state, "no whole copy" in row.reason) == ("failed", True)
    assert (disk.path / "a").read_text() == "now"
    snapshot.file.unlink()
    assert "not there any more" in put_back(disk, snapshot).reason


def test_onto_a_new_disk_that_is_deployed_later(disk: Disk, alice: User) -> None:
    (disk.path / "a").write_text("then")
    snapshot = taken(disk)
    for name in ("data", "Not A Name", "../up"):
        with pytest.raises(UserError):
            snapshots.put_on_new(disk=disk, snapshot=snapshot, name=name, by=alice)
    row = snapshots.put_on_new(disk=disk, snapshot=snapshot, name="copy", by=alice)
    work.put_back(row.pk)
    row.refresh_from_db()
    assert row.state == "ready", row.reason
    tending.tend()
    assert prepared_path(disk.pod.pk, "copy").is_dir(), "its disk is in the draft"
    pod = Pod.objects.get(pk=disk.pod.pk)
    assert pod.draft
    assert pod.draft.snapshot()["copy"].spec["size"] == 5
    Pod.objects.filter(pk=pod.pk).update(live=pod.draft)
    tending.tend()
    assert (disk_path(pod.pk, "copy") / "a").read_text() == "then"


def test_what_is_prepared_goes_when_nobody_wants_it_any_more(disk: Disk, alice: User) -> None:
    row = snapshots.put_on_new(disk=disk, snapshot=taken(disk), name="copy", by=alice)
    work.put_back(row.pk)
    draft = Pod.objects.get(pk=disk.pod.pk).draft
    assert draft
    draft.delete()
    tending.tend()
    assert not prepared_path(disk.pod.pk, "copy").exists()


def test_only_so_many_are_kept_and_only_so_long(disk: Disk) -> None:
    with override_settings(BRAINPOD=dataclasses.replace(settings.BRAINPOD, snapshot_kept=2)):
        rows = [taken(disk) for _ in range(4)]
    assert set(Snapshot.objects.all()) == set(rows[2:])
    assert {path.name for path in disk.beside("snapshots").iterdir()} == {row.file.name for row in rows[2:]}
    Snapshot.objects.filter(pk=rows[2].pk).update(created_at=timezone.now() - datetime.timedelta(days=100))
    (disk.beside("snapshots") / "stray.tar.zst").touch()
    tending.tend()
    assert [path.name for path in disk.beside("snapshots").iterdir()] == [rows[3].file.name]
    snapshots.delete(disk=disk, snapshot=rows[3], by=None)
    assert not list(disk.beside("snapshots").iterdir())


def test_those_of_a_disk_that_is_gone_go_too(disk: Disk) -> None:
    snapshot = taken(disk)
    assert disk.pod.live
    disk.pod.live.resources.all().delete()
    tending.tend()
    assert not Snapshot.objects.exists()
    assert not snapshot.file.exists()


def test_a_pod_that_is_deleted_meanwhile_leaves_nothing(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    row = snapshots.take(disk=disk, note="", by=None)

    def torn_down(name: str, of: str = "") -> None:
        archive.drop(disk.path)
        Pod.objects.filter(pk=disk.pod.pk).update(live=None, head=None)
        Pod.objects.get(pk=disk.pod.pk).delete()

    monkeypatch.setattr(work, "failpoint", torn_down)
    work.take(row.pk)
    assert not disk.beside().exists()
    assert not Snapshot.objects.exists()


def test_what_cannot_be_asked_for(disk: Disk) -> None:
    for note in ("x" * 201, "two\nlines", "\x1b[31m"):
        with pytest.raises(Invalid, match="note"):
            snapshots.take(disk=disk, note=note, by=None)
    rows = [snapshots.take(disk=disk, note="", by=None) for _ in range(snapshots.WAITING)]
    with pytest.raises(UserError, match="being taken already"):
        snapshots.take(disk=disk, note="", by=None)
    with pytest.raises(Conflict, match="not ready"):
        snapshots.put_back(disk=disk, snapshot=rows[0], keeps=True, by=None)
    with pytest.raises(Conflict, match="being taken"):
        snapshots.delete(disk=disk, snapshot=rows[0], by=None)
    work.take(rows[0].pk)
    rows[0].refresh_from_db()
    snapshots.put_back(disk=disk, snapshot=rows[0], keeps=True, by=None)
    with pytest.raises(Conflict, match="being put onto"):
        snapshots.put_back(disk=disk, snapshot=rows[0], keeps=True, by=None)


def test_a_full_machine_is_said_and_leaves_nothing(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, "local", full)
    row = snapshots.take(disk=disk, note="", by=None)
    work.take(row.pk)
    row.refresh_from_db()
    assert (row.state, "disk is full" in row.reason) == ("failed", True)
    assert not list(disk.beside("snapshots").iterdir())


def test_an_app_loses_nothing_it_had_written(writer: Shop, tmp_path: Path) -> None:
    """Three in a row while it appends: each has a whole number of lines, no fewer than the one before."""
    disk = snapshots.Disk(writer.pod, "data", 5, "web", False)
    seen = 0
    for number in range(3):
        row = taken(disk)
        assert row.paused > 0
        with open(row.file, "rb") as source:
            archive.prepare(disk, f"look{number}", source, key="k")
        text = (prepared_path(disk.pod.pk, f"look{number}") / "log").read_text()
        assert text.endswith("\n")
        assert len(text) >= seen
        seen = len(text)
        until(lambda least=seen: (disk.path / "log").stat().st_size > least, what="for the next line")
