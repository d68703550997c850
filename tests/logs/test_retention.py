"""Old lines go, and those beyond the size of a log; the log says which. Lines left in Valkey are stored."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from apps.core.masking import Mask
from apps.logs import history, live, reader, retention, store
from apps.logs.lines import Line, encode
from apps.logs.models import LogChunk, LogStream
from apps.logs.writer import LogWriter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


def write(stream: str, *texts: str) -> None:
    with LogWriter.open(stream, mask=Mask([])) as log:
        for text in texts:
            log.line(text)
            log.flush()
    live.delete(stream)  # as it is ten minutes later


def test_chunks_older_than_the_days_go_and_the_rest_stays(stream: str) -> None:
    write(stream, "old", "older by name only", "new")
    past = timezone.now() - timedelta(days=settings.BRAINPOD.log_days, hours=1)
    LogChunk.objects.filter(stream=stream, last_seq__lte=2).update(last_at=past)
    assert retention.apply() == 2
    assert [line.text for line in reader.read(stream)] == ["new"]
    assert reader.dropped(stream) == 2
    assert "lines 1 to 2" in "".join(reader.text(stream))
    assert history.initial(stream)["dropped"] == 2
    assert retention.apply() == 0


def test_the_oldest_chunks_beyond_the_size_go(stream: str) -> None:
    write(stream, *[secrets.token_hex(7000) for _ in range(40)])
    total = sum(LogChunk.objects.filter(stream=stream).values_list("size", flat=True))
    with override_settings(BRAINPOD=replace(settings.BRAINPOD, log_mb=0.2)):
        assert total > 0.2 * 1024 * 1024
        assert retention.apply() > 0
        assert sum(LogChunk.objects.filter(stream=stream).values_list("size", flat=True)) <= 0.2 * 1024 * 1024
    assert reader.last_seq(stream) == 40
    assert reader.read(stream)[0].seq == reader.dropped(stream) + 1


def test_lines_whose_writer_died_long_ago_are_stored(stream: str) -> None:
    row = store.take(stream)
    hours_ago = int(time.time() * 1000) - 2 * retention.LEFT_MS
    lines = [Line(1, hours_ago, "", "info", "left behind")]
    assert live.publish(stream, row.fence, live.Entry(1, 1, 0, encode(lines)))
    retention.apply()
    assert list(store.lines(stream, 0)) == lines


def test_a_deleted_log_is_gone_and_its_writer_fenced(stream: str) -> None:
    log = LogWriter.open(stream, mask=Mask([]))
    log.line("one")
    log.flush()
    retention.delete_stream(stream)
    log.line("two")
    log.close()
    assert log.fenced
    assert not LogStream.objects.filter(name=stream).exists()
    assert not LogChunk.objects.filter(stream=stream).exists()
