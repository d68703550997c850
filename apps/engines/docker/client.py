"""`DockerEngine`: the contract, answered by a Docker daemon. Thread-safe, blocking; holds nothing of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from docker.errors import APIError

from apps.core.errors import PlatformError
from apps.engines import probe, terminals
from apps.engines.base import (
    SERVICES,
    Capabilities,
    Finished,
    Handle,
    LaunchSpec,
    LogLine,
    Place,
    RunSpec,
    SharedNetwork,
    Size,
    State,
    Status,
    Terminal,
    Usage,
)
from apps.engines.docker import creation, images, inside, logs, meeting
from apps.engines.docker.egress import Egress
from apps.engines.docker.life import Lives, status
from apps.engines.docker.names import ADDRESS, PORT, WORKLOAD
from apps.engines.docker.networks import Network
from apps.engines.docker.once import Once, in_order
from apps.engines.docker.start import Starter
from apps.engines.docker.terminal import ENDING, DockerTerminal
from apps.engines.docker.transfer import Login, Stopped

LINGER = 0.4  # seconds between an end and its removal: those who follow its output read the last of it
LEAVING = 60.0  # seconds a stop somebody else asked for may take beyond its grace
POLL = 0.1


class DockerEngine:
    """Implements apps.engines.base.Engine and Networking.

    `host`: the daemon's address, empty for the usual socket. `state`: the platform's state directory, where what
    Docker does not remember is kept. `allowed`: private networks that may be reached nevertheless. `shared`: networks
    of the daemon that every workload with network joins, where it sees all but other workloads. `runtime`: auto | runc
    | runsc, where auto is gVisor if the daemon has it. `login`: who we are where an image is pulled from.
    """

    artifacts = frozenset({"image"})
    peers = True

    @property
    def disks(self) -> Place:
        return "host" if self.daemon.here else "nowhere"

    def __init__(
        self,
        host: str,
        state: Path,
        *,
        allowed: Iterable[Network] = (),
        shared: tuple[str, ...] = (),
        runtime: str = "auto",
        login: Login = lambda _: None,
    ) -> None:
        self.starter = Starter(host, state, allowed=allowed, shared=shared, runtime=runtime, login=login)
        self.daemon = self.starter.daemon
        self.names = self.starter.names
        self.lives: Lives = self.starter.lives

    def peer_host(self, pod: str, name: str) -> str:
        return f"{name}.{pod}" if pod == SERVICES else name

    def call_networks(self, names: Mapping[str, str]) -> None:
        self.starter.meetings.call(names)

    def shared_networks(self) -> list[SharedNetwork]:
        return self.starter.meetings.standing()

    def check(self) -> Capabilities:
        self.daemon.forget()
        info = self.daemon.info()
        notes = [*_lacks(info), *self._open(self.starter.egress), *self._meeting()]
        if not self.daemon.here:
            notes.append("The Docker daemon is on another machine: no disks, and apps answer on its loopback.")
        try:
            gvisor = ", apps in gVisor" if self.starter.runtime(info) else ""
        except PlatformError as error:
            gvisor = ""
            notes.append(f"No container can be made: {error.message}")
        return Capabilities(
            sandbox=True,
            disks=self.daemon.here,
            notes=tuple(notes),
            version=f"daemon {info.get('ServerVersion')} at {self.daemon.host}{gvisor}",
        )

    def _open(self, egress: Egress) -> list[str]:
        why = egress.impossible(self.daemon.here)
        if not why:
            return []
        return [f"Containers can reach this machine and private networks, since no rules can be made: {why}."]

    def _meeting(self) -> list[str]:
        """Between containers on one bridge the firewall only stands where the kernel is told to ask it."""
        if not self.daemon.here or meeting.asks_firewall():
            return []
        if self.starter.meetings.joined:
            return ["Apps of all pods see each other in the shared networks: this kernel has no br_netfilter loaded."]
        return ["Apps are kept out of the networks proxy and database: this kernel has no br_netfilter loaded."]

    def fetch(self, image: str, *, on_line: Callable[[str], None], cancelled: Callable[[], bool]) -> None:
        try:
            login = self.starter.login
            images.present(self.daemon, image, login, on_line=on_line, stopped=cancelled, patient=True)
        except Stopped:
            return

    def launch(self, spec: LaunchSpec) -> Handle:
        creation.check(spec)
        self._await_leaving(spec.id)
        container = self.starter.launch(spec)
        return _handle(spec.id, container)

    def _await_leaving(self, workload: str) -> None:
        """One of this name that is being stopped first goes; one whose stopper died is removed."""
        while (asked := self.lives.leaving(workload)) is not None and self._find(workload) is not None:
            if time.time() - asked > LEAVING:
                self._remove(workload)
                return
            time.sleep(POLL)

    def status(self, handle: Handle) -> Status:
        try:
            found = self._find(handle["id"])
            return Status(State.GONE) if found is None else self._status(handle["id"], found["State"])
        except PlatformError as error:
            return Status(State.UNKNOWN, reason=error.message)

    def workloads(self) -> dict[str, Status]:
        with self.daemon.asking() as api:
            listed = api.containers(all=True, filters=self.names.filters(WORKLOAD))
        found = {}
        for container in listed:
            workload = container["Labels"][WORKLOAD]
            if container["State"] == "running":
                found[workload] = Status(State.RUNNING, self.lives.load(workload).restarts)
            elif (now := self._find(workload)) is not None:
                found[workload] = self._status(workload, now["State"])
        return found

    def _status(self, workload: str, state: dict[str, Any]) -> Status:
        return status(state, self.lives.load(workload), leaving=self.lives.leaving(workload) is not None)

    def logs(self, handle: Handle, after: int = 0) -> list[LogLine]:
        found = self._find(handle["id"])
        return [] if found is None else logs.read(self.daemon, self.lives, handle["id"], found["Id"], after)

    def stream_logs(self) -> Iterator[tuple[str, LogLine]]:
        """Subscribed when this returns: a line written after that is not missed."""
        return logs.Following(self.daemon, self.names, self.lives).lines()

    def run_once(
        self, spec: RunSpec, *, on_line: Callable[[str], None], timeout: float, cancelled: Callable[[], bool]
    ) -> Finished:
        creation.check(spec)
        container = self.starter.make_run(in_order(spec), timeout)
        try:
            return Once(self.daemon, container, spec.limits, on_line).run(timeout, cancelled)
        finally:
            self.starter.discard(container)
            self.starter.files.forget(spec.id)

    def exec(self, handle: Handle, command: tuple[str, ...], *, timeout: float = 30.0) -> tuple[int, str]:
        found = self._running(handle)
        return inside.run(self.daemon, found["Id"], command, timeout)

    def attach(self, handle: Handle, command: tuple[str, ...], *, name: str, size: Size) -> Terminal:
        return DockerTerminal(self.daemon, self._running(handle)["Id"], command, name=name, size=size)

    def detach(self, handle: Handle, name: str) -> None:
        found = self._find(handle["id"])
        if found is not None and found["State"]["Running"]:
            inside.run(self.daemon, found["Id"], terminals.ending(name), ENDING)

    def probe(self, handle: Handle) -> str | None:
        found = self._find(handle["id"])
        port = (found or {}).get("Config", {}).get("Labels", {}).get(PORT)
        if found is not None and port is None:
            return None
        if found is None or port is None or not found["State"]["Running"]:
            return self.status(handle).reason or "does not run"
        return probe.reachable(inside.tables(self.daemon, found), int(port))

    def connections(self, handle: Handle) -> int | None:
        found = self._find(handle["id"])
        if found is None or not found["State"]["Running"]:
            return 0
        labels = found["Config"]["Labels"]
        if PORT not in labels:
            return 0
        return probe.connections(inside.tables(self.daemon, found), int(labels[PORT])) + probe.arriving(labels[ADDRESS])

    def discard(self, disk: str) -> None:
        """A disk is a directory of this host and nothing else."""

    def stats(self, handle: Handle) -> Usage | None:
        found = self._find(handle["id"])
        return inside.usage(self.daemon, found) if found is not None and found["State"]["Running"] else None

    def stop(self, handle: Handle, grace: float) -> None:
        workload = handle["id"]
        found = self._find(workload)
        if found is None:
            self.lives.forget(workload)
            self.starter.files.forget(workload)
            return
        self.lives.leave(workload)
        if found["State"]["Running"]:
            self._end(found, grace)
        self._remove(workload)

    def _end(self, found: dict[str, Any], grace: float) -> None:
        """The image's own signal for it, or TERM; KILL after `grace`. Its init passes on what comes."""
        asked = (found["Config"].get("StopSignal") or "SIGTERM", "SIGKILL")
        for signal, patience in zip(asked, (grace, LEAVING), strict=True):
            with self.daemon.asking() as api:
                try:
                    api.kill(found["Id"], signal)
                except APIError:
                    pass  # it has ended, or was removed
            deadline = time.monotonic() + patience
            while True:
                now = self._find(found["Config"]["Labels"][WORKLOAD])
                if now is None:
                    return
                if not now["State"]["Running"]:
                    time.sleep(LINGER)
                    return
                if time.monotonic() >= deadline:
                    break
                time.sleep(min(POLL, max(0.01, deadline - time.monotonic())))

    def _remove(self, workload: str) -> None:
        found = self._find(workload)
        if found is not None:
            self.starter.discard(found["Id"])
        self.lives.forget(workload)
        self.starter.files.forget(workload)

    def _find(self, workload: str) -> dict[str, Any] | None:
        return self.starter.find(workload)

    def _running(self, handle: Handle) -> dict[str, Any]:
        found = self._find(handle["id"])
        if found is None or not found["State"]["Running"]:
            raise PlatformError("workload_not_running", "This workload does not run now.", "Look at its log.")
        return found


def _handle(workload: str, container: dict[str, Any]) -> Handle:
    address = container["Config"]["Labels"].get(ADDRESS)
    return {"id": workload} | ({"address": address} if address else {})


def _lacks(info: dict[str, Any]) -> list[str]:
    wanted = {
        "MemoryLimit": "limit memory",
        "SwapLimit": "limit swap",
        "CpuCfsQuota": "limit CPU",
        "PidsLimit": "limit the number of processes",
    }
    missing = [words for key, words in wanted.items() if info.get(key) is False]
    return [f"This kernel does not let Docker {' or '.join(missing)}."] if missing else []
