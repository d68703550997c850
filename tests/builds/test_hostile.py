"""Builds that mean no good: ended within their limits, named, with nothing left behind and the neighbour unharmed."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as live

from apps.builds.stages.room import Interrupted
from apps.core.errors import UserError
from tests.builds.conftest import Builder
from tests.stack.components import processes_with, wait_for

Make = Callable[[dict[str, str]], Path]
PATIENCE = 60  # seconds
DEAD = 5.0  # seconds after a cancellation

FORK_BOMB = """
import os, time
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.05)
"""
GREEDY = "held = [bytearray(64 << 20) for _ in range(200)]"


@pytest.fixture
def limits(settings) -> Callable[..., None]:
    def give(**bounds: int) -> None:
        settings.BRAINPOD = dataclasses.replace(live.BRAINPOD, **bounds)

    return give


def refused(builder: Builder, root: Path, command: str) -> str:
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        builder.build(root, install="true", build=command)
    assert time.monotonic() - began < PATIENCE
    assert caught.value.hint
    return caught.value.code


def gone(words: str) -> None:
    wait_for(lambda: not processes_with(words), 30, f"{words} to be gone")


def test_too_much_on_the_disk(builder: Builder, project: Make, limits) -> None:
    limits(build_disk_mb=20)
    command = "for i in $(seq 1000); do dd if=/dev/zero of=part$i bs=1M count=30 2>/dev/null; sleep 0.5; done"
    assert refused(builder, project({"main.py": ""}), command) == "disk_limit"
    assert list(builder.store.root.glob(".scratch/test-*")) == []


def test_too_many_files(builder: Builder, project: Make, limits) -> None:
    limits(build_files=5000)
    many = "import time\nfor n in range(10**6):\n    open(f'f{n}', 'w').close()\n    n % 5000 or time.sleep(0.2)"
    assert refused(builder, project({"main.py": "", "many.py": many}), "python3 many.py") == "file_limit"
    assert list(builder.store.root.glob(".scratch/test-*")) == []


def test_output_without_end(builder: Builder, project: Make, limits) -> None:
    limits(build_output_mb=2)
    assert refused(builder, project({"main.py": ""}), "yes brainpod-endless") == "output_limit"
    gone("brainpod-endless")


def test_a_line_of_ten_megabytes(builder: Builder, project: Make) -> None:
    root = project({"main.py": "", "long.py": "print('x' * 10_000_000)\nprint('the end')"})
    builder.build(root, install="true", build="python3 long.py", start="true")
    assert "the end" in builder.lines
    assert max(len(line) for line in builder.lines) < 2_000_000, "it is cut into pieces"
    assert sum(line.count("x") for line in builder.lines) >= 10_000_000


def test_a_fork_bomb_and_its_neighbour(builder: Builder, project: Make, tmp_path: Path) -> None:
    root = project({"main.py": "", "bomb.py": FORK_BOMB})
    neighbour = dataclasses.replace(builder, cache=tmp_path / "cache/other/app", lines=[])
    quiet = tmp_path / "quiet"
    quiet.mkdir()
    (quiet / "main.py").write_text("print('hello')")
    builder.seconds = 8
    ended: list[str] = []
    bomb = threading.Thread(target=lambda: ended.append(refused(builder, root, "python3 bomb.py")))
    bomb.start()
    time.sleep(1.5)
    neighbour.build(quiet, install="true", build="echo fine", start="python3 main.py")
    assert "fine" in neighbour.lines
    bomb.join(PATIENCE)
    assert ended == ["build_timeout"]
    gone("bomb.py")


def test_more_memory_than_there_is(builder: Builder, project: Make) -> None:
    builder.memory = 256
    assert refused(builder, project({"main.py": "", "greedy.py": GREEDY}), "python3 greedy.py") == "out_of_memory"


def test_who_ignores_to_be_ended(builder: Builder, project: Make) -> None:
    """What hears nothing, and what went into a session of its own. Tried again where the machine is busy."""
    root, took = project({"main.py": ""}), []
    command = "trap '' TERM INT HUP; (setsid sleep 7654322 &); echo started; sleep 7654321"
    while len(took) < 3 and (not took or took[-1] > DEAD):
        asked: list[float] = []
        builder.cancelled = lambda asked=asked: (
            "started" in builder.lines
            and (  # type: ignore[misc]
                bool(asked) or asked.append(time.monotonic()) is None
            )
        )
        with pytest.raises(Interrupted):
            builder.build(root, install="true", build=command)
        gone("765432")
        took.append(time.monotonic() - asked[0])
    assert min(took) <= DEAD


def test_who_goes_on_in_the_background(builder: Builder, project: Make) -> None:
    """A double fork into a session of its own, with the output closed."""
    command = "(setsid sh -c 'sleep 8765432 & exec sleep 8765433' >/dev/null 2>&1 &) ; sleep 0.5; echo done"
    builder.build(project({"main.py": ""}), install="true", build=command, start="true")
    gone("8765432")
    gone("8765433")


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("mkfifo pipe", "FIFO"),
        ("python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('s')\"", "socket"),
        ("ln -s /etc/shadow secret", "outside"),
        ("ln -s ../../../etc up", "outside"),
        ("mkdir d && ln -s .. d/up && ln -s d/up/../../x out", "outside"),
    ],
)
def test_what_is_no_file_of_the_app(builder: Builder, project: Make, command: str, what: str) -> None:
    with pytest.raises(UserError) as caught:
        builder.build(project({"main.py": ""}), install="true", build=command, start="true")
    assert caught.value.code == "artifact_escape"
    assert what in str(caught.value)


def test_rights_that_are_no_builds_to_give(builder: Builder, project: Make) -> None:
    command = "cp /bin/true su && chmod 6755 su && ln su again && chmod 777 . && mkdir w && chmod 1777 w"
    manifest = builder.build(project({"main.py": ""}), install="true", build=command, start="true")
    tree = builder.stored(manifest.app)
    assert {oct((tree / name).stat().st_mode & 0o7777) for name in ("su", "again", "w")} == {"0o755"}
    assert (tree / "su").read_bytes() == (tree / "again").read_bytes()


def test_devices_cannot_be_made(builder: Builder, project: Make) -> None:
    command = "mknod null c 1 3 || echo refused"
    builder.build(project({"main.py": ""}), install="true", build=command, start="true")
    assert "refused" in builder.lines
