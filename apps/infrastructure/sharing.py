"""Databases of pods at shared servers: made with a user of their own, locked when a pod has them no more, dropped."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
import pymysql
import structlog
from django.utils import timezone

from apps import sql
from apps.core.errors import Conflict, Detail, Invalid, NotFound, PlatformError, UserError
from apps.infrastructure import key_users, workloads
from apps.infrastructure.models import SERVERS, Allotment, Service, Type
from apps.pods.models import Pod

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
SEALED = ("template1", "postgres", "brainpod")  # databases that PostgreSQL lets everybody into, or that are ours


def shared_names(kind: str) -> set[str]:
    """The services that a resource of `kind` may be at."""
    types = [one for one, server in SERVERS.items() if server == kind]
    return set(Service.objects.filter(shared=True, managed=True, type__in=types).values_list("name", flat=True))


def service_for(name: str, kind: str, engine: str) -> Service:
    """Raises UserError("shared_server_unknown" | "shared_server_elsewhere")."""
    service = Service.objects.filter(name=name).first()
    if service is None or name not in shared_names(kind):
        raise UserError(
            "shared_server_unknown",
            f"There is no shared server {name} for this kind of database.",
            "Choose another one, or ask an operator to share it.",
        )
    if service.engine != engine:
        raise UserError(
            "shared_server_elsewhere",
            f"{name} runs on another engine ({service.engine}) than this pod: its apps cannot reach it.",
            "Choose a server of its own, or another engine for the pod.",
        )
    return service


def have(service: Service, *, pod: Pod, resource: str, database: str, password: str, version: int) -> bool:
    """Have the database and its user, with `password`, which is the `version`-th; False if it was so already.

    Raises Unavailable while the server does not answer, UserError("shared_server_outdated").
    """
    row, _ = Allotment.objects.get_or_create(
        service=service, database=database,
        defaults={"pod": pod, "pod_name": pod.name, "team_name": pod.team.name, "resource": resource},
    )  # fmt: skip
    current = row.secret == version and row.released_at is None
    if _has_keys(service):
        current = not key_users.have(service, database, password) and current
    elif not current:
        _have_database(service, database, password)
    if current:
        return False
    Allotment.objects.filter(pk=row.pk).update(secret=version, released_at=None, pod=pod, pod_name=pod.name)
    return True


def _have_database(service: Service, name: str, password: str) -> None:
    with _open(service) as server:
        if name in {user.name for user in server.users()}:
            server.change_password(name, password)
        else:
            server.create_user(name, password)
        if name not in {one.name for one in server.databases()}:
            server.create_database(name, owner=name)


def reader(database: str) -> str:
    """Who may only look into a pod's database (apps/databases/targets.py): no longer than MySQL allows a user."""
    return f"{database}_r"


def release(row: Allotment) -> None:
    """Lock it: nobody knows its password any more, and connections under way end. Its data stays.

    A server that does not answer is no obstacle: the password goes with the pod's secrets.
    """
    try:
        if _has_keys(row.service):
            key_users.lock(row.service, row.database)
        else:
            _lock(row)
    except (PlatformError, UserError) as error:
        log.warning("allotment_not_locked", database=row.database, error=str(error))
    Allotment.objects.filter(pk=row.pk).update(released_at=timezone.now())
    workloads.tell(row.service, "released", f"{row} has its database {row.database} no more; it is locked")


def _lock(row: Allotment) -> None:
    with _open(row.service) as server:
        server.change_password(row.database, secrets.token_urlsafe(32))
        with suppress(NotFound):  # nobody has looked
            server.delete_user(reader(row.database))
    _disconnect(row.service, row.database)


def drop(row: Allotment, *, confirm: str, by: User | None) -> None:
    """Destroy its data, for good. Raises Conflict("allotment_used"), Invalid naming `confirm`, Unavailable."""
    if row.released_at is None:
        raise Conflict("allotment_used", f"{row} uses {row.database}.", "Take it out of the pod first, and deploy.")
    if confirm.strip() != row.database:
        raise Invalid([Detail("confirm", f"must be {row.database}, to make sure.")])
    if _has_keys(row.service):
        key_users.drop(row.service, row.database)
    else:
        _drop_database(row)
    row.delete()
    workloads.tell(row.service, "dropped", f"{row.database} of {row} was dropped with all its data", by)


def _drop_database(row: Allotment) -> None:
    with _open(row.service) as server:
        with suppress(NotFound):
            server.delete_database(row.database)
        for user in (row.database, reader(row.database)):
            with suppress(NotFound):
                server.delete_user(user)


def _has_keys(service: Service) -> bool:
    return service.type in (Type.REDIS, Type.VALKEY)


@contextmanager
def _open(service: Service) -> Iterator[sql.Server]:
    place = workloads.place(service)
    kind = "postgresql" if service.type == Type.POSTGRESQL else "mariadb"
    if kind == "postgresql":
        _seal(service)
    with sql.open(sql.Where(kind, place.host, place.port, place.user, place.password)) as server:
        yield server


def _seal(service: Service) -> None:
    """Let nobody into what PostgreSQL lets everybody into."""
    with _postgres(service) as made:
        for name in SEALED:
            if made.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                words = psycopg.sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(psycopg.sql.Identifier(name))
                made.execute(words)


def _disconnect(service: Service, user: str) -> None:
    if service.type == Type.POSTGRESQL:
        with _postgres(service) as made:
            made.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [user])
        return
    place = workloads.place(service)
    with pymysql.connect(
        host=place.host, port=place.port, user=place.user, password=place.password, connect_timeout=3
    ) as made, made.cursor() as cursor:  # fmt: skip
        cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = %s", [user])
        for (number,) in cursor.fetchall():
            cursor.execute("KILL CONNECTION %s", [number])


@contextmanager
def _postgres(service: Service) -> Iterator[psycopg.Connection]:
    place = workloads.place(service)
    try:
        with psycopg.connect(
            host=place.host, port=place.port, user=place.user, password=place.password, dbname="postgres",
            autocommit=True, connect_timeout=3,
        ) as made:  # fmt: skip
            yield made
    except psycopg.OperationalError:
        raise workloads.silent(service) from None
