"""The raw stream fan-out, as a program of its own: `python -m bench.fanout URL STREAM`.

One reader of a Valkey stream, whatever comes written to every TCP client as one line: no numbers, no rights, no
storage, no websockets. Prints the port it listens on.
"""

from __future__ import annotations

import asyncio
import sys

import redis.asyncio as redis


async def main(url: str, stream: str) -> None:
    clients: set[asyncio.StreamWriter] = set()

    async def joined(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.add(writer)

    server = await asyncio.start_server(joined, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    valkey = redis.Redis.from_url(url, socket_timeout=None, protocol=2)
    position: bytes | str = "0"
    while True:
        for _, entries in await valkey.xread({stream: position}, count=64, block=1000):
            for _, fields in entries:
                for client in clients:
                    client.write(b'{"lines":' + fields[b"d"] + b"}\n")
            position = entries[-1][0]
            await asyncio.gather(*(client.drain() for client in clients))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
