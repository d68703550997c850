"""`NomadEngine`: the contract, answered by a Nomad cluster. Thread-safe, blocking; no process of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from apps.core.errors import PlatformError
from apps.core.failpoints import failpoint
from apps.engines import probe, terminals
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
    Terminal,
    Usage,
)
from apps.engines.nomad import capabilities, following, inside, job, ledger, logs, once, script, volumes, words
from apps.engines.nomad.cluster import Cluster, Names
from apps.engines.nomad.job import Address
from apps.engines.nomad.server import Body, Missing, Server
from apps.engines.nomad.terminal import ENDING, NomadTerminal

PLACED = 30.0  # seconds a launch waits for a place
LEAVING = 60.0  # seconds beyond its grace that the end of a workload may take
SPARE = 300.0  # seconds a run may take beyond its timeout before nobody can be waiting
POLL = 0.1
LINGER = 0.5  # seconds between an end and its report: the last output is written
SAFE = re.compile(r"[A-Za-z0-9_.-]{1,128}")


class NomadEngine:
    """Implements apps.engines.base.Engine.

    `state`: the platform's state directory, where what Nomad does not remember is kept. `address`: where nodes fetch
    the tree at a path of this host.
    """

    disks: Place = "elsewhere"

    peers = False

    def __init__(self, cluster: Cluster, state: Path, address: Address) -> None:
        self.cluster = cluster
        self.server = Server(cluster)
        self.names = Names.of(state)
        self.artifacts = frozenset({"image" if cluster.driver == "docker" else "bundle"})
        self._ledgers = state / "nomad"
        self._address = address

    def peer_host(self, pod: str, name: str) -> str:
        raise PlatformError(
            "peers_unsupported", "Databases do not run on Nomad yet.", "Choose another engine for the pod."
        )

    def check(self) -> Capabilities:
        return capabilities.of(self.server, self.names)

    def fetch(self, image: str, *, on_line: Callable[[str], None], cancelled: Callable[[], bool]) -> None:
        """Which node it will be is not known before: the node pulls it, with its own login, when it starts a task."""

    def launch(self, spec: LaunchSpec) -> Handle:
        job.check(spec, self.cluster)
        name = self._job(spec.id)
        if self.server.job(name) is None:
            self._await_leaving(name)
            volumes.ensure(self.server, self.names, spec)
            ledger.sweep(self._ledgers, time.time())
            body = job.service(spec, self.cluster, self.names, self._address)
            failpoint("engine.created", spec.pod)
            self.server.register(body, self.server.modified(name))
            failpoint("engine.started", spec.pod)
        where = words.address(self._placed(name, spec))
        return {"id": spec.id, "address": where} if spec.port is not None else {"id": spec.id}

    def _job(self, workload: str) -> str:
        if not SAFE.fullmatch(workload):
            raise PlatformError("engine_nomad", f"{workload!r} cannot be the name of a job.")
        return self.names.job(workload)

    def _await_leaving(self, name: str) -> None:
        """An earlier one of this name that is being stopped first goes: its disk has one writer."""
        deadline = time.monotonic() + LEAVING
        while time.monotonic() < deadline and any(_lives(found) for found in self.server.allocations(job=name)):
            time.sleep(POLL)

    def _placed(self, name: str, spec: LaunchSpec) -> Body:
        """Its allocation. Raises UserError("engine_no_room") when no node takes it."""
        deadline = time.monotonic() + PLACED
        while True:
            found = self._find(name)
            if found is not None and (spec.port is None or words.address(found)):
                return found
            if time.monotonic() > deadline:
                raise once.no_room(self.server.evaluations(name), spec.limits)
            time.sleep(POLL)

    def _find(self, name: str) -> Body | None:
        """The allocation of a job that is there."""
        known = self.server.job(name)
        return self._current(self.server.allocations(job=name), known["JobModifyIndex"]) if known else None

    def _current(self, allocations: list[Body], since: int) -> Body | None:
        return words.current(allocations, since, inside.answers)

    def status(self, handle: Handle) -> Status:
        try:
            name = self._job(handle["id"])
            known = self.server.job(name)
            if known is None:
                return Status(State.GONE)
            return self._status(name, self.server.allocations(job=name), known["JobModifyIndex"])
        except Missing as error:
            return Status(State.UNKNOWN, reason=str(error))
        except PlatformError as error:
            return Status(State.UNKNOWN, reason=error.message)

    def _status(self, name: str, allocations: list[Body], since: int) -> Status:
        found = self._current(allocations, since)
        return words.status(found, () if found else self.server.evaluations(name))

    def workloads(self) -> dict[str, Status]:
        jobs = {one["ID"]: one["JobModifyIndex"] for one in self.server.jobs(self.names.jobs)}
        allocations: dict[str, list[Body]] = {name: [] for name in jobs}
        for found in self.server.allocations(prefix=self.names.jobs) if jobs else ():
            allocations.get(found["JobID"], []).append(found)
        return {self.names.workload(name): self._status(name, allocations[name], since) for name, since in jobs.items()}

    def logs(self, handle: Handle, after: int = 0) -> list[LogLine]:
        reader = logs.Reader(self.server, self.names, self._ledgers, handle["id"])
        reader.look()
        return reader.lines(after)

    def stream_logs(self) -> Iterator[tuple[str, LogLine]]:
        """Subscribed when this returns: a line written after that is not missed."""
        return following.Following(self.server, self.names, self._ledgers).lines()

    def run_once(
        self, spec: RunSpec, *, on_line: Callable[[str], None], timeout: float, cancelled: Callable[[], bool]
    ) -> Finished:
        job.check(spec, self.cluster)
        self._forget_runs()
        volumes.ensure(self.server, self.names, spec)
        until = time.time() + timeout + SPARE
        body = job.batch(once.in_order(spec), self.cluster, self.names, self._address, until=until)
        return once.Once(self.server, body, spec.limits, on_line).run(timeout, cancelled)

    def _forget_runs(self) -> None:
        """Those whose caller died."""
        for found in self.server.get("jobs", prefix=self.names.runs, meta="true") or []:
            until = (found.get("Meta") or {}).get("brainpod_until", "")
            if until.isdigit() and int(until) < time.time():
                self.server.forget(found["ID"])

    def exec(self, handle: Handle, command: tuple[str, ...], *, timeout: float = 30.0) -> tuple[int, str]:
        return inside.run(self.server, self._beside(handle), self._turned(command), timeout)

    def _beside(self, handle: Handle) -> str:
        """The allocation that a command can be run in. Raises PlatformError("workload_not_running")."""
        found = self._find(self._job(handle["id"]))
        if found is None or not _runs(found):
            raise PlatformError("workload_not_running", "This workload does not run now.", "Look at its log.")
        return str(found["ID"])

    def _turned(self, command: tuple[str, ...]) -> tuple[str, ...]:
        return command if self.cluster.driver == "docker" else (*script.BESIDE_COMMAND, *command)

    def attach(self, handle: Handle, command: tuple[str, ...], *, name: str, size: Size) -> Terminal:
        words = tuple(f"{key}={value}" for key, value in terminals.variables(name).items())
        wanted = self._turned(("env", *words, *command))
        return NomadTerminal(self.server, self._beside(handle), wanted, name=name, size=size)

    def detach(self, handle: Handle, name: str) -> None:
        found = self._find(self._job(handle["id"]))
        if found is not None and _runs(found):
            inside.run(self.server, found["ID"], terminals.ending(name), ENDING)

    def probe(self, handle: Handle) -> str | None:
        found = self._find(self._job(handle["id"]))
        where = words.address(found) if found else ""
        if found is not None and not where:
            return None
        if found is None or not _runs(found):
            return self.status(handle).reason or "does not run"
        if inside.answers(where):
            return None
        own = self.cluster.driver == "docker"
        return inside.listens(self.server, found["ID"], _inside_port(found), own_network=own)

    def connections(self, handle: Handle) -> int | None:
        found = self._find(self._job(handle["id"]))
        if found is None or not _runs(found):
            return 0
        port, where = _inside_port(found), words.address(found)
        if not (port and where):
            return 0
        return probe.connections(inside.tables(self.server, found["ID"]), port) + probe.arriving(where)

    def discard(self, disk: str) -> None:
        volumes.discard(self.server, self.names.volume(disk))

    def stats(self, handle: Handle) -> Usage | None:
        found = self._find(self._job(handle["id"]))
        return inside.usage(self.server, found["ID"]) if found is not None and _runs(found) else None

    def stop(self, handle: Handle, grace: float) -> None:
        """The job is stopped first: whatever becomes of this process, nothing starts it again.

        Nomad forgets it hours later; until then its last lines can be read.
        """
        name = self._job(handle["id"])
        self.server.halt(name)
        deadline = time.monotonic() + grace
        last = deadline + LEAVING
        waited = killed = False
        while left := [found for found in self.server.allocations(job=name) if _lives(found)]:
            waited = True
            now = time.monotonic()
            if now > last:
                raise PlatformError("engine_nomad", "The node does not end it.", "Look at the node's log.")
            if now >= deadline and not killed:
                killed = True
                for found in left:
                    self.server.signal(found["ID"], "SIGKILL", job.TASK)
            time.sleep(POLL)
        if waited:
            time.sleep(LINGER)


def _lives(allocation: Body) -> bool:
    """Whether something of it may still run on a node that answers."""
    return allocation["ClientStatus"] in ("pending", "running")


def _runs(allocation: Body) -> bool:
    return allocation["ClientStatus"] == "running" and words.task_state(allocation).get("State") == "running"


def _inside_port(allocation: Body) -> int:
    """Where it listens as it sees it itself; 0: nowhere."""
    shared = (allocation.get("AllocatedResources") or {}).get("Shared") or {}
    ports = [port for port in shared.get("Ports") or [] if port["Label"] == job.PORT]
    return int(ports[0].get("To") or ports[0]["Value"]) if ports else 0
