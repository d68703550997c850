"""What a request about a database server says: where it is, who connects, and what is wanted there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.conf import settings

from apps import sql
from apps.core.addresses import resolve_public
from apps.core.errors import Detail, Invalid
from apps.databases import targets
from apps.databases.actions import LONGEST as SQL
from apps.databases.targets import Target
from apps.infrastructure import places
from apps.infrastructure.models import Service, Type
from apps.sql.base import Where

__all__ = ["SQL", "names", "number", "target", "text"]

PORTS = {"mysql": 3306, "mariadb": 3306, "postgresql": 5432}
ALIASES = {"postgres": "postgresql"}
LONGEST = 1000  # characters of a field


def target(sent: dict[str, Any]) -> Target:
    """The server, and the user that is signed in as. `host` or `container` may be the name of a service or its
    container; without a `username` that is whom the platform itself signs in as, and who only reads is the reader.

    Raises Invalid naming the field; Unavailable for a service that does not run;
    Conflict("service_without_credentials").
    """
    kind = text(sent, "type").lower()
    kind = ALIASES.get(kind, kind)
    if kind not in PORTS:
        raise Invalid([Detail("type", f"must be one of {', '.join(PORTS)}.")])
    port = number(sent, "port", PORTS[kind], 65535)
    username, password = text(sent, "username", needed=False), text(sent, "password", needed=False)
    database = text(sent, "database", needed=False)
    named = _service(text(sent, "container", needed=False) or text(sent, "host"), kind)
    if named is not None and not username:
        found = targets.of_service(named)
        whole = found.admin.at(database)
        return replace(found, admin=whole, apps=whole, reader=sql.reader_of(whole))
    if not username:
        raise Invalid([Detail("username", "is needed.")])
    if named is not None:
        found = targets.of_service_as(named, username, password)
        return replace(found, admin=found.admin.at(database), apps=found.apps.at(database))
    host = text(sent, "host")
    where = Where(kind, _address(host, port), port, username, password, database)
    return targets.elsewhere(where, f"{host[:56]}:{port}")


def _service(name: str, kind: str) -> Service | None:
    """The database server called `name`, or whose container is."""
    found = Service.objects.filter(name=name).first() or Service.objects.filter(container=name).first()
    if found is None or not found.is_server or found.type in (Type.REDIS, Type.VALKEY):
        return None
    if (found.type == Type.POSTGRESQL) != (kind == "postgresql"):
        raise Invalid([Detail("type", f"{found.name} is a {found.get_type_display()}.")])
    return found


def _address(host: str, port: int) -> str:
    """The address to connect to. Not of the platform's own; private only where an operator said so: a service, or
    BRAINPOD_ALLOWED_NETWORKS."""
    host = places.check(host, port)
    if Service.objects.filter(managed=False, host=host, port=port).exists():
        return host
    return resolve_public(host, port, field="host", allowed=settings.BRAINPOD.networks)[0]


def text(sent: dict[str, Any], field: str, *, needed: bool = True, longest: int = LONGEST) -> str:
    given = sent.get(field)
    if given is None or given == "":
        if needed:
            raise Invalid([Detail(field, "is needed.")])
        return ""
    if not isinstance(given, str):
        raise Invalid([Detail(field, "must be text.")])
    if len(given) > longest or "\0" in given:
        raise Invalid([Detail(field, f"must have {longest} characters at most, and no NUL.")])
    return given


def number(sent: dict[str, Any], field: str, usual: int, most: int, least: int = 1) -> int:
    """0 and nothing mean `usual`."""
    given = sent.get(field) or usual
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        raise Invalid([Detail(field, f"must be a whole number from {least} to {most}.")])
    return given


def names(sent: dict[str, Any], field: str, usual: list[str]) -> list[str]:
    given = sent.get(field) or usual
    if isinstance(given, str):
        given = [one.strip() for one in given.split(",")]
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given) or len(given) > 50:
        raise Invalid([Detail(field, "must be a list of names.")])
    return given
