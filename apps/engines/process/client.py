"""`ProcessEngine`: the process engine's contract, answered by its agent over a unix socket. Thread-safe, blocking."""

from __future__ import annotations

import contextlib
import json
import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structlog

from apps.core.errors import Detail, Invalid, PlatformError, Unavailable
from apps.engines.base import (
    Capabilities,
    Finished,
    Handle,
    LaunchSpec,
    LogLine,
    Place,
    RunSpec,
    Size,
    State,
    Status,
    Usage,
)
from apps.engines.process import protocol
from apps.engines.process.attached import Attached
from apps.engines.process.ways import address

ANSWER = 60.0  # seconds an ordinary answer may take
LOOK = 10.0  # seconds one may that is only looked up: whoever keeps an eye on everything must not stand still for it
CANCEL_CHECK = 0.2  # seconds


def _raise(error: dict[str, Any]) -> None:
    code, message, hint = error["code"], error["message"], error.get("hint", "")
    match error["family"]:
        case "invalid":
            raise Invalid([Detail(d["path"], d["message"]) for d in error["details"]], code=code, hint=hint)
        case "unavailable":
            raise Unavailable(code, message, hint)
    raise PlatformError(code, message, hint)


class _Conversation:
    """One request and its answers."""

    def __init__(self, path: Path, request: dict[str, Any], timeout: float) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._buffer = bytearray()
        try:
            self._sock.settimeout(timeout)
            self._sock.connect(str(path))
            self.send({**request, "request": structlog.contextvars.get_contextvars().get("request", "")})
        except OSError as error:
            self._sock.close()
            raise _away(error) from error

    def __enter__(self) -> _Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._sock.close()

    def send(self, message: dict[str, Any]) -> None:
        try:
            self._sock.sendall(protocol.encode(message))
        except OSError as error:
            raise _away(error) from error

    def receive(self) -> dict[str, Any]:
        """The next answer; raises what the agent raised."""
        while (answer := self.buffered()) is None:
            self._fill()
        return answer

    def receive_descriptor(self) -> int:
        """The descriptor that the answer brings along; raises what the agent raised."""
        try:
            data, fds, _, _ = socket.recv_fds(self._sock, 262144, 1)
        except OSError as error:
            raise _away(error) from error
        self._buffer += data
        if not data:
            raise _away("it closed the connection")
        try:
            self.receive()
            return fds[0]
        except IndexError:
            raise PlatformError("engine_failed", "The process engine handed no terminal over.") from None

    def fileno(self) -> int:
        return self._sock.fileno()

    def hang_up(self) -> None:
        """No more of it, for whoever waits for something too. Any thread may say so."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def ready(self, seconds: float) -> bool:
        """Whether something arrived within `seconds`; it is in the buffer then."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return False
        self._fill()
        return True

    def buffered(self) -> dict[str, Any] | None:
        end = self._buffer.find(b"\n")
        if end < 0:
            return None
        raw = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        answer: dict[str, Any] = json.loads(raw)
        if "error" in answer:
            _raise(answer["error"])
        return answer

    def _fill(self) -> None:
        try:
            data = self._sock.recv(262144)
        except OSError as error:
            raise _away(error) from error
        if not data:
            raise _away("it closed the connection")
        self._buffer += data


def _away(why: object) -> Unavailable:
    return Unavailable("engine_unavailable", f"The process engine does not answer: {why}.", "Is its agent running?")


