"""Directories go with the process that made them, and with nobody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apps.core import claims

MAKES = """
import sys, time
from pathlib import Path
from apps.core import claims
made = claims.claim(Path(sys.argv[1]), "theirs-")
(made / "sub").mkdir()
number = 0
print(made.name, flush=True)
while True:
    number += 1
    (made / "sub" / str(number)).write_text("half written")
    time.sleep(0.005)
"""


@contextmanager
def maker(parent: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process in the middle of filling a directory of its own."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", MAKES, str(parent)], cwd=root, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            yield child, parent / child.stdout.readline().strip()
        finally:
            child.kill()


def test_what_a_killed_process_was_making_is_removed_and_nothing_before(tmp_path: Path) -> None:
    with maker(tmp_path) as (dies, left), maker(tmp_path) as (_, other):
        mine = claims.claim(tmp_path, "mine-")
        stranger = tmp_path / "stranger"
        stranger.mkdir()
        assert claims.sweep(tmp_path) == []
        assert left.is_dir()
        os.kill(dies.pid, signal.SIGKILL)
        dies.wait(60)
        assert claims.sweep(tmp_path) == [left.name]
        assert not left.exists()
        assert other.is_dir()
        assert stranger.is_dir()
        assert mine.is_dir()
        claims.end(mine)
        assert not mine.exists()


def test_a_process_that_only_stands_still_is_alive(tmp_path: Path) -> None:
    with maker(tmp_path) as (stops, directory):
        os.kill(stops.pid, signal.SIGSTOP)
        assert claims.sweep(tmp_path) == []
        assert directory.is_dir()


def test_what_it_started_does_not_hold_its_directory(tmp_path: Path) -> None:
    """A sandbox that outlives its builder for a moment, or for good."""
    outlives = "import subprocess\nsubprocess.Popen(['sleep', '300'], stdout=subprocess.DEVNULL)\n"
    starts = MAKES.replace("number = 0\n", f"{outlives}number = 0\n")
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", starts, str(tmp_path)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        assert child.stdout is not None
        left = tmp_path / child.stdout.readline().strip()
        try:
            os.kill(child.pid, signal.SIGKILL)
            child.wait(60)
            assert claims.sweep(tmp_path) == [left.name]
        finally:
            os.killpg(child.pid, signal.SIGKILL)


def test_nothing_is_swept_between_its_making_and_its_claim(tmp_path: Path) -> None:
    done = threading.Event()
    swept: list[str] = []

    def sweep() -> None:
        while not done.is_set():
            swept.extend(claims.sweep(tmp_path))

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for _ in range(300):
            with claims.claimed(tmp_path, "busy-") as directory:
                (directory / "file").write_text("x")
                assert (directory / "file").read_text() == "x"
                assert directory.name not in swept
    finally:
        done.set()
        sweeper.join(60)
    assert claims.sweep(tmp_path) == []


def test_a_body_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> None:
        with claims.claimed(tmp_path, "x-") as directory:
            (directory / "file").write_text("x")
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert list(tmp_path.iterdir()) == []


def test_directories_removed_by_somebody_else_are_let_go_of(tmp_path: Path) -> None:
    first = claims.claim(tmp_path, "x-")
    first.rmdir()
    second = claims.claim(tmp_path, "x-")
    assert str(first) not in claims._held
    claims.end(second)
    assert str(second) not in claims._held


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / f"link{claims.MARK}").symlink_to(outside)
    (inside / f"file{claims.MARK}").write_text("x")
    assert claims.sweep(inside) == []
    assert outside.is_dir()
    assert claims.sweep(tmp_path / "missing") == []
