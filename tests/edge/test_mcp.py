"""MCP servers behind nginx, with the protocol's own SDK on both sides: sessions, streams, keys."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from apps.edge.base import Rule, Site
from apps.pods.keys import digest
from tests.edge.conftest import Stand, wait_for

SERVER = Path(__file__).with_name("mcp_server.py")
HOST = "mcp.test"
POD, APP = "pod1", "tools"
IDLE = 4.0  # seconds without a byte, beyond the time limit of the route
KEY = "bpk_0123abcd_" + "k" * 43
OTHER = "bpk_9876zyxw_" + "o" * 43
OVER = 60.0  # seconds anything may take on a machine with other things to do


class Servers:
    """Servers of the SDK, each a process with a socket in the stand's directory."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> str:
        """The address of a new one called `name`."""
        path = self._stand.root / f"{name}.sock"
        child = subprocess.Popen([sys.executable, str(SERVER), str(path), name], start_new_session=True)
        self._running[name] = child

        def answers() -> bool:
            assert child.poll() is None
            transport = httpx.HTTPTransport(uds=str(path))
            try:
                with httpx.Client(transport=transport, timeout=10) as client:
                    return client.get("http://app/").status_code == 404
            except httpx.HTTPError:
                return False

        wait_for(answers)
        return f"unix:{path}"

    def stop(self, name: str) -> None:
        child = self._running.pop(name)
        child.send_signal(signal.SIGKILL)
        child.wait(60)

    def end(self) -> None:
        for name in list(self._running):
            self.stop(name)


@pytest.fixture
def servers(stand: Stand) -> Iterator[Servers]:
    made = Servers(stand)
    yield made
    made.end()


def site(*upstreams: str, **rule: Any) -> Site:
    """The time limit of the route is one second: what lasts longer is not cut though."""
    rules = (Rule("/", upstreams=upstreams, mcp=True, app=f"{POD}/{APP}", key="r", **rule),)
    return Site(HOST, rules=rules, timeout=1)


def opened(stand: Stand, site: Site) -> None:
    stand.apply(site)
    stand.edge.settle(30)


@asynccontextmanager
async def connected(
    stand: Stand, *, headers: dict[str, str] | None = None, seen: Callable[[Any], None] | None = None
) -> AsyncIterator[Client]:
    """A client of the SDK with a session of its own."""

    async def handler(message: Any) -> None:
        if seen:
            seen(message)

    http = httpx2.AsyncClient(headers={"Host": HOST, **(headers or {})}, timeout=OVER, trust_env=False)
    transport = streamable_http_client(f"http://127.0.0.1:{stand.port}/mcp", http_client=http)
    async with http, Client(transport, mode="legacy", message_handler=handler) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> str:
    answer = await asyncio.wait_for(client.call_tool(tool, arguments), OVER)
    assert not answer.is_error, answer
    return str(answer.content[0].text)  # type: ignore[union-attr]


@pytest.mark.parametrize("number", [1, 3])
def test_a_session_stays_with_the_instance_it_began_at(stand: Stand, servers: Servers, number: int) -> None:
    addresses = [servers.start(f"i{index}") for index in range(number)]
    opened(stand, site(*addresses))

    async def talk() -> set[str]:
        met = set()
        for _ in range(6):
            async with connected(stand) as client:
                said = {await call(client, "who") for _ in range(8)}
                assert len(said) == 1, "the requests of one session went to several instances"
                met |= said
        return met

    assert asyncio.run(talk()) == {f"i{index}" for index in range(number)}, "sessions are spread"


def test_when_its_instance_is_gone_the_client_is_told_to_begin_anew(stand: Stand, servers: Servers) -> None:
    opened(stand, site(servers.start("one"), servers.start("two")))
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    accept = {"Accept": "application/json, text/event-stream"}
    begun = stand.ask(HOST, "/mcp", "POST", headers=accept, json=hello)
    session = begun.headers["Mcp-Session-Id"]
    home = "one" if session.endswith(".bp0") else "two"
    assert f'"name":"{home}"' in begun.text.replace(" ", "")
    servers.stop(home)
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    answer = stand.ask(HOST, "/mcp", "POST", headers={**accept, "Mcp-Session-Id": session}, json=listing)
    assert answer.status_code == 404  # what the protocol has for a session that is no more


def test_streams_last_longer_than_the_route_s_time_limit(stand: Stand, servers: Servers) -> None:
    opened(stand, site(servers.start("one"), servers.start("two")))

    async def talk() -> list[str]:
        notes: list[Any] = []
        async with connected(stand, seen=notes.append) as client:
            await call(client, "who")
            held = asyncio.create_task(call(client, "hold"))  # an answer of a POST that is long in coming
            await asyncio.sleep(IDLE)
            assert not held.done()
            async with asyncio.timeout(OVER):  # the server's other stream has been silent for as long
                while not any("list_changed" in str(note) or "ListChanged" in str(note) for note in notes):
                    await call(client, "announce")
                    await asyncio.sleep(0.05)
            while not held.done():
                await call(client, "let_go")
                await asyncio.sleep(0.05)
            return [await held]

    (said,) = asyncio.run(talk())
    assert said.startswith("held by")


def test_streams_outlast_a_switch_to_other_instances(stand: Stand, servers: Servers) -> None:
    """As in a deployment: new instances get what is new, the old ones end what they began."""
    opened(stand, site(servers.start("old")))

    async def talk() -> tuple[str, str]:
        async with connected(stand) as client:
            await call(client, "who")  # the SDK lists the tools once, to check the answers of later calls
            held = asyncio.create_task(call(client, "hold"))
            while not (await asyncio.to_thread(_holds, stand)):
                await asyncio.sleep(0.05)
            await asyncio.to_thread(stand.apply, site(servers.start("new")))
            async with connected(stand) as other:
                met = await call(other, "who")
            await asyncio.to_thread(_let_go, stand)
            return met, await asyncio.wait_for(held, OVER)

    assert asyncio.run(talk()) == ("new", "held by old")


