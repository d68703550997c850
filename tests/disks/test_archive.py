"""A disk out to a stream and back while an app writes to it: it has one writer, and none meanwhile."""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from apps.core.errors import Conflict, PlatformError, Unavailable, UserError
from apps.deployments import disk_locks, launch, lifecycle, reconcile
from apps.deployments.disk_paths import made, prepared_path
from apps.deployments.release import Release
from apps.disks import archive, quiet
from apps.disks.places import Disk, disk_of
from apps.engines.base import State
from tests.deployments.standing import Shop, until
from tests.disks.test_streams import grown, packed, told

pytestmark = pytest.mark.django_db(transaction=True)


def lines(disk: Disk) -> int:
    return len((disk.path / "log").read_bytes())


def grows(disk: Disk) -> None:
    before = lines(disk)
    until(lambda: lines(disk) > before, what="for the app to write again")


def test_an_app_is_stopped_for_the_copy_and_writes_again(writer: Shop, tmp_path: Path) -> None:
    disk = disk_of(writer.pod, "data")
    assert (disk.user, disk.database) == ("web", False)
    (row,) = writer.serving()
    out = io.BytesIO()
    written = archive.write(disk, out)
    assert (written.size, written.paused > 0) == (len(out.getvalue()), True)
    grows(disk)
    assert [one.pk for one in writer.serving()] == [row.pk], "the same instance, as the database sees it"
    until(lambda: writer.ask()[0] == 200, what="for an answer")
    assert "Stopped for a backup and started again after" in writer.words()[-1]
    archive.prepare(disk, "copy", io.BytesIO(out.getvalue()), key="k")
    copy = prepared_path(disk.pod.pk, "copy") / "log"
    assert copy.read_bytes() == (disk.path / "log").read_bytes()[: copy.stat().st_size]
    assert not list(disk.beside("work").iterdir())


def test_a_restore_exchanges_everything_at_once(writer: Shop, tmp_path: Path) -> None:
    disk = disk_of(writer.pod, "data")
    (disk.path / "new").write_text("after")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "log").write_bytes(b"restored\n")
    aside = archive.restore(disk, io.BytesIO(packed(tree)), key="r1")
    assert (aside / "new").read_text() == "after"
    assert not (disk.path / "new").exists()
    grows(disk)
    assert (disk.path / "log").read_bytes().startswith(b"restored\n")
    inside = writer.serving()[0]
    seen = inside.runner.exec(inside.handle, ("head", "-n", "1", "/data/log"))
    assert seen == (0, "restored\n"), "the app has the new content"
    before = lines(disk)
    assert archive.restore(disk, io.BytesIO(b"not read any more"), key="r1") == aside, "replaces nothing twice"
    assert lines(disk) >= before


def test_nothing_that_writes_is_started_while_a_disk_is_quiet(writer: Shop) -> None:
    disk = disk_of(writer.pod, "data")
    (row,) = writer.serving()
    release = Release.of(row.revision)
    with quiet.quiet(disk, "for this", check=lambda: None):
        assert row.runner.status(row.handle).state is State.GONE
        size = lines(disk)
        with pytest.raises(Unavailable, match="being copied or restored"):
            launch.start(release, row)
        reconcile.reconcile()
        assert row.runner.status(row.handle).state is State.GONE, "the reconciler waits as well"
        with disk_locks.alone(disk.pod.pk, "data") as mine:
            assert not mine, "two restores exclude each other"
        with pytest.raises(Unavailable), disk_locks.writing(disk.pod.pk, ["data"]):
            pass  # as jobs and commands before the start
        assert lines(disk) == size
    grows(disk)


def test_what_was_stopped_by_hand_stays_stopped(writer: Shop) -> None:
    disk = disk_of(writer.pod, "data")
    lifecycle.stop(pod=writer.pod, app="web", by=writer.by)
    writer.settle()
    archive.write(disk, io.BytesIO())
    assert not writer.serving()
    assert not quiet.writers(disk)


