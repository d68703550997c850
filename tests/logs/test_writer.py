"""What a writer is given can be read: live, stored, numbered, masked; by one writer at a time."""

from __future__ import annotations

import pytest
from django.test import override_settings

from apps.core.masking import MASK, Mask
from apps.logs import live, reader, store
from apps.logs.models import LogChunk, LogStream
from apps.logs.writer import BATCH, LogWriter
from tests.stack.components import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


def texts(stream: str) -> list[str]:
    return [line.text for line in reader.everything(stream)]


def test_lines_come_back_as_they_were_written(stream: str) -> None:
    with LogWriter.open(stream, mask=Mask([])) as log:
        log.section("Clone")
        log.line("cloning", level="engine")
        log.section("Build")
        log.write("one\ntw")
        log.write("o\n\nunfinished")
    lines = reader.read(stream)
    assert [(line.seq, line.section, line.level, line.text) for line in lines] == [
        (1, "Clone", "engine", "cloning"),
        (2, "Build", "info", "one"),
        (3, "Build", "info", "two"),
        (4, "Build", "info", ""),
        (5, "Build", "info", "unfinished"),
    ]
    assert [line.seq for line in reader.tail(stream, 2)] == [4, 5]
    assert [line.seq for line in reader.before(stream, 4, 2)] == [2, 3]
    assert [line.seq for line in reader.read(stream, after=3)] == [4, 5]
    assert [line.seq for line in reader.search(stream, "ONE")] == [2]
    assert reader.last_seq(stream) == 5


def test_lines_are_live_before_they_are_stored_and_stored_without_being_closed(stream: str) -> None:
    with LogWriter.open(stream, mask=Mask([])) as log:
        log.line("first")
        wait_for(lambda: live.newest(stream) is not None, what="the line in Valkey")
        wait_for(lambda: store.state(stream).last_seq == 1, what="the line in the database")
        log.write("no line feed")
        wait_for(lambda: texts(stream) == ["first", "no line feed"], what="the unfinished line")


def test_many_lines_travel_in_few_batches_and_chunks(stream: str) -> None:
    with LogWriter.open(stream, mask=Mask([])) as log:
        for number in range(20_000):
            log.line(f"line {number}")
    assert texts(stream) == [f"line {number}" for number in range(20_000)]
    size = sum(len(f"line {number}") + 40 for number in range(20_000))
    entries = live.entries(stream, 0)
    assert len(entries) <= 2 * size // BATCH + 200
    assert LogChunk.objects.filter(stream=stream).count() <= len(entries)


def test_a_secret_written_in_two_parts_is_masked_live_and_stored(stream: str) -> None:
    with LogWriter.open(stream, mask=Mask(["hunter2-hunter2"])) as log:
        log.write("password: hunter2")
        log.publish()
        log.write("-hunter2 is it\n")
        log.write("again hunter2-")
        log.publish()
        log.write("hunter2\n")
    assert texts(stream) == [f"password: {MASK} is it", f"again {MASK}"]
    published = b"".join(entry.payload for entry in live.entries(stream, 0))
    assert b"hunter2" not in published


def test_the_mask_may_be_given_later(stream: str) -> None:
    with LogWriter.open(stream, mask=Mask([])) as log:
        log.line("before")
        log.mask = Mask(["topsecret"])
        log.line("it is topsecret")
    assert texts(stream) == ["before", f"it is {MASK}"]


def test_a_writer_that_was_replaced_neither_publishes_nor_stores(stream: str) -> None:
    old = LogWriter.open(stream, mask=Mask([]))
    old.line("of the old one")
    old.flush()
    new = LogWriter.open(stream, mask=Mask([]))
    old.line("too late")
    old.flush()
    new.line("of the new one")
    old.close()
    new.close()
    assert old.fenced
    assert not new.fenced
    assert [(line.seq, line.text) for line in reader.read(stream)] == [(1, "of the old one"), (2, "of the new one")]


@pytest.mark.parametrize("replaced", [True, False])
def test_only_a_writer_that_was_replaced_is_warned_of(
    stream: str, replaced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Not one whose stream went with its pod: instances say their last words while it is deleted."""
    old = LogWriter.open(stream, mask=Mask([]))
    old.line("last words")
    if replaced:
        store.take(stream)
    else:
        LogStream.objects.filter(name=stream).delete()
    old.close()
    assert old.fenced
    assert ("log_writer_replaced" in caplog.text) == replaced


def test_a_level_that_does_not_exist_is_refused(stream: str) -> None:
    with LogWriter.open(stream, mask=Mask([])) as log, pytest.raises(ValueError, match="level"):
        log.line("x", level="loud")


def test_without_valkey_lines_are_stored_and_read_all_the_same(stream: str) -> None:
    with override_settings(VALKEY_URL="unix:///nonexistent/valkey.sock?db=0"):
        with LogWriter.open(stream, mask=Mask([])) as log:
            for number in range(500):
                log.line(str(number))
            wait_for(lambda: store.state(stream).last_seq > 0, what="the first lines in the database")
        assert texts(stream) == [str(number) for number in range(500)]
    with LogWriter.open(stream, mask=Mask([])) as log:
        log.line("back")
    assert [(line.seq, line.text) for line in reader.tail(stream, 1)] == [(501, "back")]
