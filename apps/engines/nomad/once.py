"""`run_once`: a batch job to its end, its output as it comes, forgotten with everything in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from apps.core.errors import PlatformError, Unavailable, UserError
from apps.engines.base import Finished, Limits, RunSpec
from apps.engines.nomad import inside, output, words
from apps.engines.nomad.job import TASK, Job
from apps.engines.nomad.server import Body, Missing, Server
from apps.engines.process.logs import Splitter

LOOK = 0.2  # seconds between two looks
MEASURE = 1.0  # seconds between two looks at the memory in use
SETTLED = 0.4  # seconds after its end in which the last of its output is written
PLACED = 60.0  # seconds a run may wait for a node
LEAVING = 60.0  # seconds the end of what was killed may take
NOT_FOUND = 127
CHUNK = 1_048_576  # bytes asked for at once


def in_order(spec: RunSpec) -> RunSpec:
    """A command line's two streams made one by its own shell: Nomad keeps them side by side, in no order."""
    if spec.command[:2] == ("sh", "-c") and len(spec.command) > 2:
        return replace(spec, command=("sh", "-c", f"exec 2>&1\n{spec.command[2]}", *spec.command[3:]))
    return spec


def no_room(evaluations: Iterable[Body], limits: Limits) -> UserError:
    """Why no node took what asks for that much."""
    why = words.unplaced(evaluations) or "waits to be placed"
    asked = f"It asks for {limits.memory} MB of memory and {limits.cpu:g} of a core"
    hint = "Make room: a smaller instance, fewer of them, or another node in its datacenter."
    return UserError("engine_no_room", f"No node of the cluster took it: it {why}. {asked}.", hint)


class Once:
    """One run of `job`, which nobody else knows."""

    def __init__(self, server: Server, job: Job, limits: Limits, on_line: Callable[[str], None]) -> None:
        self._server = server
        self._job = job
        self._limits = limits
        self._on_line = on_line
        self._splitters = {stream: Splitter() for stream in output.STREAMS}
        self._positions = dict.fromkeys(output.STREAMS, (0, 0))  # file and byte
        self._peak = 0  # MB
        self._measured = 0.0

    def run(self, timeout: float, cancelled: Callable[[], bool]) -> Finished:
        """The limit starts counting when the command does. Raises UserError("engine_no_room")."""
        self._server.register(self._job)
        try:
            try:
                began, allocation, killed = self._until_over(timeout, cancelled)
            finally:
                self._server.halt(self._job["ID"])
            seconds = round(time.monotonic() - began, 3)
            allocation = self._ended(allocation)
            self._rest(allocation)
        finally:
            self._server.forget(self._job["ID"])
        last = words.ended(words.events(allocation)) if allocation else None
        if last is None and not killed and allocation is not None:
            said = words.trouble(words.events(allocation))
            self._on_line(said or "It could not be started, and Nomad does not say why.")
            return Finished(NOT_FOUND, "", seconds)
        if last is not None and last.out_of_memory and not killed:
            killed = "memory"
            self._peak = max(self._peak, self._job["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"])
        return Finished(last.exit_code if last else 137, killed, seconds, self._peak)

    def _until_over(self, timeout: float, cancelled: Callable[[], bool]) -> tuple[float, Body | None, str]:
        """(when it began, its allocation, why it has to be ended or "")."""
        asked = time.monotonic()
        began = 0.0
        allocation: Body | None = None
        while True:
            allocation = self._allocation() or allocation
            now = time.monotonic()
            if allocation is None:
                self._refuse_waiting(now - asked)
            else:
                task = words.task_state(allocation)
                if not began and task.get("State") in ("running", "dead"):
                    began = now
                self._take(allocation)
                self._measure(allocation)
                if task.get("State") == "dead" or allocation["ClientStatus"] in words.OVER:
                    return began or asked, allocation, ""
            if cancelled():
                return began or asked, allocation, "cancelled"
            if began and now - began > timeout:
                return began, allocation, "timeout"
            time.sleep(LOOK)

    def _allocation(self) -> Body | None:
        return words.current(self._server.allocations(job=self._job["ID"]), 0)

    def _refuse_waiting(self, waited: float) -> None:
        if waited > PLACED:
            raise no_room(self._server.evaluations(self._job["ID"]), self._limits)

    def _ended(self, allocation: Body | None) -> Body | None:
        """Everything in it is dead when this returns."""
        deadline = time.monotonic() + LEAVING
        while time.monotonic() < deadline:
            found = self._allocation() or allocation
            if found is None or found["ClientStatus"] in (*words.OVER, "unknown"):
                return found
            time.sleep(LOOK)
        raise Unavailable("engine_unavailable", "The node does not say that the run has ended.", "Look at the node.")

    def _rest(self, allocation: Body | None) -> None:
        time.sleep(SETTLED)
        if allocation is not None:
            self._take(allocation)
        for splitter in self._splitters.values():
            for line in splitter.finish():
                self._on_line(line)

    def _take(self, allocation: Body) -> None:
        sizes = output.sizes(self._server, allocation["ID"])
        for stream, number in sorted(sizes, key=lambda file: (output.STREAMS.index(file[0]), file[1])):
            file, at = self._positions[stream]
            if number < file:
                continue
            at = at if number == file else 0
            while at < sizes[stream, number]:
                wanted = min(CHUNK, sizes[stream, number] - at)
                data = output.content(self._server, allocation["ID"], stream, number, at, wanted)
                if not data:
                    break
                at += len(data)
                for line in self._splitters[stream].feed(data):
                    self._on_line(line)
            self._positions[stream] = (number, at)

    def _measure(self, allocation: Body) -> None:
        now = time.monotonic()
        if now - self._measured < MEASURE:
            return
        self._measured = now
        try:
            found = self._server.get(f"client/allocation/{allocation['ID']}/stats")
        except (Missing, PlatformError):
            return
        self._peak = max(self._peak, inside.measured((found.get("Tasks") or {}).get(TASK) or {}))