def test_a_worker_that_dies_leaves_nothing_stopped(writer: Shop) -> None:
    """It holds the disk no more, and the reconciler finds what should run."""
    disk = disk_of(writer.pod, "data")
    (row,) = writer.serving()
    launch.pause(row)
    reconcile.reconcile()
    grows(disk)


class Killed(BaseException):
    """The worker is gone: what it would have tidied up is not."""


@pytest.mark.parametrize("at", ["disk.exchange", "disk.prepared", "disk.aside"])
def test_a_restore_that_died_goes_on_and_never_leaves_half_a_disk(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    tree = grown(tmp_path / "tree")
    (disk.path / "old").write_text("old")

    def die(name: str, of: str = "") -> None:
        if name == at:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(archive, "failpoint", die)
        patched.setattr(archive, "drop", lambda path: None)  # a killed process tidies nothing up
        with pytest.raises(Killed):
            archive.restore(disk, io.BytesIO(packed(tree)), key="r")
    made(disk.pod.pk, "data")  # an app that is started by then
    found = told(disk.path)
    assert found in (told(tree), {b"old": told(disk.path).get(b"old")}), "one or the other, whole"
    aside = archive.restore(disk, io.BytesIO(packed(tree)), key="r")
    assert told(disk.path) == told(tree)
    assert [path.name for path in aside.iterdir()] == ["old"]
    assert not prepared_path(disk.pod.pk, "data").exists()


def test_a_broken_archive_changes_nothing(disk: Disk, tmp_path: Path) -> None:
    (disk.path / "old").write_text("old")
    tree = grown(tmp_path / "tree")
    with pytest.raises(UserError) as raised:
        archive.restore(disk, io.BytesIO(packed(tree)[:-4]), key="r")
    assert raised.value.code == "archive_broken"
    assert [path.name for path in disk.path.iterdir()] == ["old"]
    assert not list(disk.beside("incoming").iterdir())


def test_a_disk_in_use_is_waited_for_and_then_refused(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(quiet, "PATIENCE", 0.3)
    with disk_locks.writing(disk.pod.pk, ["data"]), pytest.raises(Conflict) as raised:
        archive.write(disk, io.BytesIO())
    assert raised.value.code == "disk_in_use"
    monkeypatch.setattr(quiet, "PATIENCE", 60)
    held, go = threading.Event(), threading.Event()

    def job() -> None:
        with disk_locks.writing(disk.pod.pk, ["data"]):
            held.set()
            go.wait(60)
        connection.close()

    thread = threading.Thread(target=job)
    thread.start()
    held.wait(60)
    threading.Timer(0.2, go.set).start()
    archive.write(disk, io.BytesIO())
    assert go.is_set()
    thread.join()


def test_where_blocks_are_shared_the_copy_is_read_after_the_pause(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the blocks are copied: what matters is that the tree read is the one of the pause."""
    (disk.path / "a").write_text("then")

    def shared(path: Path, into: Path) -> Path:
        shutil.copytree(path, into / "copy")
        (path / "a").write_text("later")
        return into / "copy"

    monkeypatch.setattr(archive, "_shared", shared)
    out = io.BytesIO()
    archive.write(disk, out)
    archive.prepare(disk, "other", io.BytesIO(out.getvalue()), key="k")
    assert (prepared_path(disk.pod.pk, "other") / "a").read_text() == "then"
    assert Path(made(disk.pod.pk, "other"), "a").read_text() == "then", "whoever makes the disk takes it"


def test_what_does_not_end_is_not_read(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(disk: Disk) -> list[object]:
        raise PlatformError("disk_still_written", "It does not end.")

    monkeypatch.setattr(quiet, "writers", stuck)
    with pytest.raises(PlatformError):
        archive.write(disk, io.BytesIO())


def test_who_asks_for_an_end_is_heard(disk: Disk) -> None:
    class Asked(Exception):
        pass

    def check() -> None:
        raise Asked

    calls: list[Callable[[], object]] = [
        lambda: archive.write(disk, io.BytesIO(), check=check),
        lambda: archive.restore(disk, io.BytesIO(b"x"), key="k", check=check),
    ]
    for call in calls:
        with pytest.raises(Asked):
            call()
