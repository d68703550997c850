"""The lines of an engine become logs: what was missed is asked for, nothing is taken twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from apps.core.errors import Unavailable
from apps.core.ids import new_id
from apps.core.masking import MASK, Mask
from apps.engines.base import Handle, LogLine, State, Status
from apps.logs import reader, store
from apps.logs.collector import collect
from tests.stack.components import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


class Tape:
    """The log half of an engine: keeps the lines from `kept_from` on, streams those from `streamed_from` on."""

    def __init__(self, workload: str, lines: int, *, kept_from: int = 1, streamed: tuple[int, ...] = ()) -> None:
        self.workload = workload
        self.lines = [self.line(seq) for seq in range(1, lines + 1)]
        self.kept_from = kept_from
        self.streamed = streamed
        self.leave = threading.Event()

    def line(self, seq: int) -> LogLine:
        return LogLine(seq, datetime.now(UTC), "err" if seq % 2 else "out", f"line {seq} of secret-word")

    def workloads(self) -> dict[str, Status]:
        return {self.workload: Status(State.RUNNING)}

    def logs(self, handle: Handle, after: int = 0) -> list[LogLine]:
        assert handle == {"id": self.workload}
        return [line for line in self.lines if line.seq > max(after, self.kept_from - 1)]

    def stream_logs(self) -> Iterator[tuple[str, LogLine]]:
        for seq in self.streamed:
            yield self.workload, self.line(seq)
        self.leave.wait(60)
        raise Unavailable("engine_away", "The engine went away.", "It is started again by itself.")


def collected(tape: Tape, last: str) -> list[tuple[int, str, str]]:
    """What is in the log once line `last` is there and the collector was stopped."""
    stream = f"workload:{tape.workload}"
    stop = threading.Event()
    options = {
        "source": tape,
        "mask_for": lambda workload: Mask(["secret-word"]),
        "handle_of": lambda workload: {"id": workload} if workload == tape.workload else None,
    }
    thread = threading.Thread(target=collect, args=(stop,), kwargs=options)
    thread.start()
    try:
        wait_for(lambda: any(line.text == last for line in reader.read(stream)), what=last)
    finally:
        stop.set()
        tape.leave.set()
        thread.join(30)
    assert not thread.is_alive()
    return [(line.seq, line.level, line.text) for line in reader.read(stream)]


def expected(numbers: list[int]) -> list[tuple[int, str, str]]:
    return [(place, "warn" if n % 2 else "info", f"line {n} of {MASK}") for place, n in enumerate(numbers, 1)]


def test_kept_and_streamed_lines_are_taken_once_and_in_order() -> None:
    tape = Tape(new_id(), 10, streamed=(9, 10, 11, 12))
    assert collected(tape, f"line 12 of {MASK}") == expected(list(range(1, 13)))
    assert store.state(f"workload:{tape.workload}").source_seq == 12


def test_a_collector_that_comes_later_goes_on_where_the_last_one_was() -> None:
    workload = new_id()
    collected(Tape(workload, 5), f"line 5 of {MASK}")
    tape = Tape(workload, 8, streamed=(8, 9))
    assert collected(tape, f"line 9 of {MASK}") == expected(list(range(1, 10)))


def test_a_jump_in_what_is_streamed_is_looked_up() -> None:
    tape = Tape(new_id(), 20, kept_from=4, streamed=(1, 2, 21))
    numbers = [int(text.split()[1]) for _, _, text in collected(tape, f"line 21 of {MASK}")]
    assert numbers[-18:] == list(range(4, 22))
    assert numbers == sorted(set(numbers))


def test_a_workload_nobody_knows_is_only_streamed() -> None:
    tape = Tape(new_id(), 3, streamed=(1,))
    stranger = Tape(new_id(), 3)
    tape.workloads = stranger.workloads  # type: ignore[method-assign]
    assert collected(tape, f"line 1 of {MASK}")[0] == (1, "warn", f"line 1 of {MASK}")
    assert store.state(f"workload:{stranger.workload}").last_seq == 0
