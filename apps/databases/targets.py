"""What is looked into: a database server of a pod, or any other, as an address with credentials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace

from apps import sql
from apps.accounts.models import Team
from apps.core.errors import Conflict, NotFound
from apps.deployments import databases
from apps.infrastructure import workloads
from apps.infrastructure.models import SERVERS, Allotment, Service, Type
from apps.pods import kinds
from apps.pods.contents import databases_of
from apps.pods.databases import shared_name
from apps.pods.models import Pod
from apps.servers.base import NAME, Server
from apps.sql.base import READER, Where

TYPES = {"PostgresDB": "postgresql", "MariaDB": "mariadb", "Valkey": "valkey"}
# Of a server that is no pod's, besides the one the platform signs in as.
_SYSTEM = ("root", "postgres", "template0", "template1", "mysql", "sys", "information_schema", "performance_schema")


@dataclass(frozen=True, slots=True)
class Target:
    """`admin`: the platform's own user. `apps`: as whom people work who may write. `protected`: users and databases
    that are not to be changed or deleted here. Of a server that is no pod's, `pod` and `team` are None.
    `prefix`: with what the keys begin that are the pod's, where others have keys there."""

    name: str
    title: str
    admin: Where
    apps: Where
    team: Team | None = None
    pod: Pod | None = field(default=None, repr=False)
    service: Service | None = field(default=None, repr=False)
    protected: frozenset[str] = frozenset()
    prefix: str = ""

    def open(self, database: str, *, write: bool) -> AbstractContextManager[sql.Server]:
        """As the apps' user, or as the one who may only look.

        On a server that is no pod's that one is not made: only operators get there, who may write anyway.
        """
        if write or self.pod is None:
            return sql.open(self.apps)
        return sql.open_reader(self.admin, database or self.apps.database)

    @contextmanager
    def open_admin(self) -> Iterator[sql.Server]:
        with sql.open(self.admin) as server:
            yield server


def server_of(kind: str) -> Server | None:
    return kinds.get(kind).server


def of_service(service: Service) -> Target:
    """An infrastructure service, managed or external, as the platform signs in there.

    Raises Unavailable for one that was not started, or with the secret store.
    """
    at = workloads.place(service)
    type = "valkey" if SERVERS[Type(service.type)] == "Valkey" else str(service.type)
    where = Where(type, at.host, at.port, at.user, at.password)
    own = [NAME] if service.managed else []
    lent = [it.database for it in service.allotments.all()] if service.pk else []
    return Target(
        name=service.name, title=service.get_type_display(), admin=where, apps=where, service=service,
        protected=frozenset((at.user, READER, *_SYSTEM, *own, *lent)),
    )  # fmt: skip


def of_pod(pod: Pod, name: str) -> Target:
    """A database of what is live.

    Raises NotFound, Conflict("nothing_runs" | "shared_not_opened"), Unavailable with the secret store.
    """
    live = pod.live
    found = live.snapshot().get(name) if live else None
    if live is None or found is None or (server := server_of(found.kind)) is None:
        raise NotFound("such database in what is live")
    spec = databases_of(live.snapshot())[name]
    if spec.service and found.kind == "Valkey":
        return _of_shared_keys(pod, name)
    if spec.service:
        words = f"{name} is a database at the shared server {spec.service}, which cannot be looked into from here yet."
        raise Conflict("shared_not_opened", words, "Connect with a client of your own, from an app of the pod.")
    workload = pod.workloads.filter(app=name, stopped_at=None, serving=True).order_by("-id").first()
    if workload is None:
        raise Conflict("nothing_runs", f"{name} does not run.", "Start it, or deploy it, to look into it.")
    host, port = databases.endpoint(workload)
    passwords = databases.credentials(live, name, spec.credentials)
    admin = Where(TYPES[found.kind], host, port, server.admin, passwords.admin_password, NAME if server.users else "")
    return Target(
        name=name, title=server.title, admin=admin, apps=admin.as_user(NAME, passwords.password), team=pod.team,
        pod=pod, protected=frozenset((server.admin, NAME, READER, "root", "postgres")),
    )  # fmt: skip


def _of_shared_keys(pod: Pod, name: str) -> Target:
    """As the platform signs in there, kept to the keys that are the pod's own (apps/databases/keyspace.py)."""
    rows = Allotment.objects.filter(pod=pod, database=shared_name(pod.pk, name), released_at=None)
    row = rows.select_related("service").first()
    if row is None:
        raise Conflict("nothing_runs", f"{name} has nothing at a shared server.", "Deploy it, to look into it.")
    return replace(of_service(row.service), name=name, team=pod.team, pod=pod, prefix=f"{row.database}:")
