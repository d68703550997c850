"""Log streams and the chunks they are stored in.

A writer takes a stream by raising its `fence`; a chunk is added only together with an update of the stream under
that fence, so a writer that was replaced can store nothing.
"""

from __future__ import annotations

from django.db import models


class LogStream(models.Model):
    """One stream: where its writer is, and what retention took from its beginning."""

    name = models.CharField(max_length=80, primary_key=True)
    fence = models.BigIntegerField(default=0, editable=False)
    last_seq = models.BigIntegerField(default=0, help_text="the last line stored")
    source_seq = models.BigIntegerField(default=0, help_text="the engine's number of the last line stored")
    dropped = models.BigIntegerField(default=0, help_text="lines up to this one were dropped by retention")
    touched_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name


class LogChunk(models.Model):
    """Consecutive lines, compressed: `data` is zstd of what apps.logs.lines.encode makes, `size` its bytes."""

    stream = models.CharField(max_length=80)
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField(db_index=True)
    size = models.IntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "first_seq"], name="logs_one_chunk_per_first_seq")]
        indexes = [models.Index(fields=["stream", "last_seq"], name="logs_by_last_seq")]

    def __str__(self) -> str:
        return f"{self.stream} {self.first_seq}-{self.last_seq}"
