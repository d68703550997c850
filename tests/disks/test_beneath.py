"""The way into a disk that a hostile app has filled, and goes on changing."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.core.errors import Conflict, Invalid, NotFound, UserError
from apps.disks import beneath
from apps.disks.listing import PAGE, listing
from apps.disks.names import new_name, path_of, plain, read, shown
from tests.disks.test_streams import NAMES

Open = Callable[..., int]


@pytest.fixture(params=["openat2", "one_by_one"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "openat2" and not beneath._has_openat2():
        pytest.skip("this kernel has no openat2")
    monkeypatch.setattr(beneath, "_has_openat2", lambda: request.param == "openat2")
    return str(request.param)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    disk, outside = tmp_path / "disk", tmp_path / "outside"
    (disk / "d" / "e").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text("SECRET")
    (disk / "d" / "e" / "f").write_text("fine")
    (disk / "to_file").symlink_to(outside / "secret")
    (disk / "to_directory").symlink_to(outside)
    (disk / "within").symlink_to("d")
    (disk / "d" / "up").symlink_to("../..")
    (disk / "magic").symlink_to("/proc/self/root")
    (disk / "loop").symlink_to("loop")
    os.mkfifo(disk / "fifo")
    return disk


def text(root: Path, *parts: bytes) -> str:
    with beneath.top(root) as top, beneath.file(top, parts) as file:
        return os.read(file, 100).decode()


def test_what_is_there_is_opened(way: str, root: Path) -> None:
    assert text(root, b"d", b"e", b"f") == "fine"
    with beneath.top(root) as top:
        with beneath.directory(top, ()) as same:
            assert os.path.samestat(os.fstat(top), os.fstat(same))
        with beneath.directory(top, (b"d",)) as found:
            assert sorted(entry.name for entry in os.scandir(found)) == ["e", "up"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ((b"to_file",), "disk_link"),
        ((b"to_directory", b"secret"), "disk_link"),
        ((b"within", b"e", b"f"), "disk_link"),
        ((b"d", b"up", b"outside", b"secret"), "disk_link"),
        ((b"magic", b"etc", b"passwd"), "disk_link"),
        ((b"loop",), "disk_link"),
        ((b"..", b"outside", b"secret"), "disk_link"),
        ((b"d", b"..", b"..", b"outside", b"secret"), "disk_link"),
        ((b"fifo",), "disk_no_file"),
        ((b"d",), "disk_no_file"),
        ((b"nothing",), "not_found"),
        ((b"d", b"e", b"f", b"g"), "not_found"),
        ((b"x" * 300,), "not_found"),
    ],
)
def test_no_way_leads_out(way: str, root: Path, path: tuple[bytes, ...], code: str) -> None:
    with pytest.raises(UserError) as raised:
        text(root, *path)
    assert raised.value.code == code


def test_a_directory_that_is_a_link_is_not_entered(way: str, root: Path) -> None:
    with beneath.top(root) as top:
        for path in ((b"to_directory",), (b"within",), (b"d", b"up"), (b"to_file",)):
            with pytest.raises((Conflict, NotFound)), beneath.directory(top, path):
                pass


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes devices")
def test_a_device_is_no_file(way: str, root: Path) -> None:
    os.mknod(root / "zero", 0o020666, os.makedev(1, 5))
    with pytest.raises(Conflict):
        text(root, b"zero")


def test_what_changes_all_the_time_never_leads_out(way: str, root: Path) -> None:
    """d is the directory, then a link to outside, then the directory, as fast as it goes."""
    (root.parent / "outside" / "e").mkdir()
    (root.parent / "outside" / "e" / "f").write_text("SECRET")
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            (root / "d").rename(root / "real")
            (root / "to_directory").rename(root / "d")
            (root / "d").rename(root / "to_directory")
            (root / "real").rename(root / "d")

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        for _ in range(3000):
            try:
                seen.add(text(root, b"d", b"e", b"f"))
            except UserError as error:
                seen.add(error.code)
    finally:
        over.set()
        thread.join()
    assert "SECRET" not in seen
    assert "fine" in seen


def test_nothing_is_replaced(root: Path) -> None:
    with beneath.top(root) as top, pytest.raises(OSError) as raised:
        beneath.rename(top, b"fifo", top, b"d")
    assert raised.value.errno == errno.EEXIST
    with beneath.top(root) as top:
        beneath.rename(top, b"fifo", top, b"new")
    assert (root / "new").is_fifo()


def test_names_of_any_bytes_come_back() -> None:
    hostile = [*NAMES, b"\xe2\x80\xaegpj.exe", b"\\0a", b"\\", b"%2e%2e", b"<script>", bytes(range(1, 47))]
    for name in hostile:
        text = shown(name)
        assert read(text) == name
        assert text.isprintable()
        assert "/" in name.decode(errors="replace") or path_of(text) == (name,)
        assert not set(plain(name)) & set('\n\r"\\/<>')


@pytest.mark.parametrize("path", ["..", "a/../b", "a/./b", "\\2e\\2e/x", "a\\00b", "x" * 5000, "x" * 256, "./a"])
def test_paths_that_are_none(path: str) -> None:
    with pytest.raises(Invalid, match="path"):
        path_of(path)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\nb", "x" * 256, "\x00", "\u202egpj", "ä" * 128])
def test_names_that_nobody_may_give(name: str) -> None:
    with pytest.raises(Invalid, match="name"):
        new_name(name)


def test_many_entries_are_listed_a_page_at_a_time(tmp_path: Path) -> None:
    for number in range(450):
        (tmp_path / f"f{number:03}").write_bytes(b"x" * number)
    (tmp_path / "zz").mkdir()
    with beneath.top(tmp_path) as top:
        first, last = listing(top), listing(top, page=99)
        assert [entry.name for entry in first.entries[:2]] == ["zz", "f000"]
        assert (len(first.entries), first.pages, first.count, last.page, last.entries[-1].name) == (
            PAGE, 3, 451, 3, "f449",
        )  # fmt: skip
        assert listing(top, order="size").entries[1].size == 449


def test_a_hostile_directory_is_listed(root: Path) -> None:
    for name in NAMES:
        (Path(os.fsdecode(os.fsencode(root) + b"/" + name))).touch()
    os.utime(root / "plain", (1 << 33, 1 << 33))
    with beneath.top(root) as top:
        entries = {entry.name: entry for entry in listing(top).entries}
    assert {shown(name) for name in NAMES} <= set(entries)
    assert (entries["to_file"].kind, entries["fifo"].kind) == ("link", "other")
    assert all(entry.name.isprintable() and entry.to.isprintable() for entry in entries.values())
