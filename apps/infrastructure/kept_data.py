"""What the data of a managed service was made with, beside it: it outlives the service, and says what may run on it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

from apps.core.errors import Detail, Invalid
from apps.infrastructure.embedded import files
from apps.infrastructure.models import Service


@dataclass(frozen=True, slots=True)
class Kept:
    server: str
    version: str
    user: str


def _path(name: str) -> Path:
    return Path(settings.BRAINPOD.state) / "infrastructure" / f"{name}.json"


def of(name: str) -> Kept | None:
    try:
        return Kept(**json.loads(_path(name).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def note(service: Service, server: str) -> None:
    path = _path(service.name)
    files.directory(path.parent, 0o711)
    files.write(path, json.dumps(asdict(Kept(server, service.version, service.user))))


def take_over(service: Service, server: str, *, line_counts: bool) -> None:
    """Have `service` go on with what is there by its name. Raises Invalid where it cannot."""
    kept = of(service.name)
    if kept is None or not service.data.exists():
        return
    if kept.server != server:
        words = f"there is data of another kind of server called {service.name}: choose another name."
        raise Invalid([Detail("name", words)])
    if line_counts and service.version and service.version != kept.version:
        raise Invalid([Detail("version", f"must be {kept.version}: there is data of it called {service.name}.")])
    if service.user and service.user != kept.user:
        raise Invalid([Detail("user", f"must be {kept.user}, as in the data that is there.")])
    service.user = kept.user
    service.version = kept.version if line_counts else service.version
