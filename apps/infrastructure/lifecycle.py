"""Start, stop, restart and update a service, how it stands, and what it writes. Operators only: the faces see to it.

The verbs raise Conflict("service_external") for what Brainpod only connects to, and for the platform's own services
what apps/infrastructure/builtin.py says; Unavailable where the engine does not answer: the wish stays, and is done
once it does.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple

from django.utils import timezone

from apps.core.errors import Conflict, PlatformError, UserError
from apps.engines.base import State
from apps.infrastructure import asking, builtin, workloads
from apps.infrastructure.models import Service
from apps.infrastructure.standing import Standing
from apps.logs import reader

if TYPE_CHECKING:
    from apps.accounts.models import User

STARTING = datetime.timedelta(seconds=60)  # within which a server that does not answer yet is no reason to worry
_STATES = {
    State.STARTING: "running",
    State.RUNNING: "running",
    State.RESTARTING: "running",
    State.EXITED: "stopped",
    State.GONE: "stopped",
    State.UNKNOWN: "unknown",
}


class Use(NamedTuple):
    """`memory` and `disk` in MB, `cpu` in seconds since its start."""

    memory: int
    cpu: float
    disk: int


def start(service: Service, by: User | None) -> None:
    """Have it run, now and after the platform was started again. One that runs is no error."""
    _ours(service)
    if service.built_in:
        if builtin.standing(service).state != "running":
            raise builtin.not_here(service)
        return
    _want(service, "running")
    workloads.tell(service, "start", "Started", by)
    workloads.launch(service)


def stop(service: Service, by: User | None) -> None:
    """Have it not run until it is started. What it has on its disk stays. One that is stopped is no error."""
    _ours(service)
    if service.built_in:
        raise builtin.never_stopped(service)
    _want(service, "stopped")
    workloads.tell(service, "stop", "Stopped", by)
    workloads.end(service)


def restart(service: Service, by: User | None) -> None:
    """nginx loses no request over it; a server's connections end, and what was committed stays."""
    _ours(service)
    if service.built_in:
        builtin.restart(service)
        workloads.tell(service, "restart", "Restarted", by)
        return
    _want(service, "running")
    workloads.tell(service, "restart", "Restarted", by)
    workloads.end(service)
    workloads.launch(service)


def update(service: Service, by: User | None) -> None:
    """Restart it as the newest there is that can read its data; on Docker its image is pulled first."""
    _ours(service)
    if service.built_in:
        raise Conflict(
            "builtin_updates", f"{service.name} comes with the platform.", "Update the platform, and start it again."
        )
    before, version = service.version, workloads.newest(service)
    service.version = version
    if image := workloads.image_of(service):
        workloads.runner(service).fetch(image, on_line=lambda _: None, cancelled=lambda: False)
    Service.objects.filter(pk=service.pk).update(version=version, wanted="running")
    words = f"Updated from {before} to {version}" if before != version else f"Updated: the newest {version} there is"
    workloads.tell(service, "update", words, by)
    workloads.end(service)
    workloads.launch(service)


VERBS = {"start": start, "stop": stop, "restart": restart, "update": update}


def status(service: Service) -> Standing:
    """Asks the service itself; takes some seconds at most, and raises nothing."""
    if service.built_in:
        return builtin.standing(service)
    state, detail = "external", ""
    if service.managed:
        found = workloads.seen(service)
        state, detail = _STATES[found.state], found.reason
        if state != "running":
            return Standing(state, detail=service.last_error or detail)
    try:
        return Standing(state, "healthy", asking.version(workloads.place(service)))
    except Conflict as error:
        return Standing(state, "no credentials", detail=str(error))
    except (UserError, PlatformError) as error:
        fresh = service.managed and not found.restarts and found.state is not State.RESTARTING
        health = "starting" if fresh and _young(found.since) else "unhealthy"
        return Standing(state, health, detail=detail or str(error))


def logs(service: Service, tail: int = 100) -> list[str]:
    """Its newest lines, the oldest first; none of an external one. Passwords are masked."""
    if service.built_in:
        return builtin.log_tail(service, tail)
    return [line.text for line in reader.tail(service.stream, tail)] if service.stream else []


def use(service: Service) -> Use | None:
    """What a managed one uses now; None where nobody can tell."""
    if service.external:
        return None
    if service.built_in:
        directory, found = builtin.directory(service), builtin.usage(service)
        disk = workloads.data_size(directory) if directory else 0
        return Use(*found, disk) if found else None
    disk = workloads.data_size(service.data)
    try:
        seen = workloads.runner(service).stats({**service.handle, "id": service.run}) if service.run else None
    except PlatformError:
        seen = None
    return Use(seen.memory_mb, seen.cpu_seconds, disk) if seen else Use(0, 0.0, disk)


def _young(since: datetime.datetime | None) -> bool:
    return since is None or timezone.now() - since < STARTING


def _ours(service: Service) -> None:
    if service.external:
        raise Conflict(
            "service_external",
            f"{service.name} is external: Brainpod connects to it and neither starts nor stops it.",
            "Do that where it is run.",
        )


def _want(service: Service, what: str) -> None:
    service.wanted = what
    Service.objects.filter(pk=service.pk).update(wanted=what)
