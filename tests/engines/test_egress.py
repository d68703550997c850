"""The way out, against real listeners on loopback."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from apps.engines.process import host
from apps.engines.process.egress import Egress

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
MACHINE = host.look({}, Path("/nonexistent"))


@asynccontextmanager
async def upstream() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that keeps what it is sent and answers `hello`."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(4096))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


async def ask(egress: Egress, request: bytes, *, build: bool = False) -> bytes:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = await egress.serve(listener.detach(), build=build)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        return answer
    finally:
        server.close()


def test_a_private_address_is_refused() -> None:
    async def story() -> None:
        async with upstream() as (port, seen):
            for target in (f"127.0.0.1:{port}", f"localhost:{port}"):
                answer = await ask(Egress(MACHINE, ()), f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
                assert answer.startswith(b"HTTP/1.1 403 ")
                assert b"private" in answer
            assert seen == []

    asyncio.run(story())


def test_an_allowed_network_is_reached_both_ways() -> None:
    async def story() -> None:
        async with upstream() as (port, seen):
            egress = Egress(MACHINE, LOOPBACK)
            plain = f"GET http://127.0.0.1:{port}/a?b HTTP/1.1\r\nHost: x\r\nProxy-Connection: keep-alive\r\n\r\n"
            assert (await ask(egress, plain.encode())).endswith(b"hello")
            assert seen[0].startswith(b"GET /a?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
            assert b"Proxy-Connection" not in seen[0]
            tunnel = await ask(egress, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nping".encode())
            assert tunnel.startswith(b"HTTP/1.1 200 Connection established")
            assert tunnel.endswith(b"hello")
            assert seen[1] == b"ping"

    asyncio.run(story())


def test_registry_hosts_are_for_builds_only() -> None:
    async def story() -> None:
        async with upstream() as (port, _):
            machine = replace(MACHINE, registry_hosts=frozenset({"localhost"}))
            request = f"GET http://localhost:{port}/ HTTP/1.1\r\n\r\n".encode()
            assert (await ask(Egress(machine, ()), request, build=True)).endswith(b"hello")
            assert b" 403 " in await ask(Egress(machine, ()), request, build=False)

    asyncio.run(story())


def test_a_proxy_in_front_of_the_host_is_asked() -> None:
    async def story() -> None:
        async with upstream() as (port, seen):
            machine = replace(MACHINE, proxy=f"http://user:pa%40ss@127.0.0.1:{port}")
            await ask(Egress(machine, LOOPBACK), b"CONNECT example.invalid:443 HTTP/1.1\r\n\r\n")
            assert seen[0].startswith(b"CONNECT example.invalid:443 HTTP/1.1\r\n")
            assert b"Proxy-Authorization: Basic dXNlcjpwYUBzcw==" in seen[0]
            answer = await ask(Egress(machine, ()), b"CONNECT 10.0.0.1:443 HTTP/1.1\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 403 ")

    asyncio.run(story())


def test_nonsense_is_answered() -> None:
    async def story() -> None:
        for request in (b"\xff\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"CONNECT x HTTP/1.1\r\n\r\n", b"A B\r\n\r\n"):
            assert (await ask(Egress(MACHINE, ()), request)).startswith(b"HTTP/1.1 400 ")

    asyncio.run(story())
