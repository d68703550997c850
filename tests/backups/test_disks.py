"""Backups of disks: what an app writes to, from the button to the files that are there again."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from apps import secretstore
from apps.accounts.models import Team, User
from apps.backups import actions, keys, places, sealing
from apps.backups.kinds import KINDS
from apps.backups.kinds.disk import ENTRIES, At
from apps.backups.models import Backup
from apps.core.errors import NotFound, PlatformError
from apps.deployments.models import AppEvent
from apps.disks.places import Disk, disk_of
from apps.pods.models import Pod
from apps.secretstore.base import SecretStore
from tests.backups.conftest import beside, made, prove, restored, store  # noqa: F401 - store is a fixture
from tests.deployments.conftest import front_door, served, shop  # noqa: F401 - fixtures
from tests.deployments.standing import Shop, until
from tests.disks.conftest import disk, here, pod, writer  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _kept(store: SecretStore) -> None:  # noqa: F811
    """Keys of backups are in the secret store."""


def fill(at: Path) -> None:
    (at / "a/b").mkdir(parents=True)
    (at / "a/b/größe\n").write_bytes(os.urandom(200_000))
    (at / "empty").mkdir()
    (at / "out").symlink_to("/etc/passwd")
    os.link(at / "a/b/größe\n", at / "twice")


def plain(backup: Backup) -> bytes:
    with backup.path.open("rb") as file, sealing.opened(file, keys.identities()) as found:
        return b"".join(iter(lambda: found.read(1 << 20), b""))


def test_what_was_lost_is_there_again(pod: Pod, disk: Disk, alice: User) -> None:  # noqa: F811
    fill(disk.path)
    content = (disk.path / "twice").read_bytes()
    backup = made(pod, alice, name="data")
    assert backup.manifest["rows"] == {ENTRIES: [7, 7]}  # the top, a, b, the file, its other name, empty, the link
    assert backup.file.endswith(".tar.zst.age")
    with tarfile.open(fileobj=io.BytesIO(plain(backup))) as opened:
        assert "./a/b/größe\n" in opened.getnames()
    (disk.path / "a/b/größe\n").unlink()
    (disk.path / "twice").write_text("overwritten")
    (disk.path / "later").write_text("x")
    row = restored(backup, alice)
    assert (row.state, row.error, row.cleaned) == ("completed", "", True)
    assert (disk.path / "a/b/größe\n").read_bytes() == content
    assert (disk.path / "twice").samefile(disk.path / "a/b/größe\n")
    assert (disk.path / "out").readlink() == Path("/etc/passwd")
    assert not (disk.path / "later").exists()
    assert beside(disk) == set()


def test_a_drill_changes_nothing_and_leaves_nothing(pod: Pod, disk: Disk, alice: User) -> None:  # noqa: F811
    fill(disk.path)
    backup = made(pod, alice, name="data")
    (disk.path / "later").write_text("x")
    prove(backup, alice)
    assert (disk.path / "later").exists()
    assert beside(disk) == set()


def test_one_that_does_not_hold_all_is_not_restored(pod: Pod, disk: Disk, alice: User) -> None:  # noqa: F811
    fill(disk.path)
    backup = made(pod, alice, name="data")
    manifest = backup.manifest | {"rows": {ENTRIES: [8, 8]}}
    Backup.objects.filter(pk=backup.pk).update(manifest=manifest)
    (disk.path / "later").write_text("x")
    backup.refresh_from_db()
    row = restored(backup, alice)
    assert row.state == "failed"
    assert f"{ENTRIES}: 7 instead of 8" in row.error
    assert (disk.path / "later").exists()
    assert beside(disk) == set()


@pytest.mark.parametrize("at", ["disk.exchange", "disk.prepared", "disk.aside"])
def test_a_death_in_the_exchange_leaves_one_content(
    pod: Pod,  # noqa: F811
    disk: Disk,  # noqa: F811
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    at: str,
) -> None:
    fill(disk.path)
    backup = made(pod, alice, name="data")
    (disk.path / "later").write_text("x")

    class Death(BaseException):
        pass

    def die(name: str, *_: object) -> None:
        if name == at:
            raise Death

    kind, place = KINDS["Disk"], places.at(pod, "data")
    assert isinstance(place, At)
    with backup.path.open("rb") as file, sealing.opened(file, keys.identities()) as content:
        loaded = kind.load(place, content, "scratch", lambda words: None)
    with monkeypatch.context() as patched:
        patched.setattr("apps.disks.archive.failpoint", die)
        with pytest.raises(Death):
            kind.swap(place, "scratch", loaded)
    kind.drop(place, "scratch")
    assert (disk.path / "later").exists() is (at != "disk.aside")
    assert (disk.path / "a/b/größe\n").exists()
    assert beside(disk) == set()


def test_a_copy_that_was_not_read_whole_is_no_backup(pod: Pod, disk: Disk) -> None:  # noqa: F811
    fill(disk.path)
    with KINDS["Disk"].dump(places.at(pod, "data")) as dump:
        dump.read(1000)
        with pytest.raises(PlatformError, match="not read to its end"):
            dump.finish()


def test_the_app_is_stopped_for_the_copy_alone(
    writer: Shop,  # noqa: F811
    alice: User,
    store: SecretStore,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,  # noqa: F811, RUF100
) -> None:
    monkeypatch.setattr(secretstore, "secrets", lambda: store)  # the platform of `writer` has none
    backup = made(writer.pod, alice, name="data")
    log = disk_of(writer.pod, "data").path / "log"
    size = log.stat().st_size
    until(lambda: log.stat().st_size > size, what="for the app to write again")
    assert AppEvent.objects.filter(pod=writer.pod, words__startswith="Stopped for a backup and started again").exists()
    (log.parent / "later").write_text("x")
    row = restored(backup, alice)
    assert (row.state, row.error) == ("completed", "")
    assert not (log.parent / "later").exists()
    size = log.stat().st_size
    until(lambda: log.stat().st_size > size, what="for the app to write again")


def test_what_can_be_backed_up(pod: Pod, alice: User, team: Team) -> None:  # noqa: F811
    live = pod.live
    assert live
    live.resources.create(kind="Disk", name="db-data", spec={"size": 5})
    live.resources.create(kind="PostgresDB", name="db", spec={"version": "18", "disk": "db-data", "credentials": 1})
    at_a_service = {"version": "", "server": "main", "credentials": 1}
    live.resources.create(kind="PostgresDB", name="shared", spec=at_a_service)
    live.resources.create(kind="Valkey", name="keys", spec=at_a_service)
    assert places.kept(pod) == {"data": "Disk", "db": "PostgresDB", "shared": "PostgresDB", "keys": "ValkeyKeys"}
    with pytest.raises(NotFound):
        actions.back_up(pod=pod, name="db-data", by=alice)
