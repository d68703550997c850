"""What is looked into: a database server of a pod, or any other, as an address with credentials."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from apps import sql
from apps.accounts.models import Team
from apps.core.errors import Conflict, NotFound
from apps.deployments import databases
from apps.infrastructure import asking, sharing, workloads
from apps.infrastructure.models import SERVERS, Allotment, Service, Type
from apps.pods import kinds
from apps.pods.contents import databases_of
from apps.pods.databases import shared_name
from apps.pods.models import Pod
from apps.servers.base import NAME, Server
from apps.servers.catalogue import SERVERS as CATALOGUE
from apps.sql.base import READER, Database, Where

TYPES = {"PostgresDB": "postgresql", "MariaDB": "mariadb", "Valkey": "valkey"}
# Of a server that is no pod's, besides the one the platform signs in as.
_SYSTEM = ("root", "postgres", "template0", "template1", "mysql", "sys", "information_schema", "performance_schema")


@dataclass(frozen=True, slots=True)
class Target:
    """`admin`: the platform's own user. `apps`: as whom people work who may write. `reader`: as whom those who may only
    look; None where nobody does. `protected`: users and databases that are not to be changed or deleted here.
    Of a server that is no pod's, `pod` and `team` are None; of a pod's database at a shared server, nothing is.
    `prefix`: with what the keys begin that are the pod's, where others have keys there."""

    name: str
    title: str
    admin: Where
    apps: Where
    reader: Where | None = None
    team: Team | None = None
    pod: Pod | None = field(default=None, repr=False)
    service: Service | None = field(default=None, repr=False)
    protected: frozenset[str] = frozenset()
    prefix: str = ""

    @property
    def lent(self) -> bool:
        """Whether it is a pod's at a server where others have theirs: only the one database is spoken of."""
        return self.pod is not None and self.service is not None

    def open(self, database: str, *, write: bool) -> AbstractContextManager[sql.Server]:
        """As the apps' user, or as the one who may only look. Raises NotFound for a database of others."""
        if self.lent and database not in ("", self.apps.database):  # the reader would be let in there
            raise NotFound(f"database {database}")
        if write or self.reader is None:
            return sql.open(self.apps)
        return sql.open_reader(self.admin, self.reader, database or self.apps.database)

    def open_names(self) -> AbstractContextManager[sql.Server]:
        """For names, sizes and structure, whoever asks."""
        return sql.open(self.apps if self.lent else self.admin)

    def databases(self, server: sql.Server) -> list[Database]:
        """Those of an open `server` that may be spoken of."""
        return [it for it in server.databases() if not self.lent or it.name == self.apps.database]

    def open_admin(self) -> AbstractContextManager[sql.Server]:
        """For its databases and users. Raises Conflict("shared_server_managed")."""
        if self.lent:
            words = f"{self.name} is a database at a shared server: others have theirs there."
            raise Conflict("shared_server_managed", words, "Databases and users need a server of the pod's own.")
        return sql.open(self.admin)


def server_of(kind: str) -> Server | None:
    return kinds.get(kind).server


def of_service(service: Service) -> Target:
    """An infrastructure service, managed or external, as the platform signs in there.

    Raises Unavailable for one that was not started, or with the secret store, Conflict("service_without_credentials").
    """
    at = workloads.place(service)
    if at.without_credentials:
        raise asking.without_credentials()
    return of_service_as(service, at.user, at.password)


def of_service_as(service: Service, username: str, password: str) -> Target:
    """The same as any user of it. Raises Unavailable for one that was not started."""
    type = "valkey" if SERVERS[Type(service.type)] == "Valkey" else str(service.type)
    where = Where(type, *workloads.endpoint(service), username, password)
    own = [NAME] if service.managed else []
    lent = [it.database for it in service.allotments.all()] if service.pk else []
    return Target(
        name=service.name, title=service.get_type_display(), admin=where, apps=where, service=service,
        protected=frozenset((service.user, READER, *_SYSTEM, *own, *lent)),
    )  # fmt: skip


def elsewhere(where: Where, name: str) -> Target:
    """A server that is no service, as whoever is known there. What pods have, on servers of their own and at shared
    ones, is protected by whatever address one comes."""
    lent = Allotment.objects.values_list("database", flat=True)
    return Target(
        name=name, title=name, admin=where, apps=where,
        protected=frozenset((NAME, READER, *(server.admin for server in CATALOGUE.values()), *_SYSTEM, *lent)),
    )  # fmt: skip


def of_pod(pod: Pod, name: str) -> Target:
    """A database of what is live.

    Raises NotFound, Conflict("nothing_runs"), Unavailable with the secret store.
    """
    live = pod.live
    found = live.snapshot().get(name) if live else None
    if live is None or found is None or (server := server_of(found.kind)) is None:
        raise NotFound("such database in what is live")
    spec = databases_of(live.snapshot())[name]
    if spec.service:
        row = _lent(pod, name)
        if not server.users:
            return _shared_keys(row, pod, name)
        return _shared(row, pod, name, databases.credentials(live, name, spec.credentials).password)
    workload = pod.workloads.filter(app=name, stopped_at=None, serving=True).order_by("-id").first()
    if workload is None:
        raise Conflict("nothing_runs", f"{name} does not run.", "Start it, or deploy it, to look into it.")
    host, port = databases.endpoint(workload)
    passwords = databases.credentials(live, name, spec.credentials)
    admin = Where(TYPES[found.kind], host, port, server.admin, passwords.admin_password, NAME if server.users else "")
    return Target(
        name=name, title=server.title, admin=admin, apps=admin.as_user(NAME, passwords.password),
        reader=sql.reader_of(admin), team=pod.team, pod=pod,
        protected=frozenset((server.admin, NAME, READER, "root", "postgres")),
    )  # fmt: skip


def _lent(pod: Pod, name: str) -> Allotment:
    rows = Allotment.objects.filter(pod=pod, database=shared_name(pod.pk, name), released_at=None)
    row = rows.select_related("service").first()
    if row is None:
        raise Conflict("nothing_runs", f"{name} has nothing at a shared server.", "Deploy it, to look into it.")
    return row


def _shared(row: Allotment, pod: Pod, name: str, password: str) -> Target:
    """As the pod's own user there, or as one who reads nothing but this database."""
    found = of_service(row.service)
    apps = found.admin.as_user(row.database, password).at(row.database)
    reader = sql.reader_of(apps, sharing.reader(row.database))
    return replace(found, name=name, team=pod.team, pod=pod, apps=apps, reader=reader)


def _shared_keys(row: Allotment, pod: Pod, name: str) -> Target:
    """As the platform signs in there, kept to the keys that are the pod's own (apps/databases/keyspace.py)."""
    return replace(of_service(row.service), name=name, team=pod.team, pod=pod, prefix=f"{row.database}:")
