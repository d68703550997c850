"""Traffic through the keeper: many connections, half-closed ones, slow readers, streams."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from apps.engines.base import Handle
from apps.engines.process.client import ProcessEngine
from tests.engines.workloads import connect, echo_server, echoes, processes, until

MIXED = """
import os, socket, threading, time
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=512)
def serve(c):
    with c:
        kind = c.recv(1)
        if kind == b"A":    # answers only after the end of the request
            size = 0
            while data := c.recv(65536): size += len(data)
            c.sendall(b"got %d" % size)
        elif kind == b"S":  # a stream of events
            for n in range(5):
                c.sendall(b"data: %d\\n\\n" % n); time.sleep(0.1)
        elif kind == b"B":  # much for a slow reader
            c.sendall(b"z" * 20_000_000)
        elif kind == b"F":  # ends its side first, and goes on reading
            c.sendall(b"first"); c.shutdown(socket.SHUT_WR)
            with open("/tmp/last", "wb") as out: out.write(c.recv(100))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@pytest.fixture(scope="module")
def server(engine_agent: ProcessEngine) -> Iterator[Handle]:
    handle = engine_agent.launch(echo_server(command=("python3", "-c", MIXED)))
    until(lambda: engine_agent.probe(handle) is None, "the server")
    yield handle
    engine_agent.stop(handle, 0)


def received(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_a_half_closed_request_gets_its_answer(server: Handle) -> None:
    with connect(server) as sock:
        sock.sendall(b"A" + b"y" * 3_000_000)
        sock.shutdown(socket.SHUT_WR)
        assert received(sock) == b"got 3000000"


def test_events_arrive_one_by_one(server: Handle) -> None:
    with connect(server) as sock:
        sock.sendall(b"S")
        pieces = list(iter(lambda: sock.recv(65536), b""))
    assert b"".join(pieces) == b"".join(b"data: %d\n\n" % n for n in range(5))
    assert len(pieces) > 1


def test_a_slow_reader_gets_everything_and_stops_nobody(server: Handle) -> None:
    with connect(server) as slow:
        slow.sendall(b"B")
        head = slow.recv(1000)
        with connect(server) as other:
            other.sendall(b"Aabc")
            other.shutdown(socket.SHUT_WR)
            assert received(other) == b"got 3"
        assert len(head + received(slow)) == 20_000_000


def test_what_is_sent_after_the_other_end_closed_its_side(server: Handle, engine_agent: ProcessEngine) -> None:
    with connect(server) as sock:
        sock.sendall(b"F")
        assert received(sock) == b"first"
        sock.sendall(b"and last")
        until(lambda: engine_agent.exec(server, ("cat", "/tmp/last")) == (0, "and last"), "the last words")


def test_hundreds_at_once_and_no_descriptor_left(engine_agent: ProcessEngine) -> None:
    handle = engine_agent.launch(echo_server())
    until(lambda: engine_agent.probe(handle) is None, "the server")
    assert echoes(handle)
    failed: list[int] = []

    def client(number: int) -> None:
        for turn in range(25):
            if not echoes(handle, b"%d %d" % (number, turn)):
                failed.append(number)

    before = _keeper_descriptors(engine_agent)
    threads = [threading.Thread(target=client, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    until(lambda: _keeper_descriptors(engine_agent) <= before + 20, "the connections to be gone")
    engine_agent.stop(handle, 0)


def _keeper_descriptors(engine: ProcessEngine) -> int:
    (keeper,) = processes(str(engine.path.parent / "keeper.sock"))
    return len(list((keeper / "fd").iterdir()))


def test_open_connections_are_counted(server: Handle, engine_agent: ProcessEngine) -> None:
    """So that nothing is stopped in the middle of an answer."""
    until(lambda: engine_agent.connections(server) == 0, "the connections of other tests to be closed")
    with connect(server) as first, connect(server) as second:
        first.sendall(b"A")
        second.sendall(b"A")
        until(lambda: engine_agent.connections(server) == 2, "two connections")
        second.shutdown(socket.SHUT_WR)
        assert received(second) == b"got 0"
        until(lambda: engine_agent.connections(server) == 1, "one to be left")
    until(lambda: engine_agent.connections(server) == 0, "none to be left")
    assert engine_agent.connections({"id": "unknown"}) == 0