class ProcessEngine:
    """Implements apps.engines.base.Engine; `path` is the agent's socket."""

    artifacts = frozenset({"bundle"})
    peers = True
    disks: Place = "host"

    def __init__(self, path: Path) -> None:
        self.path = path

    def _ask(self, op: str, patience: float = ANSWER, /, **fields: Any) -> dict[str, Any]:
        with _Conversation(self.path, {"op": op, **fields}, patience) as conversation:
            return conversation.receive()

    def peer_host(self, pod: str, name: str) -> str:
        return address(pod, name)

    def check(self) -> Capabilities:
        answer = self._ask("check", LOOK)
        return Capabilities(
            sandbox=answer["sandbox"],
            disks=True,
            notes=tuple(answer["notes"]),
        )

    def fetch(self, image: str, *, on_line: Callable[[str], None], cancelled: Callable[[], bool]) -> None:
        """This engine runs no images: `launch` refuses them."""

    def launch(self, spec: LaunchSpec) -> Handle:
        handle: Handle = self._ask("launch", spec=protocol.spec_to_json(spec))["handle"]
        return handle

    def status(self, handle: Handle) -> Status:
        try:
            return protocol.status_from_json(self._ask("status", LOOK, id=handle["id"])["status"])
        except PlatformError as error:
            return Status(State.UNKNOWN, reason=error.message)

    def workloads(self) -> dict[str, Status]:
        answer = self._ask("workloads", LOOK)
        return {name: protocol.status_from_json(raw) for name, raw in answer["workloads"].items()}

    def logs(self, handle: Handle, after: int = 0) -> list[LogLine]:
        answer = self._ask("logs", id=handle["id"], after=after)
        return [protocol.line_from_json(raw) for raw in answer["lines"]]

    def run_once(
        self, spec: RunSpec, *, on_line: Callable[[str], None], timeout: float, cancelled: Callable[[], bool]
    ) -> Finished:
        request = {"op": "run", "spec": protocol.spec_to_json(spec), "timeout": timeout}
        asked = False
        with _Conversation(self.path, request, ANSWER) as conversation:
            while True:
                if not asked and cancelled():
                    asked = True
                    conversation.send({"op": "cancel"})
                conversation.ready(CANCEL_CHECK)
                while (answer := conversation.buffered()) is not None:
                    if "finished" in answer:
                        return Finished(**answer["finished"])
                    for line in answer["lines"]:
                        on_line(line)

    def exec(self, handle: Handle, command: tuple[str, ...], *, timeout: float = 30.0) -> tuple[int, str]:
        answer = self._ask("exec", timeout + ANSWER, id=handle["id"], command=list(command), timeout=timeout)
        return answer["exit_code"], answer["output"]

    def attach(self, handle: Handle, command: tuple[str, ...], *, name: str, size: Size) -> Attached:
        request = {"op": "attach", "id": handle["id"], "command": list(command), "name": name}
        conversation = _Conversation(self.path, request | {"columns": size.columns, "rows": size.rows}, ANSWER)
        try:
            return Attached(conversation.receive_descriptor(), conversation)
        except BaseException:
            conversation.close()
            raise

    def detach(self, handle: Handle, name: str) -> None:
        """The agent has seen its holder go: it ended the terminal then, or the next agent did."""

    def probe(self, handle: Handle) -> str | None:
        words: str | None = self._ask("probe", id=handle["id"])["words"]
        return words

    def connections(self, handle: Handle) -> int | None:
        return int(self._ask("connections", LOOK, id=handle["id"])["open"])

    def stop(self, handle: Handle, grace: float) -> None:
        self._ask("stop", grace + ANSWER, id=handle["id"], grace=grace)

    def discard(self, disk: str) -> None:
        """A disk is a directory of this host and nothing else."""

    def stats(self, handle: Handle) -> Usage | None:
        raw = self._ask("stats", LOOK, id=handle["id"])["usage"]
        return None if raw is None else Usage(**raw)

    def stream_logs(self) -> Iterator[tuple[str, LogLine]]:
        """Subscribed when this returns: a line written after that is not missed."""
        conversation = _Conversation(self.path, {"op": "stream"}, ANSWER)
        try:
            conversation.receive()
        except PlatformError:
            conversation.close()
            raise
        return _lines(conversation)


def _lines(conversation: _Conversation) -> Iterator[tuple[str, LogLine]]:
    with conversation:
        while True:
            for name, raw in conversation.receive()["lines"]:
                yield name, protocol.line_from_json(raw)
