"""Containers made, filled and started; the same for every caller, however often and wherever it asks."""

from __future__ import annotations

import logging
import resource
import subprocess
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound

from apps.core.errors import PlatformError
from apps.core.failpoints import failpoint
from apps.core.ports import free_port
from apps.engines.base import SERVICES, LaunchSpec, Limits, RunSpec
from apps.engines.docker import contents, creation, images
from apps.engines.docker.daemon import Daemon
from apps.engines.docker.egress import Egress
from apps.engines.docker.images import Image
from apps.engines.docker.life import Lives
from apps.engines.docker.meeting import Meetings, alias, meets
from apps.engines.docker.names import (
    ADDRESS,
    ALIAS,
    FILES,
    INSTANCE,
    MEETS,
    OWN,
    POD,
    PORT,
    RUN,
    UNTIL,
    WORKLOAD,
    Names,
)
from apps.engines.docker.networks import Network, Networks
from apps.engines.docker.transfer import Login

log = logging.getLogger("brainpod.engine")
TRIES = 5  # of a launch that lost a race: for a port, a network or its own name
TAKEN = "is already in use by"  # said of a container's name: somebody else launches the same
ADDRESS_TAKEN = ("port is already allocated", "address already in use")
# The address, the name or the network went to, or with, somebody else; the last: the firewall was just set up anew.
RACES = (TAKEN, *ADDRESS_TAKEN, "not found", "no chain/target/match")
RUNSC = "runsc"  # gVisor
SPARE = 120.0  # seconds a run may take beyond its timeout before nobody can be waiting


