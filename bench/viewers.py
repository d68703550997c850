"""Viewers of a log, as a program of its own: `python -m bench.viewers WHERE COUNT LAST [COOKIE ORIGIN]`.

WHERE is a websocket's address, or `tcp:PORT` for the raw stream. Each viewer reads until line LAST. Prints `watching`
when all are there, then one line of JSON: `done` (the monotonic clock when the last of them had line LAST), `ordered`
(every line once and in order), `delays` (seconds from when a line was written to when every tenth viewer had it, of
lines whose text begins with the monotonic clock in ns; those of the first viewer, then of the next).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import connect


class Viewer:
    def __init__(self, last: int, timed: bool) -> None:
        self.last, self.timed = last, timed
        self.seen, self.ordered, self.done = 0, True, 0.0
        self.delays: list[float] = []

    def take(self, message: str | bytes) -> int:
        """The number of the last line so far."""
        lines = json.loads(message).get("lines", [])
        now = time.monotonic_ns()
        for seq, _, _, _, text in lines:
            self.ordered = self.ordered and seq == self.seen + 1
            self.seen = seq
            if self.timed and (written := text.partition(" ")[0]).isdigit():
                self.delays.append((now - int(written)) / 1e9)
        self.done = time.monotonic()
        return self.seen


async def _socket(where: str, cookie: str, origin: str, there: asyncio.Semaphore) -> AsyncIterator[tuple[Any, Any]]:
    headers = {"Cookie": cookie}
    async with connect(
        where, host="127.0.0.1", origin=origin, additional_headers=headers, compression=None, max_size=None, proxy=None
    ) as socket:  # type: ignore[call-overload]
        there.release()
        async for message in socket:
            yield message, socket


async def _raw(port: int, there: asyncio.Semaphore) -> AsyncIterator[tuple[Any, Any]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=16 * 1024 * 1024)
    there.release()
    while message := await reader.readline():
        yield message, None
    writer.close()


async def _watch(viewer: Viewer, messages: AsyncIterator[tuple[Any, Any]]) -> None:
    owed, acknowledged = 0, time.monotonic()
    async for message, socket in messages:
        seen = viewer.take(message)
        owed += len(message)
        if socket is not None and (owed > 1 << 20 or time.monotonic() - acknowledged > 1):  # as static/logs/feed.js
            await socket.send(json.dumps({"ack": seen}))
            owed, acknowledged = 0, time.monotonic()
        if seen >= viewer.last:
            return


async def main(where: str, count: int, last: int, cookie: str = "", origin: str = "") -> None:
    viewers = [Viewer(last, timed=number % 10 == 0) for number in range(count)]
    there = asyncio.Semaphore(0)
    raw = where.startswith("tcp:")
    async with asyncio.TaskGroup() as watching:  # one that cannot connect ends it all
        for v in viewers:
            messages = _raw(int(where[4:]), there) if raw else _socket(where, cookie, origin, there)
            watching.create_task(_watch(v, messages))
        for _ in viewers:
            await there.acquire()
        await asyncio.sleep(0.5)  # accepted; the server looks up who it is before it follows the stream
        print("watching", flush=True)
    ordered = all(v.ordered and v.seen >= last for v in viewers)
    print(
        json.dumps(
            {
                "done": max(v.done for v in viewers),
                "ordered": ordered,
                "delays": [delay for v in viewers for delay in v.delays],
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]))
