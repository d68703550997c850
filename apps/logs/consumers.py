"""`ws/logs/<stream>/?after=N`: everything after line N, then every line as it is written.

To the browser: `{"lines": [[seq, at, section, level, text], …]}`, in order, no line twice; `{"gap": [from, to]}` for
lines that are lost, dropped, or skipped because the viewer is far behind (history has those). From the browser:
`{"ack": seq}` once lines are shown; a viewer that acknowledges nothing is closed after WINDOW bytes.

Close codes: 4400 a malformed request, 4401 not signed in, 4403 not allowed (any more), 4408 too slow: come back.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any
from urllib.parse import parse_qs

import structlog
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from apps.accounts.sessions import session_of, user_of
from apps.core.components import component
from apps.logs import reader
from apps.logs.hub import Message, hub
from apps.logs.lines import Line, encode, parts
from apps.logs.live import Entry
from apps.logs.sharing import looked_up

ASK_SECONDS = 3.0  # between two looks whether the viewer still may: well below the five promised
PATIENCE = 3.0  # seconds missing lines may take to reach the database before they count as lost
WINDOW = 8 * 1024 * 1024  # bytes sent and not acknowledged; the server behind us buffers without a limit
ACK_SECONDS = 30.0  # how long a full window waits
MESSAGE = 512 * 1024  # bytes of lines in one message; the server behind us refuses to send more than a MiB
FAR = 100_000  # lines behind from which a viewer is shown a gap instead
NEAR = 10_000  # and where it goes on

logger = structlog.get_logger(__name__)


class Closing(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _refused(session: str | None, stream: str) -> int:
    """The code to close with, or 0: asked of the database each time, never of what was true at the beginning."""
    who = user_of(session)
    if who is None:
        return 4401
    return 0 if component("log_gate")(who, stream) else 4403


def _stored(stream: str, after: int) -> list[Message]:
    return [Message.of(entry) for entry in reader.stored(stream, after=after)]


class LogConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.stream = self.scope["url_route"]["kwargs"]["stream"]
        self._tasks: list[asyncio.Task[None]] = []
        self._unacked: deque[tuple[int, int]] = deque()
        self._window = 0
        self._acked = asyncio.Event()
        await self.accept()  # a close code reaches the browser only after this
        after = parse_qs(self.scope["query_string"].decode("ascii", "replace")).get("after", ["0"])[0]
        if not (after.isascii() and after.isdigit() and len(after) < 16):
            await self.close(4400)
            return
        if refusal := await self._refusal():
            await self.close(refusal)
            return
        self._tasks = [asyncio.create_task(self._run(work)) for work in (self._follow(int(after)), self._guard())]

    async def disconnect(self, code: int) -> None:
        left = set(self._tasks)
        while left:  # again: a call into a thread takes a cancellation and goes on
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=0.2)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            seq = int(json.loads((text_data or "")[:200])["ack"])
            while self._unacked and self._unacked[0][0] <= seq:
                self._window -= self._unacked.popleft()[1]
        except (ValueError, TypeError, KeyError):
            await self.close(4400)
            return
        self._acked.set()

    async def _run(self, work: Any) -> None:
        try:
            await work
        except Closing as closing:
            await self.close(closing.code)
        except Exception:
            logger.exception("log_viewer_failed", stream=self.stream)
            await self.close(1011)

    # Who may see it

    async def _guard(self) -> None:
        while True:
            await asyncio.sleep(ASK_SECONDS)
            if refusal := await self._refusal():
                raise Closing(refusal)

    async def _refusal(self) -> int:
        return await looked_up(_refused, session_of(self.scope), self.stream)

    # What they see

    async def _follow(self, last: int) -> None:
        async with hub().watch(self.stream) as viewer:
            last = await self._catch_up(last)
            while True:
                message = await viewer.get()
                if message is None or (message.first > last + 1):
                    last = await self._catch_up(last)
                else:
                    last = await self._pass_on(message, last)

    async def _catch_up(self, last: int) -> int:
        """Send everything storage has after `last`; the last line sent."""
        newest = await looked_up(reader.last_seq, self.stream)
        if newest - last > FAR:
            await self._gap(last + 1, newest - NEAR)
            last = newest - NEAR
        waited = 0.0
        while found := await looked_up(_stored, self.stream, last):
            first = found[0].first
            if first > last + 1:
                if waited < PATIENCE and first > await looked_up(reader.dropped, self.stream) + 1:
                    await asyncio.sleep(0.2)
                    waited += 0.2
                    continue
                await self._gap(last + 1, first - 1)
                last = first - 1
            waited = 0.0
            for message in found:
                if message.first > last + 1:
                    break  # looked at again
                last = await self._pass_on(message, last)
        return last

    async def _pass_on(self, message: Message, last: int) -> int:
        """Send the lines of `message` that come after `last`, one that it has or that is just before; the last sent."""
        if message.first == last + 1 and message.size <= MESSAGE:
            await self._send(message)
        elif message.last > last:
            lines = await sync_to_async(message.lines, thread_sensitive=False)()
            await self._send_lines([line for line in lines if line.seq > last])
        return max(last, message.last)

    async def _gap(self, first: int, last: int) -> None:
        await self.send(text_data=json.dumps({"gap": [first, last]}))

    async def _send_lines(self, lines: list[Line]) -> None:
        for part in parts(lines, MESSAGE):
            payload = await sync_to_async(encode, thread_sensitive=False)(part)
            await self._send(Message.of(Entry(part[0].seq, part[-1].seq, 0, payload)))

    async def _send(self, message: Message) -> None:
        while self._window > WINDOW:
            self._acked.clear()
            try:
                await asyncio.wait_for(self._acked.wait(), ACK_SECONDS)
            except TimeoutError:
                raise Closing(4408) from None
        await self.send(text_data=message.text)
        self._unacked.append((message.last, message.size))
        self._window += message.size
