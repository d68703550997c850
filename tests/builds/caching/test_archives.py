"""What goes into an archive comes out the same; what somebody made up does not come out at all."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from apps.artifacts.archives import BadArchive, pack, unpack
from apps.artifacts.trees import seal

Fill = Callable[[tarfile.TarFile], None]


def packed(root: Path) -> io.BytesIO:
    out = io.BytesIO()
    pack(root, out)
    out.seek(0)
    return out


def made(fill: Fill) -> io.BytesIO:
    """An archive by somebody else's hand."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        fill(archive)
    return io.BytesIO(zstandard.compress(plain.getvalue()))


def member(name: str, kind: bytes = tarfile.REGTYPE, *, size: int = 0, to: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, to
    return info


def test_there_and_back(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / "bin").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "bin/tool").write_bytes(os.urandom(3_000_000))
    (root / "bin/tool").chmod(0o755)
    (root / "ü\n name").write_text("x")
    (root / "link").symlink_to("bin/tool")
    (root / "directory").symlink_to("bin")
    os.link(root / "bin/tool", root / "second")
    os.utime(root / "bin/tool", (1_600_000_000, 1_600_000_000))
    archive = packed(root)
    (tmp_path / "out").mkdir()
    unpack(archive, tmp_path / "out", most_bytes=6_000_001, most_files=3)
    assert seal(tmp_path / "out").digest == seal(root).digest
    assert (tmp_path / "out/bin/tool").stat().st_mtime == 1_600_000_000


@pytest.mark.parametrize(
    "fill",
    [
        lambda a: a.addfile(member("../out-of-it")),
        lambda a: a.addfile(member("/etc/planted")),
        lambda a: a.addfile(member("a/../../b")),
        lambda a: a.addfile(member("pipe", tarfile.FIFOTYPE)),
        lambda a: a.addfile(member("device", tarfile.CHRTYPE)),
        lambda a: a.addfile(member("hard", tarfile.LNKTYPE, to="/etc/passwd")),
        lambda a: (a.addfile(member("twice")), a.addfile(member("twice"))),
        lambda a: [a.addfile(member(name, tarfile.SYMTYPE, to="/tmp")) for name in ("link", "link/x")],
    ],
    ids=["up", "absolute", "up-inside", "fifo", "device", "hard-link", "twice", "link-behind-a-link"],
)  # fmt: skip
def test_ways_out_are_refused(tmp_path: Path, fill: Fill) -> None:
    into = tmp_path / "deep/out"
    into.mkdir(parents=True)
    with pytest.raises(BadArchive):
        unpack(made(fill), into, most_bytes=100, most_files=10)
    assert sorted(p.name for p in tmp_path.rglob("*")) == sorted({"deep", "out", *(p.name for p in into.rglob("*"))})


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "out").mkdir()

    def fill(archive: tarfile.TarFile) -> None:
        archive.addfile(member("link", tarfile.SYMTYPE, to=str(outside)))
        archive.addfile(member("link/planted", size=1), io.BytesIO(b"x"))

    with pytest.raises(BadArchive):
        unpack(made(fill), tmp_path / "out", most_bytes=100, most_files=10)
    assert not list(outside.iterdir())


def test_bombs_end_at_the_size_that_was_stored(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    bomb = made(lambda a: a.addfile(member("zeros", size=50_000_000), io.BytesIO(bytes(50_000_000))))
    assert len(bomb.getvalue()) < 100_000
    with pytest.raises(BadArchive, match="larger"):
        unpack(bomb, tmp_path / "out", most_bytes=1000, most_files=10)
    many = made(lambda a: [a.addfile(member(f"f{n}")) for n in range(20)])
    (tmp_path / "many").mkdir()
    with pytest.raises(BadArchive, match="larger"):
        unpack(many, tmp_path / "many", most_bytes=1000, most_files=10)
    assert len(list((tmp_path / "many").iterdir())) == 10


@pytest.mark.parametrize(
    "damage",
    [lambda b: b"", lambda b: b"no archive", lambda b: b[: len(b) // 2], lambda b: b[:40] + b"\0" * 40 + b[80:]],
)
def test_damaged_archives(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "file").write_bytes(os.urandom(100_000))
    (tmp_path / "out").mkdir()
    with pytest.raises(BadArchive):
        unpack(io.BytesIO(damage(packed(root).getvalue())), tmp_path / "out", most_bytes=10**6, most_files=10)
