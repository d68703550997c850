"""Writing a log: any number of lines from any thread, live at once and stored within a second.

    with LogWriter.open("deployment:01h…", mask=mask) as log:
        log.section("build web")
        log.write(output)          # any chunk of text
        log.line("one whole line", level="engine")

The first lines go out at once, later ones every 50 ms or 64 KiB. What was published to Valkey survives the death of
the writer: whoever opens the stream next stores it and goes on after it. With Valkey away the lines are stored in
the database all the same. `write` waits when more than 4 MiB is on its way; nothing else in here blocks the caller.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import structlog
from django.db import Error as DatabaseError

from apps.core.masking import Mask
from apps.logs import flusher, live, store
from apps.logs.batches import Batcher, Piece
from apps.logs.lines import EVENT, LEVELS, Line, check_stream, encode
from apps.logs.stages import encode_event

INTERVAL = 0.05  # seconds between batches
BATCH = 64 * 1024  # characters that make a batch before that
STORE_INTERVAL = 1.0  # seconds a published line may wait for the database
STORE_SIZE = 256 * 1024  # bytes that are stored before that, as one chunk
WAITING = 4 * 1024 * 1024  # characters on their way before `write` waits
UNSTORED = 8 * 1024 * 1024  # bytes kept for a database that does not answer; then the oldest are let go

logger = structlog.get_logger(__name__)


class LogWriter:
    """The one writer of a stream. An older one that wakes up after this was opened can neither publish nor store."""

    def __init__(
        self, stream: str, *, mask: Mask, fence: int, seq: int, source: int, stored_within: float = STORE_INTERVAL
    ) -> None:
        self.stream = stream
        self._stored_within = stored_within
        self._alone = False  # Valkey did not take the last batch: readers have the database alone
        self.fenced = False
        self._fence = fence
        self._batcher = Batcher(mask, seq, source)
        self._section = ""
        self._state = threading.Condition()  # guards _written, _size and _unstored
        self._written: list[Piece] = []
        self._size = 0
        self._unstored: deque[live.Entry] = deque()
        self._unstored_since = 0.0
        self._unstored_size = 0
        self._publishing = threading.Lock()  # held while a batch is cut and sent, so that batches keep their order
        self._storing = threading.Lock()
        self._published_at = 0.0
        self._store_after = 0.0
        self._sent_source = source

    @classmethod
    def open(cls, stream: str, *, mask: Mask, stored_within: float = STORE_INTERVAL) -> LogWriter:
        """Take the stream over from whoever wrote it. Raises NotFound for a name that is none.

        `stored_within`: seconds a line may be in Valkey alone; readers see it there.
        """
        row = store.take(check_stream(stream))
        left: list[live.Entry] = []
        try:
            live.take(stream, row.fence)
            left = live.entries(stream, row.last_seq)
        except live.Away as error:
            logger.warning("log_opened_without_valkey", stream=stream, error=str(error))
        left = [entry for entry in left if entry.first > row.last_seq]
        unstored = deque(left)
        while batch := _chunk(unstored):
            store.append(stream, row.fence, batch)
            for _ in batch:
                unstored.popleft()
        seq, source = (left[-1].last, left[-1].source) if left else (row.last_seq, row.source_seq)
        writer = cls(stream, mask=mask, fence=row.fence, seq=seq, source=source, stored_within=stored_within)
        flusher.add(writer)
        return writer

    @property
    def mask(self) -> Mask:
        """What is masked in lines from now on; set it before anything that could hold a secret is written."""
        return self._batcher.mask

    @mask.setter
    def mask(self, mask: Mask) -> None:
        with self._publishing:
            self._batcher.mask = mask

    @property
    def source(self) -> int:
        """The engine's number of the last line that was taken in and cut into a batch (or found when opened)."""
        return self._batcher.source

    def section(self, name: str) -> None:
        """What is written from now on belongs to section `name`; an unfinished line before it is finished."""
        self._section = name

    def line(self, text: str, level: str = "info", *, source: int = 0) -> None:
        """Write one whole line, without its line feed. `source`: its number where it came from."""
        self.write(text + "\n", level, source=source)

    def write(self, text: str, level: str = "info", *, source: int = 0) -> None:
        """Write any text: several lines, none, or a part of one that a later call continues."""
        if level not in LEVELS:
            raise ValueError(f"level must be one of {LEVELS}, not {level!r}")
        self._take(self._section, level, text, source)

    def stage(
        self, *, title: str, app: str, stage: str, state: str, seconds: float | None = None, note: str = ""
    ) -> None:
        """A stage is running, passed, failed or skipped; it has its section whatever the current one is."""
        event = {"kind": "stage", "title": title, "app": app, "stage": stage, "state": state, "seconds": seconds}
        self._event(f"{title} · {app}", event | {"note": self.mask(note)})

    def ended(self, state: str, *, title: str = "Deployment", seconds: float | None = None, note: str = "") -> None:
        """The last word: how the deployment, or what else the log is about, ended."""
        event = {"kind": "deployment", "title": title, "state": state, "seconds": seconds}
        self._event(title, event | {"note": self.mask(note)})

    def _event(self, section: str, event: Mapping[str, object]) -> None:
        self._take(section, EVENT, encode_event(event) + "\n", 0)

    def _take(self, section: str, level: str, text: str, source: int) -> None:
        if not text or self.fenced:
            return
        with self._state:
            self._state.wait_for(lambda: self._size < WAITING or self.fenced, timeout=60)
            wake = not self._written or self._size < BATCH <= self._size + len(text)
            self._written.append(Piece(time.time_ns() // 1_000_000, section, level, text, source))
            self._size += len(text)
        if wake:
            flusher.wake()

    def flush(self) -> None:
        """Publish and store everything written so far, an unfinished line included."""
        self.publish(finish=True)
        while self._unstored and self.store():
            pass

    def close(self) -> None:
        """Flush and give the stream back; closing twice is no error."""
        if not flusher.remove(self):
            return
        self.flush()
        if self._unstored or self.fenced:
            return  # Valkey has the lines for a day; whoever opens the stream stores them
        try:
            live.closed(self.stream)
        except live.Away:
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # The flusher's threads call what follows.

    def due(self, now: float) -> float:
        """Seconds until there is something to publish; infinite when nothing is waiting."""
        with self._state:
            if self._size >= BATCH:
                return 0.0
            if self._written:
                return max(0.0, self._published_at + INTERVAL - now)
            since = self._batcher.rest_since
        if since is None:
            return float("inf")
        return max(0.0, since / 1000 + self._batcher.patience - time.time())

    def publish(self, *, finish: bool | None = None) -> None:
        """Cut what was written into lines and send them; `finish`: the rest too, None: if it waited enough."""
        with self._publishing:
            with self._state:
                written, self._written, self._size = self._written, [], 0
                self._state.notify_all()
            self._published_at = time.monotonic()
            if finish is None:
                since = self._batcher.rest_since
                waited = since is not None and time.time() - since / 1000 >= self._batcher.patience
                finish = waited and not written
            first = self._batcher.seq + 1
            for lines in _sized(self._batcher.lines(written, finish=finish)):
                self._send(live.Entry(first, lines[-1].seq, 0, encode(lines)), last=lines[-1].seq == self._batcher.seq)
                first = lines[-1].seq + 1

    def _send(self, entry: live.Entry, *, last: bool) -> None:
        """Publish `entry`; the source's number goes with the last entry of a batch, when all of it is out."""
        if self.fenced:
            return
        entry = entry._replace(source=self._batcher.source if last else self._sent_source)
        self._sent_source = entry.source
        with self._state:
            if not self._unstored:
                self._unstored_since = time.monotonic()
            self._unstored.append(entry)
            self._unstored_size += len(entry.payload)
            while self._unstored_size > UNSTORED:
                self._unstored_size -= len(self._unstored.popleft().payload)
        try:
            if not live.publish(self.stream, self._fence, entry):
                self._lose()
            self._alone = False
        except live.Away:
            self._alone = True  # readers poll the database until it is back

    def store_due(self, now: float) -> bool:
        """Whether what is published has to be stored now."""
        with self._state:
            waiting = bool(self._unstored) and now >= self._store_after
            patience = STORE_INTERVAL if self._alone else self._stored_within
            return waiting and (self._unstored_size >= STORE_SIZE or now - self._unstored_since >= patience)

    def store(self) -> bool:
        """Store what is published, a chunk's worth of it. False if the database did not take it."""
        with self._storing:
            with self._state:
                batch = _chunk(self._unstored)
            if not batch:
                return True
            try:
                store.append(self.stream, self._fence, batch)
            except store.Fenced:
                self._lose()
                return False
            except DatabaseError as error:
                logger.error("log_not_stored", stream=self.stream, error=str(error))
                self._store_after = time.monotonic() + STORE_INTERVAL
                return False
            with self._state:
                while self._unstored and self._unstored[0].last <= batch[-1].last:
                    self._unstored_size -= len(self._unstored.popleft().payload)
                self._unstored_since = time.monotonic()
            return True

    def _lose(self) -> None:
        """Somebody else writes the stream now, or it is gone with its pod: keep nothing, take nothing."""
        if store.is_there(self.stream):
            logger.warning("log_writer_replaced", stream=self.stream)
        with self._state:
            self.fenced = True
            self._unstored.clear()
            self._unstored_size = 0
            self._state.notify_all()


def _sized(lines: list[Line]) -> list[list[Line]]:
    """`lines` in entries of about BATCH characters."""
    entries: list[list[Line]] = []
    size = BATCH
    for line in lines:
        if size >= BATCH:
            entries.append([])
            size = 0
        entries[-1].append(line)
        size += len(line.text) + 40
    return entries


def _chunk(waiting: deque[live.Entry]) -> list[live.Entry]:
    """The first entries of `waiting` that make a chunk. There is no gap inside one: a gap starts the next."""
    batch: list[live.Entry] = []
    size = 0
    for entry in waiting:
        if size >= STORE_SIZE or (batch and entry.first != batch[-1].last + 1):
            break
        batch.append(entry)
        size += len(entry.payload)
    return batch
