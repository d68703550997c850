"""What a health check asks, and one try of it: a path over HTTP, the port, or a command beside the app.

The same at a deployment (health.py) and for what serves (checker.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.conf import settings

from apps.core.errors import PlatformError, Unavailable
from apps.engines.base import Engine, Handle, State, Status
from apps.pods import kinds
from apps.pods.models import Resource

MOST = 65536  # bytes of an answer that are read: an app that is cut off complains in its own log
LINGER = 1.0  # seconds the rest of an answer may take once its status is known
QUOTED = 120  # characters of what a command printed
NOBODY = "nothing listens on $PORT yet"
DATABASE_WINDOW = 120.0  # seconds; the first start makes the data directory
TIMED_OUT = 124  # what Engine.exec returns for a command that took too long

Type = Literal["http", "tcp", "command", "alive"]


@dataclass(frozen=True, slots=True)
class Check:
    """`alive`: only that it runs, the check of a worker without a command. All times in seconds.

    `window`: to become healthy at a deployment. `threshold`: failures in a row that make what serves unhealthy.
    """

    type: Type
    path: str = "/"
    command: str = ""
    host: str = "localhost"
    window: float = 60.0
    interval: float = 10.0
    threshold: int = 3
    timeout: float = 10.0
    below: int = 400  # every HTTP status from 200 to this is healthy

    @classmethod
    def of(cls, resource: Resource, pod: str) -> Check:
        """What is asked of an App or a database; `pod`: the name of its pod."""
        server = kinds.get(resource.kind).server
        if server is not None:
            return cls(type="command" if server.ready else "tcp", command=server.ready, window=DATABASE_WINDOW)
        return cls.of_app(resource.spec, pod)

    @classmethod
    def of_app(cls, spec: Mapping[str, Any], pod: str) -> Check:
        command, path = spec.get("healthCheckCommand", ""), spec.get("healthCheckPath", "/")
        asked: Type = spec.get("healthCheckType", "http")
        if spec.get("type", "web") == "worker":
            asked = "command" if command else "alive"
        return cls(
            type=asked,
            path=path,
            below=500 if spec.get("type") == "mcp" and path == "/" else 400,  # few MCP servers have anything at /
            command=command,
            host=f"{pod}.{settings.BRAINPOD.domain}",
            window=float(spec.get("healthCheckTimeout", 60)),
            interval=float(spec.get("healthCheckInterval", 10)),
            threshold=int(spec.get("healthCheckThreshold", 3)),
            timeout=float(spec.get("healthCheckAttemptTimeout", 10)),
        )

    @property
    def grace(self) -> float:
        """Seconds more than the window while a deployment is degraded."""
        return min(30.0, self.window / 2)


@dataclass(frozen=True, slots=True)
class Found:
    """What one try found, in words; `code` and `hint` are for the error of a deployment it fails."""

    healthy: bool
    words: str
    code: str = "health_check_failed"
    hint: str = ""


async def http(address: str, check: Check) -> Found:
    """2xx and 3xx are healthy, 4xx where the check says so; redirects are not followed."""
    try:
        async with asyncio.timeout(check.timeout):
            status = await _status(address, check)
    except TimeoutError:
        words = f"{check.path} did not answer within {check.timeout:g} s"
        return Found(False, words, "health_check_timeout", "Answer the health path without waiting for anything slow.")
    except (OSError, EOFError):
        return Found(False, NOBODY)
    except ValueError:
        return Found(False, f"{check.path} did not answer in HTTP", "health_check_status", "Answer HTTP on $PORT.")
    words = f"{check.path} answered {status}"
    if 200 <= status < check.below:
        return Found(True, words)
    hint = "The health path has to answer 2xx or 3xx; set another one if this is not it."
    return Found(False, words, "health_check_status", hint)


def tcp(engine: Engine, handle: Handle) -> Found:
    """Whether the port is listened on. Asked of the engine: what forwards connections takes them in any case."""
    listens = engine.probe(handle)
    return Found(True, "$PORT takes connections") if listens is None else Found(False, listens, "not_listening")


def command(engine: Engine, handle: Handle, check: Check) -> Found:
    """0 is healthy. Raises PlatformError while nothing can run beside it, since it does not run itself."""
    code, output = engine.exec(handle, ("sh", "-c", check.command), timeout=check.timeout)
    if code == 0:
        return Found(True, "the check command ended with 0")
    hint = "Run the command in the app by hand: it has to end with 0."
    if code == TIMED_OUT:
        words = f"the check command did not end within {check.timeout:g} s"
        return Found(False, words, "health_check_timeout", hint)
    last = output.strip().rpartition("\n")[2].strip()[:QUOTED]
    words = f"the check command ended with {code}" + (f": {last}" if last else "")
    return Found(False, words, "health_check_command", hint)


def beside(engine: Engine, handle: Handle, check: Check, status: Status) -> Found:
    """One try of a check that goes through the engine. Raises Unavailable with it."""
    if status.state is not State.RUNNING:
        return Found(False, status.reason or "it does not run yet")
    try:
        return tcp(engine, handle) if check.type == "tcp" else command(engine, handle, check)
    except Unavailable:
        raise
    except PlatformError as error:
        return Found(False, error.message)


async def _status(address: str, check: Check) -> int:
    """The status of the answer. Raises OSError, EOFError, and ValueError for what is no HTTP."""
    reader, writer = await _connect(address)
    try:
        writer.write(
            f"GET {check.path} HTTP/1.1\r\nHost: {check.host}\r\nUser-Agent: Brainpod-Health/1\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        status = 100
        while 100 <= status < 200:
            line = await reader.readuntil(b"\n")
            protocol, _, rest = line.partition(b" ")
            if not protocol.startswith(b"HTTP/"):
                raise ValueError
            status = int(rest[:3])
            if status < 200:
                await reader.readuntil(b"\r\n\r\n")
        await _rest(reader)
        return status
    except asyncio.LimitOverrunError as error:
        raise ValueError from error
    finally:
        writer.transport.abort()


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.startswith("unix:"):
        return await asyncio.open_unix_connection(address.removeprefix("unix:"))
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


async def _rest(reader: asyncio.StreamReader) -> None:
    """Take the rest of the answer, so that whoever writes it is not cut off; not for ever."""
    left = MOST
    try:
        async with asyncio.timeout(LINGER):
            while left > 0 and (data := await reader.read(left)):
                left -= len(data)
    except (TimeoutError, OSError):
        return
