"""Services that Brainpod runs, as workloads of an engine: the same servers that pods have as databases."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import structlog
from django.db import transaction
from django.db.models import QuerySet

from apps import engines
from apps.audit import trail
from apps.core.errors import PlatformError, Unavailable, UserError
from apps.core.ids import new_id
from apps.core.programs import numbers
from apps.engines.base import Engine, LaunchSpec, Limits, State, Status
from apps.infrastructure import credentials
from apps.infrastructure.asking import Place
from apps.infrastructure.models import SERVERS, Service, ServiceEvent, Type
from apps.servers.base import SERVICES, Server
from apps.servers.catalogue import SERVERS as PROGRAMS
from apps.servers.run import launch_spec

GRACE = 25.0  # seconds a server has to write everything down before it is killed
CPU = 2.0  # cores

log = structlog.get_logger(__name__)


def engine_name() -> str:
    """Where services run: in containers where pods do, else as processes of this host."""
    return "docker" if engines.default() == "docker" else "process"


def server_of(service: Service) -> Server:
    return PROGRAMS[SERVERS[Type(service.type)]]


def newest(service: Service) -> str:
    """The newest release line that may be run over the data `service` has.

    Raises UserError("server_missing") where this host has none.
    """
    server = server_of(service)
    there = list(server.versions) if service.engine == "docker" else list(server.installed())
    if not there:
        missing = f"This host has no {server.title}."
        raise UserError("server_missing", missing, f"Install the package {server.package.format('16')} on this host.")
    if service.version and service.type == Type.POSTGRESQL:
        return service.version  # one line's data is not the next's
    return max(there, key=numbers)


def spec_of(service: Service) -> LaunchSpec:
    """Raises Unavailable with the secret store, UserError("server_missing")."""
    server = server_of(service)
    service.data.mkdir(parents=True, exist_ok=True)
    return launch_spec(
        server, service.version, id=service.run, pod=SERVICES, name=service.name, disk=str(service.data),
        limits=Limits(cpu=CPU, memory=service.memory), credentials=credentials.read(service),
        image=image_of(service), admin=service.user,
    )  # fmt: skip


def image_of(service: Service) -> str:
    """Empty where none is run."""
    if service.engine != "docker":
        return ""
    return service.image or server_of(service).image.format(service.version)


def runner(service: Service) -> Engine:
    return engines.named(service.engine)


def launch(service: Service) -> None:
    """Have it run. A second call starts nothing. What keeps it from starting is kept in the row, and raised."""
    if not service.run:
        Service.objects.filter(pk=service.pk, run="").update(run=new_id())
        service.refresh_from_db(fields=["run"])
    try:
        handle = runner(service).launch(spec_of(service))
    except Unavailable:
        raise
    except (UserError, PlatformError) as error:
        words = str(error)[:500]
        if Service.objects.filter(pk=service.pk).exclude(last_error=words).update(last_error=words):
            tell(service, "failed", f"Not started: {words}"[:500])
        raise
    service.handle, service.last_error = handle, ""
    Service.objects.filter(pk=service.pk, run=service.run).update(handle=handle, last_error="")


def end(service: Service) -> None:
    """Have it not run. Raises Unavailable with the engine; the next look ends it then."""
    if service.run:
        runner(service).stop({**service.handle, "id": service.run}, GRACE)
    Service.objects.filter(pk=service.pk, run=service.run).update(run="", handle={})
    service.run, service.handle = "", {}


def seen(service: Service) -> Status:
    if not service.run:
        return Status(State.GONE)
    return runner(service).status({**service.handle, "id": service.run})


def endpoint(service: Service) -> tuple[str, int]:
    """Where the platform's own processes reach it. Raises Unavailable for one that was not started."""
    if service.external:
        return service.host, service.port
    host, _, port = str(service.handle.get("tcp") or service.handle.get("address", "")).rpartition(":")
    if not host or not port.isdecimal():
        raise Unavailable("service_not_started", f"{service.name} does not run.", "Start it.")
    return host, int(port)


def silent(service: Service) -> Unavailable:
    return Unavailable("service_silent", f"{service.name} does not answer.", "Its page says how it is.")


def place(service: Service) -> Place:
    """Where and as whom the platform signs in. Raises Unavailable, PlatformError."""
    host, port = endpoint(service)
    return Place(service.type, host, port, service.user, credentials.read(service).admin_password)


def tell(service: Service, kind: str, words: str, by: object = None) -> None:
    with transaction.atomic():
        ServiceEvent.objects.create(service=service.name, kind=kind, words=words, actor=by)  # type: ignore[misc]
        if by is not None:
            trail.note("service.change", by=by, about=service, did=words)


def managed() -> QuerySet[Service]:
    return Service.objects.filter(managed=True)


def runs() -> set[str]:
    """The ids of the workloads that are services."""
    return set(managed().exclude(run="").values_list("run", flat=True))


def tend() -> bool:
    """Start what should run and is gone, end what should not; whether anything was done. Raises Unavailable."""
    done = False
    there: dict[str, dict[str, Status]] = {}
    for service in managed():
        if service.engine not in there:
            there[service.engine] = runner(service).workloads()
        runs = service.run in there[service.engine]
        try:
            if service.wanted == "running" and not runs:
                log.info("service_started", service=service.name)
                _again(service)
                done = True
            elif service.wanted == "stopped" and service.run:
                end(service)
                done = True
        except Unavailable:
            raise
        except (UserError, PlatformError) as error:
            log.info("service_waits", service=service.name, error=str(error))
    return done


def _again(service: Service) -> None:
    """A new run: what the engine knew of the old one has gone with it."""
    fresh = new_id()
    if Service.objects.filter(pk=service.pk, run=service.run, wanted="running").update(run=fresh, handle={}):
        service.run, service.handle = fresh, {}
        launch(service)


def data_size(directory: Path) -> int:
    """MB of everything in a directory, as far as it may be read."""
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                total += (Path(place) / name).lstat().st_blocks * 512
    return total // 2**20
