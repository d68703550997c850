"""One reader of Valkey per process fans out in memory to every viewer of it.

What has come meanwhile is put together into one message, made once for all viewers: each message costs every one of
them far more than the lines in it.

A viewer's queue is bounded: one that does not keep up loses its queue, not its lines; it reads them again from
storage (`None` in the queue tells it to look there). While Valkey is away every viewer is told to look once a second.
A writer may be without Valkey while this reader is not: of a stream that is silent storage is asked now and then.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import weakref
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import redis.asyncio as redis
import structlog
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from apps.logs.lines import Line
from apps.logs.live import Entry, key, parse, together
from apps.logs.reader import last_seq
from apps.logs.sharing import looked_up

QUEUE_ENTRIES = 2048
QUEUE_BYTES = 8 * 1024 * 1024  # viewers of one stream share the entries: this much is a build of 70,000 lines
BLOCK_MS = 5000
SOCKET_SECONDS = 8  # longer than a blocking read; a Valkey that hangs is noticed after it
POLL_SECONDS = 1.0
ROUND_SECONDS = 0.25  # at most, of waiting for viewers to take what they were given, before the next is read
GLANCE_SECONDS = 0.005
SILENT_SECONDS = 5.0  # after which storage is asked whether a stream went on without Valkey

logger = structlog.get_logger(__name__)


class Message(NamedTuple):
    """Lines `first` to `last` as a browser is sent them, of `size` bytes. All viewers have the same one."""

    first: int
    last: int
    size: int
    text: str

    @classmethod
    def of(cls, entry: Entry) -> Message:
        whole = b'{"lines":' + entry.payload + b"}"
        return cls(entry.first, entry.last, len(whole), whole.decode())

    def lines(self) -> list[Line]:
        return [Line(*fields) for fields in json.loads(self.text)["lines"]]


class Viewer:
    """The bounded queue of one reader."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self._queue: deque[Message] = deque()
        self._bytes = 0
        self._look = False
        self._filled = asyncio.Event()

    def put(self, message: Message) -> None:
        if len(self._queue) >= QUEUE_ENTRIES or self._bytes + message.size > QUEUE_BYTES:
            self.look()
            return
        self._queue.append(message)
        self._bytes += message.size
        self._filled.set()

    @property
    def has_all(self) -> bool:
        """Whether it has taken everything that it was given."""
        return not self._filled.is_set()

    def look(self) -> None:
        """Forget the queue: the viewer has to look into storage."""
        self._queue.clear()
        self._bytes = 0
        self._look = True
        self._filled.set()

    async def get(self) -> Message | None:
        """The next message, or None when lines have to be looked up in storage."""
        await self._filled.wait()
        if self._look:
            self._look = False
            message = None
        else:
            message = self._queue.popleft()
            self._bytes -= message.size
        if not self._queue:
            self._filled.clear()
        return message


@dataclass(slots=True)
class Heard:
    """The last line of a stream that was passed on or found in storage; when one came, or was asked for."""

    last: int = 0
    at: float = field(default_factory=time.monotonic)


class Hub:
    def __init__(self) -> None:
        self._valkey: Any = redis.Redis.from_url(  # its types say what any version of the protocol could answer
            settings.VALKEY_URL,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=1,
            protocol=2,
            retry=Retry(NoBackoff(), 1),
        )
        self._wake = f"logwake:{secrets.token_hex(8)}"  # a stream of our own that ends the blocking read
        self._viewers: dict[str, set[Viewer]] = {}
        self._positions: dict[str, bytes | str] = {}
        self._heard: dict[str, Heard] = {}
        self._position_of_wake: bytes | str = "0-0"
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watch(self, stream: str) -> AsyncIterator[Viewer]:
        """A viewer that is given every entry published after this was entered."""
        viewer = Viewer(stream)
        if stream not in self._positions:
            position = await self._newest(stream)
            self._positions.setdefault(stream, position)
        self._viewers.setdefault(stream, set()).add(viewer)
        self._heard.setdefault(stream, Heard())
        try:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run())
            else:
                await self._interrupt()
            yield viewer
        finally:
            self._leave(viewer)

    def _leave(self, viewer: Viewer) -> None:
        viewers = self._viewers[viewer.stream]
        viewers.discard(viewer)
        if not viewers:
            del self._viewers[viewer.stream]
            self._positions.pop(viewer.stream, None)
            self._heard.pop(viewer.stream, None)
        if not self._viewers and self._task:
            self._task.cancel()
            self._task = None

    async def _newest(self, stream: str) -> bytes | str:
        try:
            found = await self._valkey.xrevrange(key(stream), count=1)
        except (redis.RedisError, OSError):
            return "0-0"  # what it has then is passed on once more when it is back; viewers know their place
        return found[0][0] if found else "0-0"

    async def _interrupt(self) -> None:
        try:
            async with self._valkey.pipeline(transaction=False) as pipe:
                pipe.xadd(self._wake, {"w": "1"}, maxlen=1, approximate=False)
                pipe.expire(self._wake, 60)
                await pipe.execute()
        except (redis.RedisError, OSError):
            pass  # the reader finds out by itself and looks at all streams

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._read()
                    await self._ask_storage()
                    continue
                except (redis.RedisError, OSError) as error:
                    logger.warning("log_hub_without_valkey", error=str(error))
                except Exception:
                    logger.exception("log_hub_failed")
                for viewer in [viewer for viewers in self._viewers.values() for viewer in viewers]:
                    viewer.look()
                await asyncio.sleep(POLL_SECONDS)
        finally:
            await self._valkey.connection_pool.disconnect()

    async def _read(self) -> None:
        """One blocking read of all streams, passed on."""
        wanted = {key(stream): position for stream, position in self._positions.items()}
        wanted[self._wake] = self._position_of_wake
        busy: set[Viewer] = set()
        for name, found in await self._valkey.xread(wanted, count=64, block=BLOCK_MS):
            text = name.decode()
            if text == self._wake:
                self._position_of_wake = found[-1][0]
                continue
            stream = text.removeprefix("log:")
            if stream not in self._positions:
                continue
            self._positions[stream] = found[-1][0]
            for message in map(Message.of, together([parse(*raw) for raw in found])):
                self._heard[stream] = Heard(message.last)
                for viewer in self._viewers.get(stream, ()):
                    if viewer.has_all:
                        busy.add(viewer)
                    viewer.put(message)
        await self._round(busy)

    async def _round(self, viewers: set[Viewer]) -> None:
        """Let `viewers`, who kept up so far, take what they were given: what comes meanwhile is one message then.

        With hundreds of them a message for each line would be more than one process can send.
        """
        until = time.monotonic() + ROUND_SECONDS
        await asyncio.sleep(0)
        while not all(viewer.has_all for viewer in viewers) and time.monotonic() < until:
            await asyncio.sleep(GLANCE_SECONDS)

    async def _ask_storage(self) -> None:
        """Have the viewers look where a stream has lines that never came by."""
        silent = time.monotonic() - SILENT_SECONDS
        for stream in [stream for stream, heard in self._heard.items() if heard.at < silent]:
            newest = await looked_up(last_seq, stream)
            if (heard := self._heard.get(stream)) is None:
                continue  # nobody watches it any more
            if newest > heard.last:
                for viewer in self._viewers.get(stream, ()):
                    viewer.look()
            self._heard[stream] = Heard(max(newest, heard.last))


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop: a server process has one."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
