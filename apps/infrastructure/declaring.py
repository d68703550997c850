"""What infrastructure.yml declares, done: soon after the file changed, by whoever reconciles.

A service that the file names no longer goes on, and is changed and removed on the dashboard from then on.
"""

from __future__ import annotations

import hashlib
from typing import Any

import structlog

from apps.core.errors import PlatformError, Unavailable, UserError
from apps.infrastructure import actions, credentials, lifecycle, workloads
from apps.infrastructure.declaration import Database, Infrastructure, Redis, current, path
from apps.infrastructure.models import Declared, Service, ServiceEvent

log = structlog.get_logger(__name__)
_done: dict[str, str] = {}  # what this process saw through last: {"digest": …}


def tend() -> bool:
    """Do what has changed since this process looked; whether anything had. Raises Unavailable; tries again then."""
    if path() is None and not Service.objects.filter(declared=Declared.FILE).exists():
        return False
    try:
        found = current()
    except UserError as error:
        if _done.get("refused") != str(error):
            log.warning("infrastructure_refused", error=str(error))
            _done["refused"] = str(error)
        return False
    digest = _digest(found)
    if _done.get("digest") == digest:
        return False
    apply(found)
    _done.clear()
    _done["digest"] = digest
    return True


def _digest(found: Infrastructure) -> str:
    return hashlib.sha256(found.model_dump_json().encode()).hexdigest()


def apply(found: Infrastructure) -> list[str]:
    """Have the rows be what `found` says; a line for each service that could not be. Raises Unavailable."""
    problems = []
    for name, part in found.parts.items():
        row = Service.objects.filter(name=name).first()
        try:
            if row is None:
                _add(name, part)
            else:
                _change(row, part)
        except Unavailable:
            raise
        except (UserError, PlatformError) as error:
            problems.append(f"{name}: {error}")
            _note(name, str(error))
    left = Service.objects.filter(declared=Declared.FILE).exclude(name__in=found.parts)
    for row in left:
        workloads.tell(row, "changed", "It stands in infrastructure.yml no longer: it is changed here from now on")
    left.update(declared=Declared.DASHBOARD, enabled=True)
    return problems


def _add(name: str, part: Database | Redis) -> None:
    if not part.enabled:
        return
    common: dict[str, Any] = {"name": name, "type": part.type, "user": part.user, "password": part.password}
    common |= {"by": None, "declared": Declared.FILE}
    if part.external:
        actions.add_external(**common, host=part.host, port=part.port, ask=False)
    else:
        actions.add_managed(**common, container=part.container)


def _change(row: Service, part: Database | Redis) -> None:
    if row.type != part.type or row.managed == part.external:
        raise actions.other_kind(row)
    if row.managed and part.user and part.user != row.user:
        raise actions.other_user(row)
    Service.objects.filter(pk=row.pk).update(declared=Declared.FILE, container=part.container)
    row.container = part.container
    if part.enabled != row.enabled:
        Service.objects.filter(pk=row.pk).update(enabled=part.enabled)
        row.enabled = part.enabled
        if row.managed:
            (lifecycle.start if part.enabled else lifecycle.stop)(row, None)
    if not part.enabled:
        return
    password = part.password if part.password != credentials.read(row).admin_password else ""
    if row.managed:
        if password:
            actions.apply_change(row, password=password, by=None)
        return
    dropped = row.path if not part.password else ""
    if dropped:
        row.path, row.secret = "", 0  # for apply_change, which saves them
    if dropped or password or (part.host, part.port or row.port, part.user) != (row.host, row.port, row.user):
        actions.apply_change(
            row, host=part.host, port=part.port, user=part.user, password=password, by=None, ask=False
        )  # fmt: skip
    credentials.forget(dropped)


def _note(name: str, words: str) -> None:
    """Once: the next look finds the same."""
    words = f"infrastructure.yml: {words}"[:500]
    last = ServiceEvent.objects.filter(service=name).first()
    if last is None or last.words != words:
        ServiceEvent.objects.create(service=name, kind="failed", words=words)
