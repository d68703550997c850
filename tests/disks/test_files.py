"""Files of a disk through the dashboard: brought, sent away, changed, each by who may and written down."""

from __future__ import annotations

import dataclasses
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings
from django.urls import reverse

from apps.accounts.models import User
from apps.core.errors import Conflict, NotFound, Unavailable
from apps.deployments import disk_locks
from apps.disks import downloads, files, streams, tending, uploads
from apps.disks.models import DiskAction
from apps.disks.names import shown
from apps.disks.places import Disk
from apps.metrics.disks import GB
from apps.metrics.models import DiskUsage
from tests.disks.test_streams import grown, opened, told

pytestmark = pytest.mark.django_db


class Browser:
    def __init__(self, disk: Disk, client: Client) -> None:
        self.disk, self.client = disk, client

    def at(self, name: str) -> str:
        return reverse(name, args=[self.disk.pod.name, self.disk.name])

    def look(self, path: str = "", **query: str) -> str:
        asked = {"path": path, **query}
        answer = self.client.get(self.at("disk-files"), asked)
        assert answer.status_code == 200, answer.content.decode()[-3000:]
        return str(answer.content.decode())

    def do(self, action: str, **fields: str) -> Any:
        return self.client.post(self.at("disk-files"), {"action": action, **fields})

    def download(self, path: str) -> Any:
        return self.client.post(self.at("disk-download"), {"path": path})

    def begin(self, name: str, size: int, path: str = "", **fields: str) -> Any:
        return self.client.post(self.at("disk-uploads"), {"name": name, "size": str(size), "path": path, **fields})

    def piece(self, token: str, offset: int, data: bytes) -> Any:
        where = f"{self.at('disk-piece')}?token={quote(token)}&offset={offset}"
        return self.client.post(where, data, content_type="application/octet-stream")


@pytest.fixture
def browser(disk: Disk, bob: User, client_of: Callable[..., Client]) -> Browser:
    return Browser(disk, client_of(bob))


def done() -> list[tuple[str, str]]:
    return list(DiskAction.objects.order_by("id").values_list("did", "path"))


def test_who_may_look(browser: Browser, vera: User, charlie: User, client_of: Callable[..., Client]) -> None:
    (browser.disk.path / "a").write_text("x")
    for person, status in ((vera, 403), (charlie, 404)):
        for name in ("disk-files", "disk-text", "disk-download", "disk-uploads", "disk-piece"):
            assert client_of(person).post(browser.at(name), {"path": "a"}).status_code == status
        assert client_of(person).get(browser.at("disk-files")).status_code == status
    assert not DiskAction.objects.exists()


def test_a_hostile_tree_is_shown_and_taken_away_whole(browser: Browser, tmp_path: Path) -> None:
    browser.disk.path.rmdir()
    root = grown(browser.disk.path)
    (root / "<script>alert(1)<").write_text("x")
    page = browser.look()
    assert "<script>alert" not in page
    assert "caf\\e9" in page
    assert "with\\0anewline" in page
    for name in map(os.fsencode, os.listdir(root)):  # noqa: PTH208 - bytes
        if name == b"hole":
            continue
        answer = browser.download(shown(name))
        if name in (b"out", b"up", b"fifo"):
            assert answer.status_code == 409, name
            continue
        assert answer.status_code == 200
        content = b"".join(answer.streaming_content)
        assert answer["Content-Type"] == "application/octet-stream"
        assert answer["Content-Disposition"].startswith("attachment")
        assert answer["X-Content-Type-Options"] == "nosniff"
        if name != b"deep":
            assert content == (Path(os.fsdecode(os.path.join(os.fsencode(root), name)))).read_bytes()
    answer = browser.download("")
    into = tmp_path / "into"
    into.mkdir()
    with opened(into) as descriptor:
        streams.unpack(io.BytesIO(b"".join(answer.streaming_content)), descriptor)
    assert told(into) == told(root)
    assert done()[-1] == ("Downloaded", "everything")


