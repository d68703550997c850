"""The services that deployments share: servers that Brainpod runs, or only connects to."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models

from apps.core.ids import new_id
from apps.pods.models import Pod


class Type(models.TextChoices):
    NGINX = "nginx", "nginx"
    MYSQL = "mysql", "MySQL"
    MARIADB = "mariadb", "MariaDB"
    POSTGRESQL = "postgresql", "PostgreSQL"
    REDIS = "redis", "Redis"
    VALKEY = "valkey", "Valkey"
    CERTBOT = "certbot", "Certbot"
    OPENBAO = "openbao", "OpenBao"


SERVERS = {
    Type.MYSQL: "MariaDB",
    Type.MARIADB: "MariaDB",
    Type.POSTGRESQL: "PostgresDB",
    Type.REDIS: "Valkey",
    Type.VALKEY: "Valkey",
}
"""Those that are declared or added, with the server (apps/servers/catalogue.py) that is run where Brainpod runs one."""

DATABASES = (Type.MYSQL, Type.MARIADB, Type.POSTGRESQL)
PORTS = {Type.MYSQL: 3306, Type.MARIADB: 3306, Type.POSTGRESQL: 5432, Type.REDIS: 6379, Type.VALKEY: 6379}


class Declared(models.TextChoices):
    BUILT_IN = "built in", "built in"
    FILE = "file", "infrastructure.yml"
    DASHBOARD = "dashboard", "the dashboard"


class Service(models.Model):
    """`managed`: Brainpod runs it; otherwise it is at `host` and `port` and only connected to.

    Of a managed one: `engine` runs it as the workload `run` (empty: nothing was started) by `handle`, while `wanted`
    is "running". `version`: the release line asked for, empty for the newest that is there; `image`: instead of the
    usual one. `path` and `secret` say where the secret store has its passwords; 0: there are none.
    `enabled`: what infrastructure.yml said last. `last_error`: why it could not be started, empty since it could.
    Built in ones have no row: apps/infrastructure/builtin.py makes them.
    """

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    name = models.CharField(max_length=40, unique=True)
    type = models.CharField(max_length=10, choices=Type.choices)
    managed = models.BooleanField()
    declared = models.CharField(max_length=9, choices=Declared.choices, default=Declared.DASHBOARD)
    shared = models.BooleanField(default=False)  # whether pods may have databases of their own there
    host = models.CharField(max_length=253, blank=True)
    port = models.PositiveIntegerField(default=0)
    user = models.CharField(max_length=32, blank=True)  # whom the platform signs in as
    path = models.CharField(max_length=120, blank=True)
    secret = models.PositiveIntegerField(default=0)
    engine = models.CharField(max_length=10, blank=True)
    container = models.CharField(max_length=63, blank=True)
    image = models.CharField(max_length=255, blank=True)
    version = models.CharField(max_length=20, blank=True)
    memory = models.PositiveIntegerField(default=512)  # MB
    wanted = models.CharField(max_length=7, choices=(("running", "running"), ("stopped", "stopped")), default="running")
    enabled = models.BooleanField(default=True)
    run = models.CharField(max_length=16, blank=True, db_index=True)
    handle = models.JSONField(default=dict, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def built_in(self) -> bool:
        return self.declared == Declared.BUILT_IN

    @property
    def external(self) -> bool:
        return not self.managed

    @property
    def is_server(self) -> bool:
        """Whether it has databases, or keys."""
        return self.type in SERVERS

    @property
    def without_credentials(self) -> bool:
        """Whether nobody said how to sign in; key stores may ask for nothing."""
        return self.external and self.type in DATABASES and not self.user and not self.secret

    @property
    def stream(self) -> str:
        """Of what it writes, since it was started last."""
        return f"workload:{self.run}" if self.run else ""

    @property
    def data(self) -> Path:
        """Where the data of a managed one is on this host."""
        return Path(settings.BRAINPOD.state) / "infrastructure" / self.name

    @property
    def config(self) -> dict[str, Any]:
        """What is set of it, without anything secret."""
        usual = {"host": self.host, "port": self.port, "user": self.user, "version": self.version}
        own = {"container": self.container, "image": self.image, "memory_mb": self.memory} if self.engine else {}
        return {name: value for name, value in (usual | own | {"shared": self.shared}).items() if value}

    @property
    def container_id(self) -> str:
        """What the engine knows it by; empty for what no engine runs."""
        return str(self.handle.get("container") or self.run)


def builtin(name: str, kind: Type, *, managed: bool, since: datetime.datetime | None, **fields: Any) -> Service:
    """A service without a row."""
    made = Service(id="", name=name, type=kind, managed=managed, declared=Declared.BUILT_IN, memory=0, **fields)
    made.created_at = since  # type: ignore[assignment]  # nobody knows before the first start
    return made


class Allotment(models.Model):
    """A database of its own that a pod's resource has at a shared service, and the user of the same name, `database`.

    `released_at`: when the pod stopped having it; it is locked since, and there until an operator drops it.
    """

    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="allotments")
    pod = models.ForeignKey(Pod, null=True, on_delete=models.SET_NULL, related_name="+")
    pod_name = models.CharField(max_length=63)
    team_name = models.CharField(max_length=100)
    resource = models.CharField(max_length=63)
    database = models.CharField(max_length=32)
    secret = models.PositiveIntegerField(default=0)  # the version of the password that was set last
    created_at = models.DateTimeField(auto_now_add=True)
    released_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("pod_name", "resource", "id")
        constraints = (models.UniqueConstraint(fields=("service", "database"), name="one_allotment_per_database"),)

    def __str__(self) -> str:
        return f"{self.pod_name} {self.resource}"


class ServiceEvent(models.Model):
    """Something that happened to a service, in words, and who did it (null: the platform). Rows are written once.

    By the service's name, which outlives it.
    """

    service = models.CharField(max_length=40)
    at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=10)  # added | changed | removed | start | stop | restart | update | failed
    words = models.CharField(max_length=500)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("service", "-id")),)

    def __str__(self) -> str:
        return self.words
