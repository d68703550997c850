"""attach: a real terminal beside the workload, and nothing of it left when it ends."""

from __future__ import annotations

import os
import signal
import time

import pytest

from apps.core.errors import PlatformError
from apps.engines import terminals
from apps.engines.base import Engine, Handle, Size, State, Terminal
from tests.engines.workloads import PATIENCE, name, processes, running, until, worker

USUAL = Size()


class Screen:
    """What a terminal has written, and what is typed into it."""

    def __init__(self, engine: Engine, handle: Handle, *command: str, size: Size = USUAL) -> None:
        self.name = name("t")
        self.terminal: Terminal = engine.attach(handle, command or terminals.SHELL, name=self.name, size=size)
        self.seen = b""
        self.over = False

    def type(self, text: str) -> None:
        data, deadline = text.encode(), time.monotonic() + PATIENCE
        while data:
            assert time.monotonic() < deadline, "it does not take what is typed"
            self.look(0.0)
            data = data[self.terminal.write(data, 0.2) :]

    def look(self, wait: float = 0.2) -> None:
        data = None if self.over else self.terminal.read(wait)
        self.over = self.over or data is None
        self.seen += data or b""

    def until(self, *wanted: bytes) -> None:
        """All of `wanted` is on the screen."""
        deadline = time.monotonic() + PATIENCE
        while missing := [word for word in wanted if word not in self.seen]:
            assert time.monotonic() < deadline, f"no {missing!r} in {self.seen[-2000:]!r}"
            assert not self.over, f"it ended without {missing!r}: {self.seen[-2000:]!r}"
            self.look()

    def until_over(self) -> int | None:
        deadline = time.monotonic() + PATIENCE
        while not self.over:
            assert time.monotonic() < deadline, f"it goes on: {self.seen[-2000:]!r}"
            self.look()
        return self.terminal.exit_code()


@pytest.fixture
def handle(engine: Engine) -> Handle:
    started = engine.launch(worker("exec sleep 600", env={"COLOUR": "blue", "COUNT": "6"}))
    running(engine, started)
    yield started  # type: ignore[misc]
    engine.stop(started, 0)


def marker() -> str:
    """A number of seconds that no other test sleeps."""
    return f"32{os.getpid() % 10000:04d}{time.monotonic_ns() % 1000:03d}"


def test_a_shell_with_the_apps_surroundings(engine: Engine, handle: Handle, request: pytest.FixtureRequest) -> None:
    if "nomad_exec_engine" in request.node.callspec.params.values():
        pytest.skip("a terminal of the driver exec says 24 lines of 80, whatever size it is given (docs/nomad.md)")
    screen = Screen(engine, handle, size=Size(101, 31))
    screen.type("echo $((COUNT*7))-$COLOUR-$TERM; stty size; test -t 0 && echo is'-'tty; pwd\r")
    screen.until(b"42-blue-xterm-256color", b"31 101", b"is-tty", b"/app")
    screen.terminal.resize(Size(57, 13))
    screen.type("stty size\r")
    screen.until(b"13 57")
    screen.type("exit 3\r")
    assert screen.until_over() == 3
    assert screen.terminal.read(0.0) is None
    screen.terminal.close()


def test_ctrl_c_interrupts_and_ctrl_d_leaves(engine: Engine, handle: Handle) -> None:
    screen = Screen(engine, handle)
    mark = marker()
    screen.type(f"sleep {mark}\r")
    until(lambda: processes("sleep", mark), "the sleep")
    screen.type("\x03")
    until(lambda: not processes("sleep", mark), "its interruption")
    screen.type("echo still'-'here\r")
    screen.until(b"still-here")
    # Between two commands a shell may drop what was typed while it sets its terminal up.
    deadline = time.monotonic() + PATIENCE
    while not screen.over and time.monotonic() < deadline:
        screen.type("\x04")
        screen.look(1.0)
    assert screen.until_over() is not None
    screen.terminal.close()


def test_job_control_stops_and_continues(engine: Engine, handle: Handle) -> None:
    screen = Screen(engine, handle)
    mark = marker()
    screen.type(f"sleep {mark}\r")
    until(lambda: processes("sleep", mark), "the sleep")
    screen.type("\x1a")
    screen.until(b"topped")
    screen.type("kill %1; fg; echo after'-'fg\r")
    screen.until(b"after-fg")
    screen.terminal.close()


