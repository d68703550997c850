"""Carries connections from a workload's unix socket to the port it listens on, for the keeper's event loop.

Plain epoll and small objects: nginx opens a connection a request, so what one costs decides the throughput.
Every workload has a pool of sockets made in its network namespace beforehand.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable

from apps.engines.process.namespaces import SocketMaker

CHUNK = 65536
HIGH_WATER = 262144  # bytes waiting for a slow reader before the other side is no longer read
POOL = 16
ACCEPTS = 64


class Side:
    """One of the two sockets of a carried connection; `waiting` is what could not be written to it yet."""

    __slots__ = ("connecting", "ended", "events", "fd", "hung_up", "other", "shut", "sock", "target", "waiting")

    def __init__(self, sock: socket.socket, target: Target, *, connecting: bool) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.target = target
        self.waiting = bytearray()
        self.connecting = connecting
        self.ended = False  # it will send nothing more
        self.shut = False  # it was told that nothing more will come
        self.hung_up = False
        self.events = 0
        self.other: Side = self


class Target:
    """Where connections go, and how many are open. `namespace` None: this host's loopback (no sandbox)."""

    def __init__(self, namespace: int | None, port: int) -> None:
        self.namespace = namespace
        self.port = port
        self.pool: list[socket.socket] = []
        self.open = 0

    def close_pool(self) -> None:
        for sock in self.pool:
            sock.close()
        self.pool.clear()


class Forwarder:
    def __init__(self, epoll: select.epoll, maker: SocketMaker) -> None:
        self._epoll = epoll
        self._maker = maker
        self._doors: dict[int, tuple[socket.socket, Callable[[], Target | None]]] = {}
        self._sides: dict[int, Side] = {}

    def add(self, listener: socket.socket, whose: Callable[[], Target | None]) -> None:
        """Carry what comes in at `listener` to what `whose` says at that moment; None: it is refused."""
        self._doors[listener.fileno()] = (listener, whose)
        self._epoll.register(listener.fileno(), select.EPOLLIN)

    def remove(self, listener: socket.socket) -> None:
        """Stop accepting, and close `listener`; connections under way go on."""
        if self._doors.pop(listener.fileno(), None) is not None:
            self._epoll.unregister(listener.fileno())
        listener.close()

    def handle(self, fd: int, events: int) -> bool:
        """Whether `fd` was one of ours; its readiness has been dealt with."""
        side = self._sides.get(fd)
        if side is not None:
            self._guard(side, lambda: self._ready(side, events))
            return True
        door = self._doors.get(fd)
        if door is not None:
            self._accept(*door)
            return True
        return False

    def _accept(self, listener: socket.socket, whose: Callable[[], Target | None]) -> None:
        for _ in range(ACCEPTS):
            try:
                client, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError:  # out of descriptors: the connection waits in the backlog
                return
            client.setblocking(False)
            try:
                self._connect(whose(), client)
            except OSError:
                client.close()

    def _connect(self, target: Target | None, client: socket.socket) -> None:
        if target is None or target.port == 0:
            raise ConnectionRefusedError
        if client.family == socket.AF_INET:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not target.pool:
            target.pool = self._maker.make(target.namespace, POOL)
        upstream = target.pool.pop()
        try:
            upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            upstream.connect(("127.0.0.1", target.port))
        except BlockingIOError:
            pass
        except OSError:
            upstream.close()
            raise
        left, right = Side(client, target, connecting=False), Side(upstream, target, connecting=True)
        target.open += 1
        left.other, right.other = right, left
        self._sides[left.fd], self._sides[right.fd] = left, right
        self._guard(left, lambda: self._begin(left, right))

    def _begin(self, client: Side, upstream: Side) -> None:
        """Pass on what has come with the connection: over loopback the other one is there before it says so."""
        with contextlib.suppress(BlockingIOError):
            data = client.sock.recv(CHUNK)
            client.ended = not data
            upstream.waiting += data
            if data:
                del upstream.waiting[: upstream.sock.send(data)]
                upstream.connecting = False
        self._watch(client)
        self._watch(upstream)

    def _guard(self, side: Side, step: Callable[[], None]) -> None:
        """A socket that fails ends its connection, and no other."""
        try:
            step()
        except OSError:
            self._close(side)

    def _ready(self, side: Side, events: int) -> None:
        if side.connecting and events & (select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP):
            error = side.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, "connect")
            side.connecting = False
        if events & select.EPOLLHUP:
            side.hung_up = True
        if events & select.EPOLLOUT:
            self._flush(side)
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and side.fd in self._sides:
            self._read(side)

    def _read(self, side: Side) -> None:
        other = side.other
        if not side.ended and len(other.waiting) < HIGH_WATER:
            try:
                data = side.sock.recv(CHUNK)
            except (BlockingIOError, InterruptedError):
                return
            if data:
                self._send(other, data)
            else:
                side.ended = True
        self._settle(side)

    def _send(self, side: Side, data: bytes) -> None:
        if not side.waiting and not side.connecting:
            with contextlib.suppress(BlockingIOError):
                data = data[side.sock.send(data) :]
        if data:
            side.waiting += data
            self._watch(side)

    def _flush(self, side: Side) -> None:
        if side.waiting:
            with contextlib.suppress(BlockingIOError):
                del side.waiting[: side.sock.send(side.waiting)]
        self._settle(side.other)

    def _settle(self, side: Side) -> None:
        """Pass an end of data on once everything before it is written; close when both ends are done."""
        other = side.other
        if side.ended and not other.waiting and not other.shut and not other.connecting:
            other.shut = True
            if not side.shut:
                with contextlib.suppress(OSError):
                    other.sock.shutdown(socket.SHUT_WR)
        gone = side.ended and side.hung_up and other.shut  # nobody is left to read an answer
        if (side.shut and other.shut) or gone:
            self._close(side)
            return
        self._watch(side)
        self._watch(other)

    def _watch(self, side: Side) -> None:
        events = 0
        if not side.ended and len(side.other.waiting) < HIGH_WATER:
            events |= select.EPOLLIN
        if side.connecting or side.waiting:
            events |= select.EPOLLOUT
        if side.hung_up and not events:
            if side.events:
                self._epoll.unregister(side.fd)  # a hang-up is always reported: do not spin on it
                side.events = 0
            return
        if side.events == 0:
            self._epoll.register(side.fd, events or select.EPOLLHUP)
        elif events != side.events:
            self._epoll.modify(side.fd, events or select.EPOLLHUP)
        side.events = events or select.EPOLLHUP

    def _close(self, side: Side) -> None:
        if side.fd in self._sides:
            side.target.open -= 1
        for one in (side, side.other):
            if self._sides.pop(one.fd, None) is not None:
                if one.events:
                    with contextlib.suppress(OSError):
                        self._epoll.unregister(one.fd)
                one.sock.close()
