"""run_once: every line, the exit code, and nothing left alive at a limit."""

from __future__ import annotations

import threading
import time

import pytest

from apps.engines.base import Engine, Limits
from tests.engines.workloads import run, shell


def test_output_comes_whole_and_in_order(engine: Engine) -> None:
    finished, lines = run(engine, shell("for i in $(seq 1 3000); do echo line $i; done; printf 'no end'; exit 7"))
    assert finished.exit_code == 7
    assert finished.killed == ""
    assert lines == [f"line {i}" for i in range(1, 3001)] + ["no end"]


def test_progress_stays_in_its_line(engine: Engine) -> None:
    _, lines = run(engine, shell(r"printf '1%%\r2%%\r3%%\n'; printf 'err\n' >&2"))
    assert lines == ["1%\r2%\r3%", "err"]


def test_lines_come_while_it_runs(engine: Engine) -> None:
    seen: list[tuple[float, str]] = []
    began = time.monotonic()
    finished = engine.run_once(
        shell("echo first; sleep 3; echo last"),
        on_line=lambda line: seen.append((time.monotonic() - began, line)),
        timeout=60,
        cancelled=lambda: False,
    )
    assert finished.exit_code == 0
    assert [line for _, line in seen] == ["first", "last"]
    assert seen[1][0] - seen[0][0] > 1.5


def test_the_timeout_ends_everything(engine: Engine) -> None:
    finished, lines = run(engine, shell("(setsid sleep 600 &); sleep 600 & echo up; wait"), timeout=1.0)
    assert finished.killed == "timeout"
    assert lines == ["up"]
    assert finished.seconds < 30


def test_cancelling_ends_it_soon(engine: Engine) -> None:
    up, asked = threading.Event(), []

    def cancelled() -> bool:
        if up.is_set() and not asked:
            asked.append(time.monotonic())
        return bool(asked)

    finished = engine.run_once(
        shell("trap '' TERM INT; echo up; while :; do sleep 0.1; done"),
        on_line=lambda _: up.set(),
        timeout=60,
        cancelled=cancelled,
    )
    assert finished.killed == "cancelled"
    assert time.monotonic() - asked[0] < 10


def test_memory_over_the_limit_is_said(engine: Engine) -> None:
    if any("cgroup" in note for note in engine.check().notes):
        pytest.skip("no cgroup may be made on this host")
    code = "x = []\nwhile True: x.append(bytearray(8 << 20))"
    finished, _ = run(engine, shell("", command=("python3", "-c", code), limits=Limits(memory=64)))
    assert finished.killed == "memory"
    assert 32 <= finished.max_memory_mb <= 80


def test_many_at_once(engine: Engine) -> None:
    results: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(run(engine, shell(f"sleep 0.2; echo {n}"))[1]))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == sorted([str(n)] for n in range(8))


def test_a_command_that_is_not_there_says_so(engine: Engine) -> None:
    finished, lines = run(engine, shell("", command=("no-such-command-here",)))
    assert finished.exit_code == 127
    assert "no-such-command-here" in " ".join(lines)