def test_a_download_that_is_not_read_holds_nothing(disk: Disk) -> None:
    (disk.path / "a").write_bytes(b"x" * 100)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for at in ((), (b"a",)):
        downloads.download(disk=disk, at=at, by=None).content.close()  # type: ignore[attr-defined]
    with pytest.raises(NotFound):
        downloads.download(disk=disk, at=(b"none",), by=None)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_directories_are_made_renamed_and_deleted(browser: Browser) -> None:
    root = browser.disk.path
    if os.getuid() == 0:
        os.chown(root, 4711, 4712)
    browser.do("directory", name="new")
    browser.do("directory", name="inner", path="new")
    assert (root / "new" / "inner").is_dir()
    if os.getuid() == 0:
        assert ((root / "new").stat().st_uid, (root / "new").stat().st_gid) == (4711, 4712)
    assert "is there already" in browser.client.get(browser.do("directory", name="new")["Location"]).content.decode()
    browser.do("rename", name="new", new="old")
    assert (root / "old" / "inner").is_dir()
    (root / "b").symlink_to("/etc")
    browser.do("rename", name="old", new="b")
    assert (root / "old").is_dir(), "nothing is replaced"
    browser.do("delete", name="b")
    assert Path("/etc").is_dir()
    assert not (root / "b").is_symlink()
    browser.do("delete", name="old")
    assert not list(root.iterdir())
    tending.tend()
    assert not list(browser.disk.beside().glob("discarded-*"))
    assert browser.do("delete", name="nothing").status_code == 404
    for name in ("..", ".", "", "a/b"):
        browser.do("delete", name=name)
        browser.do("rename", name=name, new="x")
    assert root.is_dir()
    assert ("Renamed", "new > old") in done()
    assert ("Deleted", "old") in done()


def test_a_name_of_any_bytes_can_be_renamed_and_deleted(browser: Browser) -> None:
    name = b"\xff\n\\x"
    (Path(os.fsdecode(os.fsencode(browser.disk.path) + b"/" + name))).touch()
    browser.do("rename", name=shown(name), new="plain")
    assert (browser.disk.path / "plain").exists()
    assert 'id="one"' in browser.look(one="plain")


def test_texts_are_shown_and_saved_whole(browser: Browser) -> None:
    path = browser.disk.path / "conf.ini"
    path.write_text("a=<1>\n")
    path.chmod(0o4750)
    if os.getuid() == 0:
        os.chown(path, 4711, 4712)
        path.chmod(0o4750)
    where = browser.at("disk-text")
    page = browser.client.get(where, {"path": "conf.ini"}).content.decode()
    assert "a=&lt;1&gt;" in page
    seen = files.text_of(browser.disk, (b"conf.ini",)).seen
    answer = browser.client.post(where, {"path": "conf.ini", "text": "a=2\r\nb=3\n", "seen": seen})
    assert answer.status_code == 302
    assert path.read_bytes() == b"a=2\nb=3\n"
    info = path.stat()
    assert info.st_mode & 0o7777 == 0o750
    if os.getuid() == 0:
        assert (info.st_uid, info.st_gid) == (4711, 4712)
    late = browser.client.post(where, {"path": "conf.ini", "text": "lost", "seen": seen})
    assert late.status_code == 409
    assert path.read_bytes() == b"a=2\nb=3\n"
    (browser.disk.path / "bytes").write_bytes(b"\xff\x00")
    (browser.disk.path / "large").write_bytes(b"x" * (files.TEXT + 1))
    (browser.disk.path / "link").symlink_to("/etc/passwd")
    for name in ("bytes", "large", "link"):
        assert browser.client.get(where, {"path": name}).status_code == 409
        assert browser.client.post(where, {"path": name, "text": "", "seen": "x"}).status_code == 409
    assert not list(browser.disk.beside("uploads").iterdir())


def test_an_upload_in_pieces_goes_on_where_it_was(browser: Browser) -> None:
    root = browser.disk.path
    if os.getuid() == 0:
        os.chown(root, 4711, 4712)
    (root / "d").mkdir()
    data = os.urandom(100_000)
    token = browser.begin("naïve.bin", len(data), "d").json()["token"]
    assert browser.piece(token, 0, data[:40_000]).json() == {"there": 40_000}
    again = browser.piece(token, 0, data[:40_000])
    assert (again.status_code, again.json()["there"]) == (409, 40_000), "which one is next"
    assert not list((root / "d").iterdir()), "no app sees a part"
    assert browser.piece(token, 40_000, data[40_000:] + b"too much").json() == {"there": 100_000}
    found = root / "d" / "naïve.bin"
    assert found.read_bytes() == data
    if os.getuid() == 0:
        assert (found.stat().st_uid, found.stat().st_gid) == (4711, 4712)
    assert found.stat().st_mode & 0o7777 == 0o644
    assert ("Uploaded", "d/naïve.bin") in done()
    assert browser.begin("naïve.bin", 5, "d").status_code == 422
    token = browser.begin("naïve.bin", 0, "d", replace="on").json()["token"]
    assert browser.piece(token, 0, b"").status_code == 200
    assert found.read_bytes() == b""