def _direct(stand: Stand, method: str, tool: str) -> httpx.Response:
    """A call to the old instance, past the edge; it needs no session."""
    transport = httpx.HTTPTransport(uds=str(stand.root / "old.sock"))
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    headers = {"Accept": "application/json, text/event-stream"}
    with httpx.Client(transport=transport, timeout=OVER) as client:
        begun = client.post(
            "http://app/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}, headers=headers
        )
        headers["Mcp-Session-Id"] = begun.headers["Mcp-Session-Id"]
        client.post("http://app/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers)
        call = {"jsonrpc": "2.0", "id": 2, "method": method, "params": {"name": tool, "arguments": {}}}
        return client.post("http://app/mcp", json=call, headers=headers)


def _holds(stand: Stand) -> bool:
    return "true" in _direct(stand, "tools/call", "holding").text


def _let_go(stand: Stand) -> None:
    assert _direct(stand, "tools/call", "let_go").status_code == 200


KEYS = (("0123abcd", digest(POD, APP, KEY)), ("9876zyxw", digest(POD, APP, OTHER)))


def test_with_a_key_clients_are_let_in_and_the_server_never_sees_it(stand: Stand, servers: Servers) -> None:
    opened(stand, site(servers.start("one"), keyed=True, keys=KEYS))

    async def talk(headers: dict[str, str], header: str) -> str:
        async with connected(stand, headers=headers) as client:
            return await call(client, "told", header=header)

    for key in (KEY, OTHER):  # two count while one is replaced
        assert asyncio.run(talk({"Authorization": f"Bearer {key}"}, "authorization")) == ""
        assert asyncio.run(talk({"X-API-Key": key}, "x-api-key")) == ""
    own = {"X-API-Key": KEY, "Authorization": "Bearer the-app's-own"}
    assert asyncio.run(talk(own, "authorization")) == "Bearer the-app's-own"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": f"Bearer {KEY[:-1]}x"},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Bearer bpk_9876zyxw_{'k' * 43}"},
        {"Authorization": f"Bearer bpk_nobodyss_{'k' * 43}"},
        {"X-API-Key": ""},
        {"X-API-Key": f"{OTHER} {KEY}"},
        {"X-API-Key": KEYS[0][1]},
    ],
)
def test_without_a_key_that_counts_the_answer_is_401(stand: Stand, servers: Servers, headers: dict[str, str]) -> None:
    stand.apply(site(stand.upstream("app").address, keyed=True, keys=KEYS))
    stand.edge.settle(30)
    for method in ("GET", "POST", "OPTIONS", "DELETE"):
        answer = stand.ask(HOST, "/mcp", method, headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert answer.headers["content-type"].startswith("application/json")
        assert method == "HEAD" or answer.json()["error"] == "key_required"


PREFLIGHT = {"Origin": "https://inspector.example", "Access-Control-Request-Method": "POST"}


@pytest.mark.parametrize(
    ("method", "headers", "let_in"),
    [
        ("OPTIONS", PREFLIGHT, True),
        ("OPTIONS", PREFLIGHT | {"Access-Control-Request-Headers": "authorization, mcp-session-id"}, True),
        ("OPTIONS", PREFLIGHT | {"Origin": "null"}, True),
        ("OPTIONS", {"Origin": PREFLIGHT["Origin"]}, False),
        ("OPTIONS", {"Access-Control-Request-Method": "POST"}, False),
        ("OPTIONS", PREFLIGHT | {"Origin": ""}, False),
        ("OPTIONS", PREFLIGHT | {"Access-Control-Request-Method": ""}, False),
        ("GET", PREFLIGHT, False),
        ("POST", PREFLIGHT, False),
        ("DELETE", PREFLIGHT | {"X-HTTP-Method-Override": "OPTIONS"}, False),
    ],
)
def test_a_browser_s_preflight_needs_no_key_and_nothing_else_does(
    stand: Stand, servers: Servers, method: str, headers: dict[str, str], let_in: bool
) -> None:
    stand.apply(site(stand.upstream("app").address, keyed=True, keys=KEYS))
    stand.edge.settle(30)
    answer = stand.ask(HOST, "/mcp", method, headers=headers)
    assert (answer.status_code != 401) == let_in, answer.text


def test_a_key_of_another_app_does_not_count(stand: Stand, servers: Servers) -> None:
    foreign = (("0123abcd", digest("pod2", APP, KEY)),)
    behind = stand.upstream("app").address
    other = Site("other.test", rules=(Rule("/", (behind,), mcp=True, keyed=True, keys=foreign, app=f"pod2/{APP}"),))
    stand.apply(site(behind, keyed=True), other)
    stand.edge.settle(30)
    given = {"Authorization": f"Bearer {KEY}"}
    assert stand.ask("other.test", headers=given).status_code == 200
    assert stand.ask(HOST, headers=given).status_code == 401


def test_no_key_is_in_any_file_of_the_edge(stand: Stand, servers: Servers) -> None:
    stand.apply(site(stand.upstream("app").address, keyed=True, keys=KEYS))
    stand.edge.settle(30)
    assert stand.ask(HOST, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    wait_for(lambda: b'"host":"mcp.test"' in stand.edge.layout.access_log.read_bytes())
    home = stand.edge.layout.home
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not [path for path in files if b"k" * 43 in path.read_bytes()]
