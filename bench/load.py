"""Clients: as many requests as are answered at a given number at once, or a constant rate whatever is answered.

The second runs as a program of its own, so that what the benchmark does meanwhile does not delay it:
`python -m bench.load PORT HOST RATE`, until its input ends; then one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from bench.row import quantile

ANSWER = 30.0  # seconds a request may take before it counts as failed


@dataclass(frozen=True, slots=True)
class Full:
    """What `full` saw; `slow` is the 99th percentile in seconds, `slow95` the 95th, `size` the bytes of one body."""

    rate: float
    slow: float
    slow95: float
    size: int


async def full(address: str | int, host: str, path: str, *, cookie: str, clients: int, seconds: float) -> Full:
    """`clients` connections, each asking again as soon as it is answered. `address`: a socket's path or a port."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n".encode()
    times: list[float] = []
    sizes: set[int] = set()
    until = time.monotonic() + seconds

    async def client() -> None:
        reader, writer = await connect(address)
        while (began := time.monotonic()) < until:
            writer.write(request)
            sizes.add(await _answer(reader))
            times.append(time.monotonic() - began)
        writer.close()

    began = time.monotonic()
    await asyncio.gather(*(client() for _ in range(clients)))
    return Full(len(times) / (time.monotonic() - began), quantile(times, 0.99), quantile(times, 0.95), max(sizes))


class Constant:
    """`rate` requests a second over kept connections and as many over new ones, while the block lasts."""

    def __init__(self, port: int, host: str, rate: int) -> None:
        self._command = [sys.executable, "-m", "bench.load", str(port), host, str(rate)]
        self.seen: dict[str, Any] = {}

    def __enter__(self) -> Constant:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        """`seen`: answered, failed, failures (the first of them), p50 and p99 in seconds."""
        out, _ = self._process.communicate(timeout=ANSWER * 2)
        self.seen = json.loads(out)


async def _constant(port: int, host: str, rate: int) -> dict[str, Any]:
    head = f"GET / HTTP/1.1\r\nHost: {host}\r\n"
    requests = {True: f"{head}\r\n".encode(), False: f"{head}Connection: close\r\n\r\n".encode()}
    pool: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    times: list[float] = []
    failures: list[str] = []
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))

    async def one(at: float, kept: bool) -> None:
        pair = _open(pool) if kept else None
        try:
            async with asyncio.timeout(ANSWER):
                pair = pair or await connect(port)
                pair[1].write(requests[kept])
                await _answer(pair[0])
            times.append(time.monotonic() - at)
        except (OSError, EOFError, ValueError) as error:
            failures.append(f"{'kept' if kept else 'new'}: {error!r}")
            kept = False
        if kept and pair:
            pool.append(pair)
        elif pair:
            pair[1].close()

    tasks: set[asyncio.Task[None]] = set()
    next_at = time.monotonic()
    while not ended.done():
        for kept in (True, False):
            task = asyncio.create_task(one(next_at, kept))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        next_at += 1 / rate
        await asyncio.sleep(max(0.0, next_at - time.monotonic()))
    await asyncio.gather(*tasks)
    return {
        "answered": len(times), "failed": len(failures), "failures": failures[:5],
        "p50": quantile(times, 0.5), "p99": quantile(times, 0.99),
    }  # fmt: skip


def _open(pool: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> Any:
    """A kept connection that is still open: one that its server ended while nobody used it is no failed request."""
    while pool:
        pair = pool.pop()
        if not pair[0].at_eof():
            return pair
        pair[1].close()
    return None


async def connect(address: str | int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, int):
        return await asyncio.open_connection("127.0.0.1", address)
    return await asyncio.open_unix_connection(address)


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read one answer; the bytes of its body. Raises ValueError for any but a 200, EOFError for half of one."""
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head[:16]:
        raise ValueError(head[:60].decode("latin-1"))
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), None)
    if length is not None:
        await reader.readexactly(length)
        return length
    size = 0
    while chunk := int(await reader.readuntil(b"\r\n"), 16):
        await reader.readexactly(chunk + 2)
        size += chunk
    await reader.readexactly(2)
    return size


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        print(json.dumps(asyncio.run(_constant(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))))
