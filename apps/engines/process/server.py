"""The agent's face: requests of the client's, answered on the unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from apps.core.errors import Invalid, PlatformError, UserError
from apps.engines.base import LogLine, Size, State, Status
from apps.engines.process import inside, protocol
from apps.engines.process.context import proxy_port
from apps.engines.process.fleet import Fleet, closing
from apps.engines.process.once import Once
from apps.engines.process.terminal import Terminal
from apps.engines.process.workload import Workload

log = logging.getLogger(__name__)
QUEUE = 20_000  # lines a slow reader of the stream may be behind; more are dropped, which its numbers show
BATCH = 500
HEARTBEAT = 20.0  # seconds
UNREAD = 4_194_304  # bytes a reader of a run may be behind before the run has to wait
TOLD = ("run", "launch", "stop", "attach")
Request = dict[str, Any]
PLAIN = ("check", "launch", "status", "workloads", "logs", "exec", "probe", "connections", "stop", "stats")


def _told(request: Request) -> None:
    """What changes something is a line, with the number of the request that it is for (docs/observability.md)."""
    if request["op"] in TOLD:
        of = request["spec"]["id"] if "spec" in request else request["id"]
        about = {"id": of, "request": request.get("request") or "-"}
        log.info("%s", request["op"], extra={"about": about})


class Server:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._readers: set[asyncio.Queue[tuple[str, LogLine]]] = set()
        self._plain: dict[str, Callable[[Request], Awaitable[Request]]] = {
            name: getattr(self, f"_{name}") for name in PLAIN
        }

    def publish(self, workload: str, line: LogLine) -> None:
        for queue in self._readers:
            with contextlib.suppress(asyncio.QueueFull):
                queue.put_nowait((workload, line))

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one request."""
        try:
            request = json.loads(await reader.readuntil(b"\n"))
            try:
                _told(request)
                await self._answer(request, reader, writer)
            except (UserError, PlatformError) as error:
                writer.write(protocol.encode({"error": _error(error)}))
            except Exception as error:
                log.exception("request %s failed", request.get("op"))
                broken = PlatformError("engine_failed", f"The process engine failed: {type(error).__name__}: {error}")
                writer.write(protocol.encode({"error": _error(broken)}))
            await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match request["op"]:
            case "run":
                await self._run(request, reader, writer)
            case "stream":
                await self._stream(reader, writer)
            case "attach":
                await self._attach(request, reader, writer)
            case op:
                writer.write(protocol.encode(await self._plain[op](request)))

    async def _check(self, _: Request) -> Request:
        sandbox, notes = self._fleet.describe()
        return {"sandbox": sandbox, "notes": notes}

    async def _launch(self, request: Request) -> Request:
        return {"handle": await self._fleet.launch(protocol.launch_spec(request["spec"]))}

    async def _status(self, request: Request) -> Request:
        workload = self._fleet.find(request["id"])
        status = workload.status() if workload else Status(State.GONE, reason="the engine knows no such workload")
        return {"status": protocol.status_to_json(status)}

    async def _workloads(self, _: Request) -> Request:
        statuses = self._fleet.statuses()
        return {"workloads": {name: protocol.status_to_json(status) for name, status in statuses.items()}}

    async def _logs(self, request: Request) -> Request:
        workload = self._fleet.find(request["id"])
        lines = workload.lines(request["after"]) if workload else []
        return {"lines": [protocol.line_to_json(line) for line in lines]}

    async def _exec(self, request: Request) -> Request:
        workload, pid = self._running(request["id"])
        command, port = tuple(request["command"]), proxy_port(workload.spec.port)
        launcher = self._fleet.context.launcher
        code, output = await inside.run(launcher, workload.present, pid, port, command, request["timeout"])
        return {"exit_code": code, "output": output}

    def _running(self, name: str) -> tuple[Workload, int]:
        """A workload and a process in its namespaces. Raises PlatformError("workload_not_running")."""
        workload = self._fleet.find(name)
        pid = workload.first_child() if workload and not workload.leaving else 0
        if workload is None or not pid:
            raise PlatformError("workload_not_running", "The workload does not run now, so nothing can run beside it.")
        return workload, pid

    async def _attach(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The terminal's descriptor goes to the client, who uses it directly; its connection is its life."""
        workload, pid = self._running(request["id"])
        size = Size(request["columns"], request["rows"])
        command = tuple(request["command"])
        terminal = Terminal(self._fleet.context.launcher, workload.present, request["name"])
        try:
            terminal.start(pid, proxy_port(workload.spec.port), command, size)
            terminal.hand_over(writer.get_extra_info("socket").fileno(), protocol.encode({"attached": True}))
            with self._fleet.attached(workload, terminal):
                await terminal.wait(reader)
        finally:
            await asyncio.to_thread(terminal.end)
        writer.write(protocol.encode({"exited": terminal.code}))

    async def _probe(self, request: Request) -> Request:
        workload = self._fleet.find(request["id"])
        return {"words": await asyncio.to_thread(workload.probe) if workload else "is not there"}

    async def _stop(self, request: Request) -> Request:
        await self._fleet.stop(request["id"], request["grace"])
        return {}

    async def _connections(self, request: Request) -> Request:
        known = self._fleet.find(request["id"]) is not None
        return {"open": self._fleet.context.keeper.connections(request["id"]) if known else 0}

    async def _stats(self, request: Request) -> Request:
        workload = self._fleet.find(request["id"])
        usage = workload.usage() if workload else None
        return {"usage": asdict(usage) if usage else None}

    async def _run(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        drains: set[asyncio.Task[None]] = set()

        def pass_on(lines: list[str]) -> None:
            writer.write(protocol.encode({"lines": lines}))
            if writer.transport.get_write_buffer_size() > UNREAD and not drains:
                once.hold(True)
                drains.add(asyncio.create_task(go_on()))

        async def go_on() -> None:
            with contextlib.suppress(OSError):
                await writer.drain()
            drains.clear()
            once.hold(False)

        async def listen() -> None:
            with contextlib.suppress(OSError):
                await reader.readline()  # a request to cancel, or the end of a client that has gone
            once.cancel()

        once = Once(self._fleet.context, protocol.run_spec(request["spec"]), pass_on)
        listening = asyncio.create_task(listen())
        try:
            with self._fleet.running(once):
                finished = await once.run(request["timeout"])
        finally:
            listening.cancel()
        if finished.killed == "cancelled" and self._fleet.closing:
            raise closing()  # nobody asked for it to be cancelled
        writer.write(protocol.encode({"finished": asdict(finished)}))

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[str, LogLine]] = asyncio.Queue(QUEUE)
        self._readers.add(queue)
        ended = asyncio.create_task(reader.read())
        try:
            lines: list[tuple[str, LogLine]] = []
            while not ended.done():
                writer.write(protocol.encode({"lines": [[name, protocol.line_to_json(line)] for name, line in lines]}))
                await writer.drain()
                lines = await _batch(queue)
        finally:
            self._readers.discard(queue)
            ended.cancel()


async def _batch(queue: asyncio.Queue[tuple[str, LogLine]]) -> list[tuple[str, LogLine]]:
    """What is there, at least one line unless nothing comes for a heartbeat."""
    try:
        lines = [await asyncio.wait_for(queue.get(), HEARTBEAT)]
    except TimeoutError:
        return []
    while lines and len(lines) < BATCH and not queue.empty():
        lines.append(queue.get_nowait())
    return lines


def _error(error: UserError | PlatformError) -> Request:
    raw: Request = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, Invalid):
        details = [{"path": detail.path, "message": detail.message} for detail in error.details]
        return raw | {"family": "invalid", "details": details}
    return raw | {"family": "unavailable" if type(error).__name__ == "Unavailable" else "platform"}
