"""The platform's own services: what its supervisor runs, and what the settings have it connect to instead.

They have no rows: the settings say what there is.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from apps import secretstore
from apps.core.errors import Conflict, PlatformError
from apps.edge import control, edge
from apps.edge.nginx import NginxEdge
from apps.infrastructure.embedded import binaries, openbao, process, valkey
from apps.infrastructure.embedded.running import tail
from apps.infrastructure.models import Service, Type, builtin
from apps.infrastructure.standing import Standing

NAMES = ("nginx", "valkey", "openbao", "certbot")
WAIT = 30.0  # seconds nginx has to take over
CONSEQUENCES = {
    "nginx": "New workers take over; requests under way end in the old ones, and nothing is refused.",
    "valkey": "For about a second pages hear of nothing new and no task is started; then everything goes on.",
    "openbao": "For a few seconds nothing that needs a secret can be deployed or started; apps that run are untouched.",
}


def services() -> list[Service]:
    """In the order of NAMES."""
    config, since = settings.BRAINPOD, _since()
    made = []
    ours = config.outside is None
    where = {"port": config.port} if ours else {"host": "localhost", "port": config.port}
    made.append(builtin("nginx", Type.NGINX, managed=ours, since=since, **where))
    made.append(builtin("valkey", Type.VALKEY, managed=not config.valkey_url, since=since, **_place(config.valkey_url)))
    made.append(
        builtin("openbao", Type.OPENBAO, managed=not config.vault_addr, since=since, **_place(config.vault_addr))
    )
    made.append(builtin("certbot", Type.CERTBOT, managed=True, since=since))
    return made


def _place(url: str) -> dict[str, Any]:
    found = urlsplit(url)
    return {"host": found.hostname or "", "port": found.port or 0}


def _since() -> datetime.datetime | None:
    """When this installation's database was made."""
    first = MigrationRecorder(connection).migration_qs.order_by("applied").first()
    return first.applied if first else None


def standing(service: Service) -> Standing:
    """Asks it; takes seconds at most."""
    if service.name == "certbot":
        wanted = settings.BRAINPOD.acme_on
        words = "Runs while a certificate is requested." if wanted else "No certificates are requested: BRAINPOD_ACME."
        return Standing("running" if wanted else "stopped", version=importlib.metadata.version("certbot"), detail=words)
    try:
        version = _ASK[service.name]()
    except (PlatformError, redis.RedisError, OSError) as error:
        words = error.message if isinstance(error, PlatformError) else "It does not answer."
        stopped = service.managed and not _pid(service.name)
        return Standing("external" if service.external else "stopped" if stopped else "running", "unhealthy", "", words)
    return Standing("external" if service.external else "running", "healthy", version)


def _nginx() -> str:
    edge().generation()
    return "" if settings.BRAINPOD.outside else binaries.resolve("nginx").version


def _valkey() -> str:
    url = settings.BRAINPOD.valkey_url or valkey.url(settings.BRAINPOD.state)
    with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
        found = cast("dict[str, Any]", client.info("server"))
    return str(found.get("valkey_version") or found.get("redis_version", ""))


_ASK = {"nginx": _nginx, "valkey": _valkey, "openbao": lambda: secretstore.secrets().check()}


def log_tail(service: Service, lines: int) -> list[str]:
    """The newest lines of a managed one."""
    if service.external:
        return []
    return tail(settings.BRAINPOD.state / "log" / f"{service.name}.log", lines).splitlines()


def restart(service: Service) -> None:
    """Raises Conflict("not_a_process" | "not_supervised"), PlatformError."""
    if service.name == "certbot":
        raise not_a_process()
    if service.name == "nginx":
        made = cast("NginxEdge", edge())
        control.reload(made.layout, made.generation(), WAIT)
        return
    pid = _pid(service.name)
    if not pid:
        raise not_here(service)
    os.kill(pid, signal.SIGTERM)  # the supervisor starts what ends


def not_here(service: Service) -> Conflict:
    if service.name == "certbot":
        return not_a_process()
    return Conflict(
        "not_supervised",
        f"{service.name} is not run by this platform's supervisor.",
        "Do it where it is run: by systemd, honcho or whatever started it.",
    )


def not_a_process() -> Conflict:
    return Conflict(
        "not_a_process", "Certbot runs only while a certificate is requested.", "BRAINPOD_ACME says whether it does."
    )


def never_stopped(service: Service) -> Conflict:
    return Conflict(
        "builtin_stays",
        f"{service.name} is a part of the platform: without it there is no page to start it again from.",
        "Restart it instead. Ctrl-C where the platform was started stops all of it.",
    )


def usage(service: Service) -> tuple[int, float] | None:
    """Resident MB and seconds of CPU of a managed one's processes; None where nobody can tell."""
    return process.group_usage(pid) if (pid := _pid(service.name)) else None


def directory(service: Service) -> Path | None:
    """Where it keeps what it has."""
    place = {"valkey": "valkey", "openbao": "bao", "nginx": "edge"}.get(service.name)
    return settings.BRAINPOD.state / place if place and service.managed else None


def _pid(name: str) -> int:
    """The process that the supervisor runs; 0 when none runs. A number that now means another process is none."""
    with suppress(OSError, ValueError):
        pid, _, identity = [*(settings.BRAINPOD.run / f"{name}.pid").read_text().split(), "", ""][:3]
        if identity and process.identity(int(pid)) == identity:
            return int(pid)
    return 0


def own_ports() -> frozenset[int]:
    """Ports of the loopback at which something of the platform's own listens."""
    config = settings.BRAINPOD
    ports = {config.port, config.https_port}
    with suppress(PlatformError):
        if not config.vault_addr:
            ports.add(urlsplit(openbao.access(config.state).address).port or 0)
    return frozenset(ports - {0})
