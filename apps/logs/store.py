"""The database's side of a log: taking a stream, adding a chunk under its fence, reading chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import zstandard
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from apps.logs.lines import Line, decode
from apps.logs.live import Entry, joined
from apps.logs.models import LogChunk, LogStream


class Fenced(Exception):
    """Another writer has the stream, or it was deleted."""


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def take(name: str) -> LogStream:
    """Make the caller the stream's writer: every other one is fenced from here on."""
    now = timezone.now()
    try:
        with transaction.atomic():
            if LogStream.objects.filter(name=name).update(fence=F("fence") + 1, touched_at=now):
                return LogStream.objects.get(name=name)
            return LogStream.objects.create(name=name, fence=1, touched_at=now)
    except IntegrityError:  # another one made it at the same moment, and is fenced by the next try
        return take(name)


def append(name: str, fence: int, entries: Sequence[Entry]) -> None:
    """Store consecutive `entries` as one chunk. Raises Fenced."""
    data = zstandard.compress(joined(entries).payload, 6)
    first, last = entries[0].lines()[0], entries[-1].lines()[-1]
    with transaction.atomic():
        updated = LogStream.objects.filter(name=name, fence=fence, last_seq__lt=first.seq).update(
            last_seq=last.seq, source_seq=entries[-1].source, touched_at=timezone.now()
        )
        if not updated:
            raise Fenced(name)
        LogChunk.objects.create(
            stream=name,
            first_seq=first.seq,
            last_seq=last.seq,
            first_at=moment(first.at),
            last_at=moment(last.at),
            size=len(data),
            data=data,
        )


def entries(name: str, after: int, size: int) -> list[Entry]:
    """The next chunks with lines after `after`, oldest first, until they have `size` bytes or are 256."""
    rows = LogChunk.objects.filter(stream=name, last_seq__gt=after).order_by("last_seq")
    found: list[Entry] = []
    for first, last, data in rows.values_list("first_seq", "last_seq", "data")[:256].iterator(chunk_size=8):
        found.append(Entry(first, last, 0, zstandard.decompress(bytes(data))))
        size -= len(found[-1].payload)
        if size <= 0:
            break
    return found


def lines(name: str, after: int) -> Iterator[Line]:
    """The stored lines after `after`, oldest first, a chunk in memory at a time."""
    while chunk := LogChunk.objects.filter(stream=name, last_seq__gt=after).order_by("last_seq").first():
        for line in decode(zstandard.decompress(bytes(chunk.data))):
            if line.seq > after:
                yield line
        after = chunk.last_seq


def state(name: str) -> LogStream:
    """The stream's row; one that was never written has nothing in it."""
    return LogStream.objects.filter(name=name).first() or LogStream(name=name)


def is_there(name: str) -> bool:
    """Whether it was written at least once, and not deleted since."""
    return LogStream.objects.filter(name=name).exists()