def test_an_upload_never_goes_through_a_link_put_there_meanwhile(browser: Browser, tmp_path: Path) -> None:
    root = browser.disk.path
    (root / "d").mkdir()
    (tmp_path / "outside").mkdir()
    token = browser.begin("f", 3, "d").json()["token"]
    (root / "d").rmdir()
    (root / "d").symlink_to(tmp_path / "outside")
    assert browser.piece(token, 0, b"bad").status_code == 404, "no directory any more"
    assert not list((tmp_path / "outside").iterdir())
    token = browser.begin("f", 3).json()["token"]
    (root / "f").symlink_to(tmp_path / "outside" / "made")
    assert browser.piece(token, 0, b"bad").status_code == 422
    assert not (tmp_path / "outside" / "made").exists()


def test_what_is_too_large_or_nobodys_is_refused(
    browser: Browser, alice: User, client_of: Callable[..., Client]
) -> None:
    disk = browser.disk
    DiskUsage.objects.create(pod=disk.pod.pk, disk="data", used=5 * GB - 10, measured_at=disk.pod.created_at)
    full = browser.begin("f", 11)
    assert (full.status_code, "does not fit" in full.json()["error"]) == (507, True)
    with override_settings(BRAINPOD=dataclasses.replace(settings.BRAINPOD, upload_mb=1)):
        assert browser.begin("f", 1024 * 1024 + 1).status_code == 422
    for bad in ("-1", "x", "", "1e9", "9" * 30):
        assert browser.client.post(browser.at("disk-uploads"), {"name": "f", "size": bad}).status_code == 422
    for name in ("..", "a/b", "a\nb"):
        assert browser.begin(name, 1).status_code == 422
    token = browser.begin("f", 5).json()["token"]
    assert browser.piece(token + "x", 0, b"x").status_code == 404
    other = Browser(disk, client_of(alice))
    assert other.piece(token, 0, b"x").status_code == 404, "it is Bob's"
    with pytest.raises(NotFound):
        uploads.upload_of(disk=dataclasses.replace(disk, name="other"), token=token, by=alice)


def test_the_form_alone_brings_files(browser: Browser) -> None:
    sent = [SimpleUploadedFile("a.txt", b"A"), SimpleUploadedFile("b.txt", b"B")]
    answer = browser.client.post(browser.at("disk-uploads"), {"path": "", "file": sent})
    assert answer.status_code == 302
    assert {path.name: path.read_text() for path in browser.disk.path.iterdir()} == {"a.txt": "A", "b.txt": "B"}


def test_nobody_changes_files_of_a_database_or_during_a_restore(disk: Disk, bob: User) -> None:
    theirs = dataclasses.replace(disk, user="db", database=True)
    with pytest.raises(Conflict, match="its server alone"):
        files.make_directory(disk=theirs, at=(), name="x", by=bob)
    with disk_locks.alone(disk.pod.pk, "data") as mine:
        assert mine
        with pytest.raises(Unavailable):
            files.delete(disk=disk, at=(), name=b"x", by=bob)


def test_a_hundred_thousand_entries_are_shown_at_once(browser: Browser) -> None:
    many = browser.disk.path / "many"
    many.mkdir()
    at = os.open(many, os.O_RDONLY)
    for number in range(100_000):
        os.mknod(f"n{number}", dir_fd=at)
    os.close(at)
    began = time.process_time()
    page = browser.look("many", page="3", order="size")
    seconds = time.process_time() - began
    assert "100000 entries" in page
    assert "sorted by name alone" in page
    assert "page 3 of 500" in page
    assert seconds < 5, "0.4 s for the listing, and the page"
