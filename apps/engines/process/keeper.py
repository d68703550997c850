"""The process that outlives the agent: `python -m apps.engines.process.keeper --socket PATH`.

Holds, by workload and name, the descriptors that a new agent takes over (the spec with its environment in a memfd,
log pipes and rings, namespaces, listening sockets), so nothing of them is on disk; and carries the traffic, so a
killed agent cuts no connection. One agent at a time, over a SOCK_SEQPACKET socket; every request has one answer.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
from pathlib import Path
from typing import Any

from apps.engines.process.forward import Forwarder, Target
from apps.engines.process.namespaces import CLONE_NEWUSER, SocketMaker, make_umbrella, setns
from apps.engines.process.ways import Ways

PACKET = 65536
DESCRIPTORS = 32


class Keeper:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._agent: socket.socket | None = None
        self._kept: dict[str, dict[str, int]] = {}
        self._targets: dict[str, Target] = {}
        self._fronts: dict[str, socket.socket] = {}  # by workload: where its connections come in
        self._doors: dict[str, socket.socket] = {}  # by workload: where those of programs of this host do
        self._names: dict[str, str] = {}  # by workload: what its peers know it by
        self._epoll = select.epoll()
        self._maker = SocketMaker()
        self._forwarder = Forwarder(self._epoll, self._maker)
        self._ways = Ways(self._forwarder, self._maker, self._behind)
        self._running = True
        self._epoll.register(control.fileno(), select.EPOLLIN)

    def run(self) -> None:
        while self._running:
            for fd, events in self._epoll.poll():
                if self._forwarder.handle(fd, events):
                    continue
                if fd == self._control.fileno():
                    self._welcome()
                elif self._agent is not None and fd == self._agent.fileno():
                    self._serve()

    def _welcome(self) -> None:
        agent, _ = self._control.accept()
        self._leave()
        self._agent = agent
        self._epoll.register(agent.fileno(), select.EPOLLIN)

    def _leave(self) -> None:
        if self._agent is not None:
            self._epoll.unregister(self._agent.fileno())
            self._agent.close()
            self._agent = None

    def _serve(self) -> None:
        agent = self._agent
        if agent is None:
            return
        try:
            data, fds, _, _ = socket.recv_fds(agent, PACKET, DESCRIPTORS)
            if not data:
                self._leave()
                return
            try:
                answer, given = self._answer(json.loads(data), fds)
            except (OSError, KeyError) as error:
                answer, given = {"error": str(error)}, []
            socket.send_fds(agent, [json.dumps(answer).encode()], given)
            if answer.get("close"):
                os.close(given[0])
        except OSError:
            self._leave()

    def _answer(self, request: dict[str, Any], fds: list[int]) -> tuple[dict[str, Any], list[int]]:
        workload = str(request.get("id", ""))
        match request["op"]:
            case "put":
                kept = self._kept.setdefault(workload, {})
                for name, fd in zip(request["names"], fds, strict=True):
                    self._close(kept.pop(name, None))
                    kept[name] = fd
            case "forget":
                self._close(self._kept.get(workload, {}).pop(request["name"], None))
            case "drop":
                self._unforward(workload)
                self._ways.close(workload)
                self._names.pop(workload, None)
                for fd in self._kept.pop(workload, {}).values():
                    self._close(fd)
            case "forward":
                self._forward(workload, int(request["port"]), str(request.get("name", "")))
            case "reach":
                self._ways.close(workload)
                for way in request["ways"]:
                    self._ways.open(workload, self._kept.get(workload, {}).get("netns"), **way)
            case "listen":
                listener = self._maker.listener(self._kept[workload]["netns"], int(request["port"]))
                return {"close": True}, [listener.detach()]
            case "count":
                return {"open": self._targets[workload].open if workload in self._targets else 0}, []
            case "list":
                return {"ids": sorted(self._kept)}, []
            case "get":
                kept = self._kept[workload]
                return {"names": list(kept)}, list(kept.values())
            case "quit":
                self._running = False
        return {}, []

    def _close(self, fd: int | None) -> None:
        if fd is not None:
            self._maker.forget(fd)
            os.close(fd)

    def _forward(self, workload: str, port: int, name: str) -> None:
        """From now on the workload's connections, and those to `name`, go to `port` in its present namespace; 0: they
        are refused."""
        self._unforward(workload)
        kept = self._kept[workload]
        listener = self._fronts[workload] = socket.socket(fileno=os.dup(kept["listener"]))
        listener.setblocking(False)
        target = self._targets[workload] = Target(kept.get("netns"), port)
        self._forwarder.add(listener, lambda: target)
        self._names[workload] = name
        if name and "door" in kept:
            door = self._doors[workload] = socket.socket(fileno=os.dup(kept["door"]))
            self._forwarder.add(door, lambda: self._behind(name))

    def _unforward(self, workload: str) -> None:
        target = self._targets.pop(workload, None)
        if target is not None:
            target.close_pool()
            self._forwarder.remove(self._fronts.pop(workload))
        if workload in self._doors:
            self._forwarder.remove(self._doors.pop(workload))

    def _behind(self, name: str) -> Target | None:
        """What was launched last of those with the name."""
        last = next((workload for workload in reversed(self._kept) if self._names.get(workload) == name), "")
        return self._targets.get(last)


def listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    old = os.umask(0o177)
    try:
        control.bind(str(path))
    finally:
        os.umask(old)
    control.listen(4)
    return control


def main() -> None:
    parser = argparse.ArgumentParser(prog="brainpod-keeper")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--umbrella", choices=("none", "new", "inherited"), default="none")
    parser.add_argument("--umbrella-fd", type=int, default=-1)
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when the agent says so, never by a Ctrl-C for everybody
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if options.umbrella == "new":
        with contextlib.suppress(OSError):  # the agent's trial finds out and goes on without sandboxes
            make_umbrella()
    elif options.umbrella == "inherited":
        setns(options.umbrella_fd, CLONE_NEWUSER)
        os.close(options.umbrella_fd)
    control = listen(options.socket)
    gc.freeze()
    Keeper(control).run()
    options.socket.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
