"""The supervisor, on small real processes: tiers, restarts, whole groups, order, one at a time."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from apps.core.errors import PlatformError
from apps.infrastructure.embedded import process, running
from apps.infrastructure.embedded.plan import Service, Step, Tier
from apps.infrastructure.embedded.supervisor import supervisor_pid
from tests.infrastructure.supervised import FAKE, Start, Started, fake, forked
from tests.stack.components import wait_for


def story(state: Path) -> list[str]:
    return (state / "story").read_text().splitlines()


def test_tiers_start_in_order_and_stop_in_reverse(short_state: Path, start: Start) -> None:
    did = short_state / "story"

    def step() -> bool:
        with did.open("a") as out:
            out.write("step\n")
        return True

    tiers = [
        Tier((fake(short_state, "a"),)),
        Tier((fake(short_state, "b"), fake(short_state, "c")), (Step("between", step),)),
        Tier((fake(short_state, "d"),)),
    ]
    supervisor = start(tiers).up()
    os.kill(supervisor.pid, signal.SIGINT)
    assert supervisor.wait() == 0
    told = story(short_state)
    assert sorted(told[:2]) == ["start a", "step"]  # a step needs nothing of the tiers before
    assert sorted(told[2:4]) == ["start b", "start c"]
    assert told[4:6] == ["start d", "stop d"]
    assert sorted(told[6:8]) == ["stop b", "stop c"]
    assert told[8:] == ["stop a"]
    assert "between: done" in supervisor.lines.read_text()
    assert not list((short_state / "run").glob("*.pid"))


def test_a_step_is_done_in_a_process_out_of_the_nursery(short_state: Path, start: Start) -> None:
    """What it has loaded goes with it; that there was nothing to do is told, too."""
    did = short_state / "did"

    def work() -> bool:
        did.write_text(str(os.getpid()))
        return True

    steps = (Step("work", work), Step("no work", lambda: False))
    supervisor = start([Tier((forked(short_state, "a"),), steps)]).up()
    assert int(did.read_text()) != supervisor.pid
    assert not process.identity(int(did.read_text()))
    told = supervisor.lines.read_text()
    assert "work: done" in told
    assert "no work: done" not in told


def test_a_step_that_fails_ends_the_start_and_says_why(short_state: Path, start: Start) -> None:
    def refuse() -> bool:
        raise PlatformError("database_unavailable", "The database does not answer.", "Check DATABASE_URL.")

    supervisor = start([Tier((forked(short_state, "a"),), (Step("the database", refuse),))])
    assert supervisor.wait() == 1
    told = supervisor.lines.read_text()
    assert "the database ended with 1." in told
    assert "The database does not answer. Check DATABASE_URL." in told
    assert not (short_state / "story").exists()


def test_output_goes_to_the_service_s_log(short_state: Path, start: Start) -> None:
    start([Tier((fake(short_state, "a"),))]).up()
    assert (short_state / "log" / "a.log").read_text() == "hello from a\n"


def test_a_killed_service_is_started_again(short_state: Path, start: Start) -> None:
    supervisor = start([Tier((fake(short_state, "a"), fake(short_state, "b")))]).up()
    first, other = supervisor.pid_of("a"), supervisor.pid_of("b")
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: (short_state / "a.up").exists() and (short_state / "a.up").read_text() not in ("", str(first)))
    assert supervisor.pid_of("b") == other
    assert "a: ended with -9; starting it again" in supervisor.lines.read_text()


def test_what_a_dead_service_started_is_killed_too(short_state: Path, start: Start) -> None:
    parent = FAKE.replace(
        "time.sleep(600)",
        "import subprocess\nchild = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
        "(state / 'child').write_text(str(child.pid))\ntime.sleep(600)",
    )
    supervisor = start([Tier((fake(short_state, "a", parent),))]).up()
    wait_for(lambda: (short_state / "child").exists() and (short_state / "child").read_text())
    child = int((short_state / "child").read_text())
    os.kill(supervisor.pid_of("a"), signal.SIGKILL)
    wait_for(lambda: _gone(child), what="the child of the killed service to be killed")


def test_one_that_ignores_its_stop_is_killed_after_its_grace(short_state: Path, start: Start) -> None:
    deaf = FAKE.replace("signal.signal(signal.SIGTERM, stop)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    supervisor = start([Tier((fake(short_state, "a", deaf, grace=0.3),))]).up()
    pid = supervisor.pid_of("a")
    os.kill(supervisor.pid, signal.SIGTERM)
    assert supervisor.wait() == 0
    assert _gone(pid)


def test_a_second_ctrl_c_kills(short_state: Path, start: Start) -> None:
    deaf = FAKE.replace("signal.signal(signal.SIGTERM, stop)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    supervisor = start([Tier((fake(short_state, "a", deaf, grace=600.0),))]).up()
    pid = supervisor.pid_of("a")
    os.kill(supervisor.pid, signal.SIGINT)
    wait_for(lambda: "once more to kill" in supervisor.lines.read_text())
    os.kill(supervisor.pid, signal.SIGINT)
    assert supervisor.wait() == 0
    assert _gone(pid)


def test_a_stop_in_the_middle_of_the_start_leaves_nothing(short_state: Path, start: Start) -> None:
    slow = FAKE.replace(
        '(state / f"{name}.up").write_text', "(state / 'pid').write_text(str(os.getpid())); (lambda _: 0)"
    )
    tiers = [Tier((fake(short_state, "a"),)), Tier((fake(short_state, "b", slow),))]
    supervisor = start(tiers)
    wait_for(lambda: (short_state / "pid").exists() and (short_state / "pid").read_text())
    os.kill(supervisor.pid, signal.SIGTERM)
    assert supervisor.wait() == 0
    assert story(short_state)[-2:] == ["stop b", "stop a"]
    assert not (short_state / "is-up").exists()


def test_a_service_that_cannot_start_is_named_with_its_log(short_state: Path, start: Start) -> None:
    broken = "import sys; print('no configuration'); sys.exit(4)"
    supervisor = start([Tier((fake(short_state, "a"),)), Tier((fake(short_state, "b", broken),))])
    assert supervisor.wait() == 1
    told = supervisor.lines.read_text()
    assert "b ended with 4" in told
    assert "no configuration" in told
    assert story(short_state) == ["start a", "stop a"]


def test_a_service_that_is_never_ready_ends_the_start(short_state: Path, start: Start) -> None:
    mute = FAKE.replace('(state / f"{name}.up").write_text', "(lambda _: 0)")
    supervisor = start([Tier((fake(short_state, "a", mute, start_seconds=0.5),))])
    assert supervisor.wait() == 1
    assert "a was not ready after 0.5 s" in supervisor.lines.read_text()


def test_a_missing_program_is_named(short_state: Path, start: Start) -> None:
    def command() -> list[str]:
        raise PlatformError("binary_missing", "nginx 1.27.5 or newer is needed.", "Install it.")

    supervisor = start([Tier((Service("nginx", command, lambda: False, {}),))])
    assert supervisor.wait() == 1
    assert "could not be started: nginx 1.27.5 or newer is needed." in supervisor.lines.read_text()


def test_two_never_share_a_state_directory(short_state: Path, start: Start) -> None:
    first = start([Tier((fake(short_state, "a"),))]).up()
    assert supervisor_pid(short_state) == first.pid
    second = start([Tier((fake(short_state, "b"),))])
    assert second.wait() == 3
    assert "refused: already_running" in second.lines.read_text()
    assert story(short_state) == ["start a"]
    os.kill(first.pid, signal.SIGTERM)
    assert first.wait() == 0
    assert supervisor_pid(short_state) is None


def test_services_die_with_a_killed_supervisor(short_state: Path, start: Start) -> None:
    supervisor = start([Tier((fake(short_state, "a", orphan=signal.SIGKILL),))]).up()
    pid = supervisor.pid_of("a")
    os.kill(supervisor.pid, signal.SIGKILL)
    assert supervisor.wait() == -signal.SIGKILL
    wait_for(lambda: _gone(pid), what="the service to die")


def test_leftovers_of_a_killed_supervisor_are_ended_before_the_next_start(short_state: Path, start: Start) -> None:
    """The parent dies with the supervisor, its child does not: as a pool's child that is busy."""
    parent = FAKE.replace(
        "time.sleep(600)",
        "import subprocess\nchild = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
        "(state / 'child').write_text(str(child.pid))\ntime.sleep(600)",
    )
    first = start([Tier((fake(short_state, "a", parent, orphan=signal.SIGKILL),))]).up()
    wait_for(lambda: (short_state / "child").exists() and (short_state / "child").read_text())
    child, pid = int((short_state / "child").read_text()), first.pid_of("a")
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    wait_for(lambda: _gone(pid))
    assert not _gone(child)
    (short_state / "is-up").unlink()
    second = start([Tier((fake(short_state, "a"),))]).up()
    assert _gone(child)
    assert "left from before" in second.lines.read_text()


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def nursery_of(supervisor: Started) -> int:
    children = Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children").read_text().split()
    return next(int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == "bp-nursery")