@pytest.mark.parametrize("how", ["close", "exit", "stop"])
def test_nothing_of_it_is_left(engine: Engine, handle: Handle, how: str, request: pytest.FixtureRequest) -> None:
    if how != "close" and any(str(name).startswith("nomad") for name in request.node.callspec.params.values()):
        pytest.skip("Nomad tells of no end while a job holds the terminal, and raw_exec leaves what left its session")
    screen = Screen(engine, handle)
    mark = marker()
    screen.type(f"(setsid sleep {mark} >/dev/null 2>&1 &); (trap '' HUP; exec sleep {mark} >/dev/null 2>&1) &\r")
    screen.type(f"sleep {mark} & echo star'ted'\r")
    screen.until(b"started")
    until(lambda: len(processes("sleep", mark)) == 3, "all three processes")
    match how:
        case "close":
            screen.terminal.close()
        case "exit":
            screen.type("exit\r")
            screen.type("exit\r")  # a shell with jobs asks to be told twice
            screen.until_over()
        case "stop":
            engine.stop(handle, 0.2)
            screen.until_over()
    screen.terminal.close()
    until(lambda: not processes("sleep", mark), "the end of what it started")
    assert how == "stop" or engine.status(handle).state == State.RUNNING


def test_what_its_holder_left_can_be_ended(engine: Engine, handle: Handle) -> None:
    screen, other = Screen(engine, handle), Screen(engine, handle)
    marks = marker(), marker() + "1"
    for one, mark in zip((screen, other), marks, strict=True):
        one.type(f"sleep {mark}\r")
    until(lambda: all(processes("sleep", mark) for mark in marks), "both")
    engine.detach(handle, name("nobody"))
    assert all(processes("sleep", mark) for mark in marks)
    screen.terminal.close()
    engine.detach(handle, screen.name)
    until(lambda: not processes("sleep", marks[0]), "the end of what it started")
    assert processes("sleep", marks[1])
    other.terminal.close()
    until(lambda: not processes("sleep", marks[1]), "the end of the other")


def test_an_endless_writer_waits_for_its_reader(engine: Engine, handle: Handle) -> None:
    screen = Screen(engine, handle, "sh", "-c", "yes 0123456789")
    total, deadline = 0, time.monotonic() + PATIENCE
    while total < 3_000_000:
        assert time.monotonic() < deadline
        total += len(screen.terminal.read(1.0) or b"")
    screen.terminal.close()
    assert screen.terminal.read(0.0) is None


def test_a_long_paste_arrives_whole(engine: Engine, handle: Handle) -> None:
    screen = Screen(engine, handle, "sh", "-c", "stty raw -echo; echo ready; head -c 1000000 | wc -c")
    screen.until(b"ready")
    screen.type("x" * 1_000_000)
    screen.until(b"1000000")
    screen.until_over()
    screen.terminal.close()


def test_the_end_of_the_workload_is_the_end_of_the_terminal(engine: Engine) -> None:
    mark, typed = marker(), marker() + "2"
    handle = engine.launch(worker(f"sleep {mark}; exit 5"))
    until(lambda: processes("sleep", mark), "its start")
    running(engine, handle)
    screen = Screen(engine, handle)
    screen.type(f"sleep {typed}\r")
    until(lambda: processes("sleep", typed), "the terminal's own")
    for found in processes("sleep", mark):
        os.kill(int(found.name), signal.SIGKILL)
    screen.until_over()
    until(lambda: not processes("sleep", typed), "the end of what it started")
    screen.terminal.close()
    engine.stop(handle, 0)


def test_beside_nothing_there_is_no_terminal(engine: Engine) -> None:
    handle = engine.launch(worker("sleep 600"))
    running(engine, handle)
    engine.stop(handle, 0)
    with pytest.raises(PlatformError) as refusal:
        engine.attach(handle, terminals.SHELL, name=name(), size=Size())
    assert refusal.value.code == "workload_not_running"


def test_a_command_that_is_not_there_says_so(engine: Engine, handle: Handle) -> None:
    screen = Screen(engine, handle, "no-such-command-at-all")
    assert screen.until_over() in (126, 127)
    screen.terminal.close()
