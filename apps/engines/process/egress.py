"""The way out of a sandbox: an HTTP proxy on the workload's own loopback that connects to public addresses only.

CONNECT for everything encrypted, absolute-form requests for plain HTTP. The address that was checked is the one
connected to. Where the host itself is behind a proxy, that proxy is asked instead.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from apps.core.addresses import Network, resolve_public
from apps.core.errors import Invalid
from apps.engines.process.host import Host

HEAD = 65536  # bytes
PATIENCE = 30.0  # seconds for a request's head, and for a connection
HOP = ("proxy-connection", "connection", "keep-alive", "proxy-authorization")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Refused(Exception):
    """The answer to give instead of a connection."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status = status


class Egress:
    def __init__(self, host: Host, allowed: Iterable[Network]) -> None:
        self._host = host
        self._allowed = tuple(allowed)

    async def serve(self, listener: int, *, build: bool) -> asyncio.Server:
        """Accept on `listener`, which is taken over. `build`: the package registries' hosts are trusted by name."""
        trusted = self._host.registry_hosts if build else frozenset()

        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self._client(reader, writer, trusted)
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
                pass
            finally:
                writer.close()

        return await asyncio.start_server(client, sock=socket.socket(fileno=listener), limit=HEAD)

    async def _client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trusted: frozenset[str]
    ) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        try:
            first, *headers = head[:-4].split(b"\r\n")
            method, target, version = first.decode("ascii").split(" ")
            if method == "CONNECT":
                upstream = await self._connect(*_authority(target), trusted)
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                url = urlsplit(target)
                if url.scheme != "http" or not url.hostname:
                    raise Refused("400 Bad Request", "ask for http://host/path, or CONNECT.")
                upstream = await self._connect(url.hostname, url.port or 80, trusted)
                path = (url.path or "/") + (f"?{url.query}" if url.query else "")
                kept = [
                    line for line in headers if line.partition(b":")[0].strip().lower().decode("latin-1") not in HOP
                ]
                request = [f"{method} {path} {version}".encode(), *kept, b"Connection: close", b"", b""]
                upstream[1].write(b"\r\n".join(request))
        except (UnicodeDecodeError, ValueError) as error:
            refused = error if isinstance(error, Invalid) else Refused("400 Bad Request", "no proxy request.")
            await _answer(writer, "403 Forbidden" if isinstance(error, Invalid) else "400 Bad Request", str(refused))
            return
        except Refused as error:
            await _answer(writer, error.status, str(error))
            return
        except (OSError, TimeoutError) as error:
            await _answer(writer, "502 Bad Gateway", f"no connection: {error}")
            return
        await _carry((reader, writer), upstream)

    async def _connect(self, host: str, port: int, trusted: frozenset[str]) -> Streams:
        proxied = bool(self._host.proxy) and not any(
            host == name or host.endswith("." + name) for name in self._host.no_proxy
        )
        if proxied:
            await self._check_known(host, port, trusted)
            return await asyncio.wait_for(self._through_proxy(host, port), PATIENCE)
        addresses = await self._addresses(host, port, trusted)
        failure: Exception = OSError(f"{host} has no address")
        for address in addresses:
            try:
                return await asyncio.wait_for(asyncio.open_connection(address, port), PATIENCE)
            except (OSError, TimeoutError) as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int, trusted: frozenset[str]) -> list[str]:
        if host in trusted:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return list(dict.fromkeys(str(info[4][0]) for info in found))
        return await asyncio.to_thread(resolve_public, host, port, field="host", allowed=self._allowed)

    async def _check_known(self, host: str, port: int, trusted: frozenset[str]) -> None:
        """Before the host's own proxy: what can be told from here to be private is refused here."""
        try:
            await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            with contextlib.suppress(ValueError):
                ipaddress.ip_address(host)
                raise Refused("403 Forbidden", f"{host} is not reached from here.") from None
            return
        await self._addresses(host, port, trusted)

    async def _through_proxy(self, host: str, port: int) -> Streams:
        proxy = urlsplit(self._host.proxy if "://" in self._host.proxy else f"http://{self._host.proxy}")
        reader, writer = await asyncio.open_connection(
            proxy.hostname, proxy.port or (443 if proxy.scheme == "https" else 80), ssl=proxy.scheme == "https" or None
        )
        name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {name} HTTP/1.1", f"Host: {name}"]
        if proxy.username:
            pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
            lines.append("Proxy-Authorization: Basic " + base64.b64encode(pair.encode()).decode())
        writer.write("\r\n".join((*lines, "", "")).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if head.split(b" ")[1:2] != [b"200"]:
            writer.close()
            raise OSError("the proxy in front of this host refused")
        return reader, writer


def _authority(text: str) -> tuple[str, int]:
    url = urlsplit(f"//{text}")
    if not url.hostname or not url.port:
        raise Refused("400 Bad Request", "CONNECT needs host:port.")
    return url.hostname, url.port


async def _answer(writer: asyncio.StreamWriter, status: str, why: str) -> None:
    body = (why + "\n").encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
    writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
    await writer.drain()


async def _carry(left: Streams, right: Streams) -> None:
    """Both directions until both have ended."""
    try:
        await asyncio.gather(_pump(left[0], right[1]), _pump(right[0], left[1]))
    finally:
        right[1].close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