needs_nursery = pytest.mark.skipif(not process.can_adopt(), reason="no process can be adopted here")


@needs_nursery
def test_how_a_forked_service_ends_by_an_error_is_said_as_the_platform_says_all(
    short_state: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the hook that makes a line of it, and whatever stands in it: a name of a file may be no text."""
    monkeypatch.setattr(sys, "excepthook", lambda kind, *_: print(f"{kind.__name__} \udcff", file=sys.stderr))
    command = [sys.executable, "-m", "tests.infrastructure.not_there"]
    broken = dataclasses.replace(forked(short_state, "a"), command=lambda: command)
    supervisor = start([Tier((broken,))])
    log = short_state / "log" / "a.log"
    wait_for(lambda: log.exists() and "\n" in log.read_text(), 60, "what it said")
    os.kill(supervisor.pid, signal.SIGTERM)
    supervisor.wait()
    assert set(log.read_text().splitlines()) == {"ImportError \\udcff"}


@needs_nursery
def test_a_forked_service_is_as_one_that_was_started(short_state: Path, start: Start) -> None:
    supervisor = start([Tier((forked(short_state, "a"), forked(short_state, "b")))]).up()
    first, other = supervisor.pid_of("a"), supervisor.pid_of("b")
    assert parent(first) == parent(other) == supervisor.pid
    assert os.getsid(first) == first
    assert Path(f"/proc/{first}/comm").read_text() == "bp-a\n"
    log = short_state / "log" / "a.log"
    assert log.read_text() == f"hello from a as {short_state}, a, own x, leads True\n"
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: (short_state / "a.up").exists() and (short_state / "a.up").read_text() not in ("", str(first)))
    assert parent(supervisor.pid_of("a")) == supervisor.pid
    assert supervisor.pid_of("b") == other
    assert "a: ended with -9; starting it again" in supervisor.lines.read_text()
    (short_state / "code").write_text("7")
    os.kill(supervisor.pid_of("a"), signal.SIGTERM)
    wait_for(lambda: "a: ended with 7; starting it again" in supervisor.lines.read_text())
    wait_for((short_state / "a.up").exists)
    os.kill(supervisor.pid, signal.SIGTERM)
    assert supervisor.wait() == 0
    assert story(short_state)[-1].startswith("stop ")
    assert not list((short_state / "run").glob("*.pid"))


@needs_nursery
def test_services_outlive_the_nursery_and_are_started_without_it(short_state: Path, start: Start) -> None:
    supervisor = start([Tier((forked(short_state, "a"), forked(short_state, "b")))]).up()
    first, other = supervisor.pid_of("a"), supervisor.pid_of("b")
    os.kill(nursery_of(supervisor), signal.SIGKILL)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: (short_state / "a.up").exists() and (short_state / "a.up").read_text() not in ("", str(first)))
    assert supervisor.pid_of("b") == other
    assert parent(supervisor.pid_of("a")) == supervisor.pid
    assert b"tests.infrastructure.forked" in Path(f"/proc/{supervisor.pid_of('a')}/cmdline").read_bytes()


@needs_nursery
def test_forked_services_die_with_a_killed_supervisor(short_state: Path, start: Start) -> None:
    supervisor = start([Tier((forked(short_state, "a"),))]).up()
    pid, nursery = supervisor.pid_of("a"), nursery_of(supervisor)
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    for gone in (pid, nursery):
        wait_for(lambda gone=gone: _gone(gone), what="everything to die")


def test_a_check_that_refuses_starts_nothing(short_state: Path, start: Start) -> None:
    (short_state / "refuse").touch()
    supervisor = start([Tier((fake(short_state, "a"),))])
    assert supervisor.wait() == 3
    assert supervisor.lines.read_text() == "refused: port_taken\n"
    assert not (short_state / "story").exists()


def test_a_number_that_means_another_process_now_is_let_be(short_state: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        (short_state / "run").mkdir()
        pid_file = short_state / "run" / "a.pid"
        for recorded in (f"{bystander.pid} SIGKILL {process.boot()}:1", f"{bystander.pid} SIGKILL ", "x", ""):
            pid_file.write_text(recorded)
            running.end_leftovers(short_state, lambda line: None)
            assert not pid_file.exists()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_log_that_grew_is_put_aside_and_written_on(short_state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LOG_BYTES", 10)
    one = running.Running(fake(short_state, "a"), short_state)
    one.log.parent.mkdir()
    with one.log.open("ab", buffering=0) as out:
        for number in range(5):
            out.write(f"{number} this is long enough\n".encode())
            one.rotate()
        out.write(b"short\n")
        one.rotate()
    assert one.log.read_text() == "short\n"
    assert [one.log.with_suffix(f".log.{n}").read_text()[0] for n in (1, 2, 3)] == ["4", "3", "2"]
    assert not one.log.with_suffix(".log.4").exists()


def _gone(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"
