"""How long logs are kept: by days, and by megabytes of each stream. The oldest go first, and the stream says so."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Sum
from django.utils import timezone

from apps.core.masking import Mask
from apps.logs import live
from apps.logs.models import LogChunk, LogStream
from apps.logs.writer import LogWriter

LEFT_MS = 3_600_000  # a line not stored for this long has no writer any more


def apply() -> int:
    """Drop what is too old or too much; how many chunks went. Run every few minutes."""
    _store_what_was_left()
    config = settings.BRAINPOD
    oldest = timezone.now() - timedelta(days=config.log_days)
    gone = 0
    for stream in LogChunk.objects.filter(last_at__lt=oldest).values_list("stream", flat=True).distinct():
        gone += _drop(stream, LogChunk.objects.filter(stream=stream, last_at__lt=oldest).values_list("pk", flat=True))
    most = config.log_mb * 1024 * 1024
    large = LogChunk.objects.values("stream").annotate(total=Sum("size")).filter(total__gt=most)
    for row in large:
        gone += _drop(row["stream"], _beyond(row["stream"], row["total"] - most))
    return gone


def _beyond(stream: str, surplus: int) -> list[int]:
    """The oldest chunks that make up `surplus` bytes."""
    found = []
    for pk, size in LogChunk.objects.filter(stream=stream).order_by("first_seq").values_list("pk", "size"):
        if surplus <= 0:
            break
        found.append(pk)
        surplus -= size
    return found


@transaction.atomic
def _drop(stream: str, chunks: Iterable[int]) -> int:
    going = LogChunk.objects.filter(pk__in=list(chunks))
    last = going.aggregate(last=Max("last_seq"))["last"] or 0
    LogStream.objects.filter(name=stream, dropped__lt=last).update(dropped=last)
    return going.delete()[0]


def _store_what_was_left() -> None:
    """Store the lines of writers that died and were not followed by another."""
    try:
        for stream in live.names():
            newest = live.newest(stream)
            row = LogStream.objects.filter(name=stream).first()
            if newest is None or row is None or newest.last <= row.last_seq:
                continue
            if newest.lines()[-1].at < time.time() * 1000 - LEFT_MS:
                LogWriter.open(stream, mask=Mask([])).close()
    except live.Away:
        return


def delete_stream(stream: str) -> None:
    """Forget everything of `stream`; a writer that still has it is fenced."""
    with transaction.atomic():
        LogStream.objects.filter(name=stream).delete()
        LogChunk.objects.filter(stream=stream).delete()
    try:
        live.delete(stream)
    except live.Away:
        pass  # what Valkey has of it ends by itself within a day
