"""The databases of a pod: their passwords, and how its apps reach them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog
from django.db import transaction

from apps import engines
from apps.core.errors import PlatformError
from apps.core.ids import short
from apps.pods.contents import databases_of
from apps.pods.kinds.base import Kind
from apps.pods.kinds.database import Spec
from apps.pods.models import Pod, Resource, Revision, Snapshot
from apps.pods.moving import engine_of
from apps.secretstore import secrets as secret_store
from apps.servers.base import SERVICES, Access

PASSWORD, ADMIN_PASSWORD = "password", "admin_password"  # under which they are kept at the path
_BYTES = 24
log = structlog.get_logger(__name__)


def credentials_path(pod_id: str, database: str) -> str:
    """No app or Config has a secret of this name: those of people have no hyphen."""
    return f"pods/{pod_id}/{database}/brainpod-credentials"


def newest_here(kind: Kind[Any], revision: Revision | None) -> str:
    """The newest version of the database that this host has, where `revision` runs its databases on this host; else
    empty: the kind's usual one will do."""
    if kind.server is None or engine_of(revision) != "process":
        return ""
    there = kind.server.installed()
    return next((version for version in kind.server.versions if version in there), "")


def shared_name(pod_id: str, database: str) -> str:
    """What a database at a shared server is called there, and its user, whose keys begin with it where it has keys
    instead: the same for no two of any pods."""
    return f"p{pod_id}_{short(database, 12)}"


def access(engine: str, pod_id: str, name: str, spec: Spec, password: str) -> Access:
    """How apps on `engine` reach a database of the pod."""
    runner = engines.named(engine or engines.default())
    if not spec.service:
        return spec.server.access(runner.peer_host(pod_id, name), password)
    return spec.server.access(runner.peer_host(SERVICES, spec.service), password, shared_name(pod_id, name))


def make_credentials(pod: Pod, database: str) -> int:
    """New passwords, which nothing uses yet; their version. Raises Unavailable."""
    made = {PASSWORD: secrets.token_urlsafe(_BYTES), ADMIN_PASSWORD: secrets.token_urlsafe(_BYTES)}
    return secret_store().write(credentials_path(pod.pk, database), made)


def forget_unused(pod: Pod, gone: Snapshot) -> None:
    """Forget the passwords of the databases in `gone` that no revision names any more, once that is committed.

    By version: somebody may be making a database of that name just now. A store that does not answer keeps them, which
    is noted in the log.
    """
    for name, spec in databases_of(gone).items():
        named = Resource.objects.filter(revision__pod=pod, name=name, spec__credentials=spec.credentials)
        if spec.credentials and not named.exists():
            transaction.on_commit(partial(_forget, credentials_path(pod.pk, name), spec.credentials))


def _forget(path: str, version: int) -> None:
    try:
        secret_store().destroy(path, version)
    except PlatformError as error:
        log.warning("credentials_left", path=path, version=version, error=str(error))


def placeholders(snapshot: Snapshot) -> dict[str, Access]:
    """By name, with what tells one version of the passwords from another in their place."""
    return {
        name: spec.server.access(name, f"{name}-v{spec.credentials}", name if spec.service else "")
        for name, spec in databases_of(snapshot).items()
    }


def accesses(revision: Revision, passwords: Mapping[str, str]) -> dict[str, Access]:
    """How the apps of `revision` reach its databases where it runs; only those whose password is given."""
    found = {}
    for name, spec in databases_of(revision.snapshot()).items():
        if name in passwords:
            found[name] = access(revision.engine, revision.pod_id, name, spec, passwords[name])
    return found


def check_passwords(names: set[str], passwords: Mapping[str, str]) -> None:
    """Raises PlatformError("secret_missing"): an app never starts with half an address of its database."""
    if missing := names - passwords.keys():
        raise PlatformError("secret_missing", f"The password of {min(missing)} was not read.", "Deploy again.")