class Starter:
    """Takes what DockerEngine takes."""

    def __init__(
        self,
        host: str,
        state: Path,
        *,
        allowed: Iterable[Network],
        shared: tuple[str, ...],
        runtime: str,
        login: Login,
    ) -> None:
        self.state = state
        self._runtime = runtime
        self.login = login
        self.daemon = Daemon(host)
        self.names = Names.of(state)
        directory = state / "docker"
        self.lives = Lives(directory / "lives")
        self.files = contents.Files(self.names.instance, directory)
        self.networks = Networks(self.daemon, self.names, directory / "lock")
        self.meetings = Meetings(self.daemon, self.names, self.networks, directory / "networks.json", shared)
        self.egress = Egress(self.names, allowed)

    def find(self, workload: str) -> dict[str, Any] | None:
        """What `docker inspect` says of the container of `workload`."""
        with self.daemon.asking() as api:
            try:
                found: dict[str, Any] = api.inspect_container(self.names.container(workload))
            except NotFound:
                return None
        return found if found["Config"]["Labels"].get(INSTANCE) == self.names.instance else None

    def launch(self, spec: LaunchSpec) -> dict[str, Any]:
        """The container of `spec`, started once."""
        for last in (*[False] * (TRIES - 1), True):
            found = self.find(spec.id)
            if found is not None and found["State"]["Status"] != "created":
                return found
            image = images.present(self.daemon, spec.image, self.login)
            try:
                container = found["Id"] if found else self._make(spec, image)
                failpoint("engine.created", spec.pod)
                self._start(container, spec, image)
            except PlatformError as error:
                if last or not _race(error):
                    raise
                log.info("%s is launched again: %s", spec.id, error)
                if TAKEN not in error.message.lower():
                    self._discard_unstarted(spec.id)
                continue
            failpoint("engine.started", spec.pod)
            if spec.pod == SERVICES:
                self.guard()  # its address in the shared network is known now
        started = self.find(spec.id)
        if started is None:
            raise PlatformError("engine_docker", f"The container of {spec.id} was removed while it was started.")
        return started

    def _make(self, spec: LaunchSpec, image: Image) -> str:
        self.lives.forget(spec.id)
        self._have_network(spec)
        labels = {WORKLOAD: spec.id}
        own, port = "", None
        if spec.network:
            own = labels[OWN] = self.networks.address(spec.pod)
        if spec.port is not None:
            reached = f"{own}:{spec.port}" if own and self.networks.near(spec.pod) else ""
            port = None if reached else free_port()
            labels |= {PORT: str(spec.port), ADDRESS: reached or f"127.0.0.1:{port}"}
        name = self.names.container(spec.id)
        return self._create(spec, image, name, labels, own=own, port=port, keep_log=True)

    def _have_network(self, spec: RunSpec) -> None:
        if spec.network and self.networks.ensure(spec.pod):
            self.guard()

    def make_run(self, spec: RunSpec, timeout: float) -> str:
        """A container for one run, filled; not started."""
        image = images.present(self.daemon, spec.image, self.login)
        self._have_network(spec)
        labels = {RUN: spec.id, UNTIL: str(int(time.time() + timeout + SPARE))}
        container = self._create(spec, image, "", labels, keep_log=False)
        try:
            self._fill(container, spec, image)
        except BaseException:
            self.discard(container)
            raise
        return container

    def _create(
        self, spec: RunSpec, image: Image, name: str, labels: dict[str, str], *, keep_log: bool, own: str = "",
        port: int | None = None,
    ) -> str:  # fmt: skip
        info = self.daemon.info()
        config = creation.container(
            replace(spec, limits=self._possible(spec.limits)),
            image,
            labels={**self.names.labels, POD: spec.pod, FILES: str(len(spec.files)), **_meeting(spec), **labels},
            networks=(self.names.network(spec.pod),) if spec.network else (),
            files=self.files.write(spec),
            address=own,
            host_port=port,
            cores=info.get("NCPU") or 1,
            runtime=self.runtime(info),
            keep_log=keep_log,
        )
        with self.daemon.asking() as api:
            container: str = api.create_container_from_config(config, name or None)["Id"]
        return container

    def runtime(self, info: dict[str, Any]) -> str:
        """What containers run in by what the daemon says of itself; empty: its default. Raises PlatformError."""
        has = RUNSC in (info.get("Runtimes") or {})
        if self._runtime == RUNSC and not has:
            hint = "Install gVisor and tell the daemon of it (docs/docker.md), or set BRAINPOD_DOCKER_RUNTIME=auto."
            raise PlatformError("runtime_missing", "The Docker daemon has no runtime runsc.", hint)
        return RUNSC if has and self._runtime != "runc" else ""

    def _possible(self, limits: Limits) -> Limits:
        """A daemon that may not raise its own limits refuses higher ones; on this machine it has ours."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if not self.daemon.here or most == resource.RLIM_INFINITY:
            return limits
        return replace(limits, open_files=min(limits.open_files, most))

    def _fill(self, container: str, spec: RunSpec, image: Image) -> None:
        with self.daemon.asking() as api:
            contents.fill(api, container, spec, image)
        if spec.network and self.meetings.join(container, spec):
            self.guard()  # before it runs

    def _start(self, container: str, spec: RunSpec, image: Image) -> None:
        self._fill(container, spec, image)
        with self.daemon.asking() as api:
            api.start(container)

    def guard(self) -> None:
        """Have the rules about what containers reach, where they can be made (`check` says where they cannot)."""
        if self.egress.impossible(self.daemon.here):
            return
        try:
            with self.networks.locked():
                self.egress.apply(self.networks.known(), self.meetings.now())
        except (OSError, subprocess.SubprocessError) as error:
            raise PlatformError("engine_egress", f"The rules about what containers reach: {error}") from error

    def _discard_unstarted(self, workload: str) -> None:
        found = self.find(workload)
        if found is not None and found["State"]["Status"] == "created":
            self.discard(found["Id"])

    def discard(self, container: str) -> None:
        """Remove a container, its volumes and whatever runs in it."""
        with self.daemon.asking() as api:
            try:
                api.remove_container(container, force=True, v=True)
            except NotFound:
                return
            except APIError as error:
                if "already in progress" not in (error.explanation or ""):
                    raise


def _meeting(spec: RunSpec) -> dict[str, str]:
    """The labels by which it is found again that belongs in a shared network."""
    purposes = meets(spec)
    return {MEETS: ",".join(purposes), ALIAS: alias(spec)} if purposes else {}


def _race(error: PlatformError) -> bool:
    """Whether another try may go well."""
    return any(part in error.message.lower() for part in RACES)
