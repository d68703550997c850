"""Lines have numbers that grow, the same for whoever reads them and whenever."""

from __future__ import annotations

import threading
from itertools import pairwise

from apps.engines.base import Engine, LogLine
from tests.engines.workloads import texts, until, worker


def test_numbers_grow_and_after_cuts(engine: Engine, on_docker: bool) -> None:
    handle = engine.launch(worker("for i in $(seq 1 500); do echo $i; done; echo oops >&2; exec sleep 600"))
    until(lambda: len(list(engine.logs(handle))) == 501, "all lines")
    lines = list(engine.logs(handle))
    numbers = [line.seq for line in lines]
    assert all(a < b for a, b in pairwise(numbers))
    assert on_docker or numbers == list(range(1, 502))
    assert {line.stream for line in lines} == {"out", "err"}
    assert [line.seq for line in engine.logs(handle, after=numbers[498])] == numbers[499:]
    engine.stop(handle, 0)


def test_long_lines_are_split_and_odd_bytes_kept_readable(engine: Engine) -> None:
    code = "import os; os.write(1, b'x' * 150_000 + b'\\n\\xff\\n'); import time; time.sleep(600)"
    handle = engine.launch(worker("", command=("python3", "-c", code)))
    until(lambda: len(texts(engine, handle)) == 4, "four lines")
    assert [len(text) for text in texts(engine, handle)] == [65536, 65536, 150_000 - 131072, 1]
    engine.stop(handle, 0)


def test_a_flood_keeps_the_newest_and_bounded(engine: Engine, on_docker: bool) -> None:
    handle = engine.launch(worker("seq 1 100000; echo end; exec sleep 600"))
    until(lambda: "end" in texts(engine, handle)[-1:], "the end of the flood")
    lines = list(engine.logs(handle))
    assert len(lines) < 60_000
    assert on_docker or lines[-1].seq == 100_001
    assert on_docker or all(b.seq == a.seq + 1 for a, b in pairwise(lines))
    assert [line.text for line in lines] == [*(str(n) for n in range(100_002 - len(lines), 100_001)), "end"]
    engine.stop(handle, 0)


def test_the_stream_has_everything_from_now_on(engine: Engine, on_docker: bool) -> None:
    stream = engine.stream_logs()
    found: list[tuple[str, LogLine]] = []
    handle = engine.launch(worker("for i in $(seq 1 200); do echo $i; done; exec sleep 600"))

    def collect() -> None:
        for name, line in stream:
            if name == handle["id"]:
                found.append((name, line))
            if len(found) == 200:
                return

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(45)
    assert [line.text for _, line in found] == [str(n) for n in range(1, 201)]
    assert on_docker or [line.seq for _, line in found] == list(range(1, 201))
    assert [line.seq for _, line in found] == [line.seq for line in engine.logs(handle)]
    assert [line.follows for _, line in found] == [0, *(line.seq for _, line in found[:-1])]
    engine.stop(handle, 0)


def test_dev_stdout_can_be_opened_by_its_name(engine: Engine) -> None:
    handle = engine.launch(worker("echo by name > /dev/stdout; exec sleep 600"))
    until(lambda: texts(engine, handle) == ["by name"], "the line")
    engine.stop(handle, 0)
