"""A directory out to a stream and back: everything kept, nothing outside read or written, nothing cut short taken."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard

from apps.core.errors import UserError
from apps.disks import streams


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def packed(path: Path, **how: bool) -> bytes:
    with opened(path) as descriptor:
        return b"".join(streams.packed(descriptor, **how))


def unpack(data: bytes, into: Path) -> int:
    into.mkdir()
    with opened(into) as descriptor:
        return streams.unpack(io.BytesIO(data), descriptor)


NAMES = [b"plain", b"with\nnewline", b"-rf", b"caf\xe9", b"\x01\x1b[31m", "схема".encode(), b"a\\b", b"x" * 255, b" "]


def grown(root: Path) -> Path:
    """A tree with one of everything."""
    root.mkdir()
    base = os.fsencode(root)
    for name in NAMES:
        with open(base + b"/" + name, "wb") as file:
            file.write(name * 3)
    (root / "secret").write_bytes(b"s")
    (root / "secret").chmod(0o600)
    (root / "run").write_bytes(b"#!")
    (root / "run").chmod(0o755)
    deep = root / "deep" / "er"
    deep.mkdir(parents=True)
    deep.chmod(0o700)
    os.link(root / "plain", deep / "again")
    (root / "out").symlink_to("/etc")
    (root / "up").symlink_to("../../..")
    os.mkfifo(root / "fifo")
    with open(root / "hole", "wb") as hole:
        hole.truncate(1 << 30)
    os.utime(root / "run", (1_000_000_000, 1_000_000_000.25))
    if os.getuid() == 0:
        os.chown(root / "secret", 4711, 4712)
        os.chown(root, 4711, 4711)
    return root


def told(root: Path) -> dict[bytes, tuple[object, ...]]:
    found = {}
    for at, directories, files in os.walk(os.fsencode(root)):
        for name in (*directories, *files):
            path = os.path.join(at, name)
            info = os.lstat(path)
            kind = stat.S_IFMT(info.st_mode)
            content: object = None
            if kind == stat.S_IFREG and info.st_size < 1 << 20:
                with open(path, "rb") as file:
                    content = file.read()
            elif kind == stat.S_IFLNK:
                content = os.readlink(path)  # noqa: PTH115 - bytes
            found[os.path.relpath(path, os.fsencode(root))] = (
                info.st_mode, info.st_uid, info.st_gid, info.st_nlink, content, info.st_size if content else 0,
            )  # fmt: skip
    return found


def test_everything_comes_back_as_it_was(tmp_path: Path) -> None:
    root = grown(tmp_path / "a")
    data = packed(root)
    assert len(data) < 100_000, "holes take no room"
    unpack(data, tmp_path / "b")
    assert told(tmp_path / "b") == told(root)
    assert (tmp_path / "b").stat().st_uid == root.stat().st_uid
    assert (tmp_path / "b" / "run").stat().st_mtime == 1_000_000_000.25
    assert (tmp_path / "b" / "hole").stat().st_blocks < 100


def test_a_stream_that_is_cut_short_or_damaged_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "a"
    root.mkdir()
    for number in range(5):
        (root / str(number)).write_bytes(os.urandom(300_000))
    data = packed(root)
    spoilt = bytearray(data)
    spoilt[len(data) // 2] ^= 0xFF
    for number, bad in enumerate((data[:-1], data[: len(data) // 2], bytes(spoilt), b"", b"no stream at all")):
        with pytest.raises(UserError) as raised:
            unpack(bad, tmp_path / f"into{number}")
        assert raised.value.code == "archive_broken", number


def test_a_link_put_in_the_way_leads_nowhere(tmp_path: Path) -> None:
    """While it is read, a directory turns into a link to a secret and back, all the time."""
    root, outside = tmp_path / "disk", tmp_path / "outside"
    (root / "d").mkdir(parents=True)
    outside.mkdir()
    for number in range(50):
        (root / "d" / f"f{number}").write_bytes(b"fine")
        (outside / f"f{number}").write_bytes(b"SECRET")
    (root / "link").symlink_to(outside)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            (root / "d").rename(root / "e")
            (root / "link").rename(root / "d")
            (root / "d").rename(root / "link")
            (root / "e").rename(root / "d")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for number in range(15):
            try:
                data = packed(root, changes=True)
            except streams.PlatformError:
                continue  # a directory went while tar was in it
            unpack(data, tmp_path / f"out{number}")
            for found in (tmp_path / f"out{number}").rglob("*"):
                assert found.is_symlink() or found.is_dir() or found.read_bytes() == b"fine"
    finally:
        over.set()
        thread.join()


def test_an_archive_that_leads_out_writes_nothing_outside(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(out, closefd=False) as compressed:
        with tarfile.open(fileobj=compressed, mode="w|") as archive:
            link = tarfile.TarInfo("./a")
            link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
            archive.addfile(link)
            for name in ("./a/escaped", "../escaped", f"{tmp_path}/escaped"):
                info = tarfile.TarInfo(name)
                info.size = 3
                archive.addfile(info, io.BytesIO(b"bad"))
    with pytest.raises(UserError):
        unpack(out.getvalue(), tmp_path / "into")
    assert not (tmp_path / "escaped").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes devices")
def test_devices_are_not_made_again(tmp_path: Path) -> None:
    root = tmp_path / "a"
    root.mkdir()
    os.mknod(root / "kmsg", stat.S_IFCHR | 0o666, os.makedev(1, 11))
    (root / "file").write_bytes(b"x")
    unpack(packed(root), tmp_path / "b")
    assert [found.name for found in (tmp_path / "b").iterdir()] == ["file"]


def test_who_stops_reading_leaves_nothing_running(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(30_000_000))
    with opened(tmp_path) as descriptor:
        stream = streams.packed(descriptor)
        next(stream)
        stream.close()  # type: ignore[attr-defined]
    mine = [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    assert "tar" not in {Path("/proc", pid, "comm").read_text().strip() for pid in mine}
