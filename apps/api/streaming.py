"""Server-sent events: what there is, then what comes, until the time is over, the token counts no more, or it is much.

The server behind us buffers without a limit what a slow reader does not take, so a stream ends after BYTES; whoever
comes back with the last id misses nothing. A process that has no event loop sends what there is and ends.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterable

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import StreamingHttpResponse

from apps.api import refusals, schemas
from apps.api.door import Request
from apps.api.watching import Sent, Watch
from apps.core.errors import UserError

LONGEST = 600  # seconds
OF_TOKEN = 4  # streams at once
ALTOGETHER = 64
PAUSE = 1.0  # seconds between two looks
ASK = 3.0  # seconds between two looks whether the token still counts
HEARTBEAT = 10.0  # seconds without a word
BYTES = 2_000_000
RETRY = b"retry: 1000\n\n"
BEAT = b": here\n\n"


class Places:
    """Who streams in this process. What was never given back is free again once it must be over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[tuple[int, object], float] = {}

    def take(self, token: int, seconds: float) -> tuple[int, object]:
        """Raises UserError("too_many_streams") with 429."""
        now = time.monotonic()
        with self._lock:
            self._ends = {one: end for one, end in self._ends.items() if end > now}
            own = sum(of == token for of, _ in self._ends)
            if own >= OF_TOKEN or len(self._ends) >= ALTOGETHER:
                raise UserError(
                    "too_many_streams",
                    f"{own} streams of this token are open, {len(self._ends)} altogether.",
                    f"Close one: a token may have {OF_TOKEN}, and all together {ALTOGETHER}.",
                    status=429,
                )
            place = (token, object())
            self._ends[place] = now + seconds + 60
        return place

    def give_back(self, place: tuple[int, object]) -> None:
        with self._lock:
            self._ends.pop(place, None)


_places = Places()


def answer(request: Request, watch: Watch, seconds: int) -> StreamingHttpResponse:
    """Raises UserError("too_many_streams") with 429."""
    if isinstance(request, ASGIRequest):
        place = _places.take(request.auth.token.pk, seconds)
        response = StreamingHttpResponse(_stream(request, watch, seconds, place), content_type="text/event-stream")
        response._resource_closers.append(lambda: _places.give_back(place))  # type: ignore[attr-defined]
    else:
        response = StreamingHttpResponse(_at_once(watch), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _at_once(watch: Watch) -> Iterable[bytes]:
    found = watch.look()
    return [RETRY, *map(_event, found), _end(watch, "again")]


async def _stream(request: Request, watch: Watch, seconds: int, place: tuple[int, object]) -> AsyncIterator[bytes]:
    now = asyncio.get_running_loop().time
    until, asked, said, sent = now() + seconds, now(), now(), 0
    look = database_sync_to_async(watch.look, thread_sensitive=False)
    still = database_sync_to_async(request.auth.again, thread_sensitive=False)
    try:
        await sync_to_async(_close)()  # the connection that let it in would be idle from here on
        yield RETRY
        while True:
            if now() - asked >= ASK:
                await still()
                asked = now()
            if found := await look():
                whole = b"".join(map(_event, found))
                yield whole
                said, sent = now(), sent + len(whole)
            if now() >= until or sent > BYTES:
                yield _end(watch, "duration" if now() >= until else "size")
                return
            if now() - said >= HEARTBEAT:
                yield BEAT
                said = now()
            await asyncio.sleep(0 if watch.more else max(0, min(PAUSE, until - now())))
    except Exception as error:  # noqa: BLE001 - the status is sent: whatever it is can only be told in the stream
        told = refusals.answer(request, error).content.decode()
        yield f"event: error\ndata: {told}\n\n".encode()
    finally:
        _places.give_back(place)


def _close() -> None:
    connection.close()


def _event(sent: Sent) -> bytes:
    cursor, event = sent
    told = schemas.Event.model_validate(event).model_dump_json(by_alias=True, exclude_unset=True)
    return f"id: {cursor}\nevent: event\ndata: {told}\n\n".encode()


def _end(watch: Watch, why: str) -> bytes:
    """`why`: duration, size, or again: come back for more."""
    told = json.dumps({"cursor": watch.cursor, "reason": why})
    return f"id: {watch.cursor}\nevent: end\ndata: {told}\n\n".encode()
