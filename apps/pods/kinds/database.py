"""PostgresDB, MariaDB, Valkey: a server of the pod's own, its data on one of the pod's disks."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, field_validator, model_validator
from pydantic import Field as Constraint

from apps.core.errors import Detail, Invalid
from apps.pods.kinds.base import Field, Kind, Part
from apps.pods.kinds.types import OptionalName, Whole
from apps.pods.sizes import OPTIONS
from apps.servers.base import Server
from apps.servers.mariadb import MARIADB
from apps.servers.postgres import POSTGRES
from apps.servers.valkey import VALKEY

NEW_DISK = "newDisk"  # what the form asks besides: the size of a disk to be made with it
USUAL_SIZE = 10  # GB


class Spec(Part):
    """`credentials`: which version of its passwords counts; made and raised by the platform, left out on input.

    `service`, "server" in words: the infrastructure service that it is a database of, instead of a server of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)
    server: ClassVar[Server]

    version: str
    service: OptionalName = Constraint(default="", alias="server")
    instance: Literal[".25x", ".5x", "1x", "2x", "4x", "8x"] = "1x"
    disk: OptionalName = ""
    credentials: Annotated[Whole, Constraint(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _of_the_service(cls, given: Any) -> Any:
        """Version and size of a shared server are its own."""
        if isinstance(given, dict) and given.get("server"):
            return {**given, "version": "", "instance": "1x"}
        return given

    @field_validator("version")
    @classmethod
    def _version(cls, version: str) -> str:
        if version and version not in cls.server.versions:
            raise Invalid(f"must be one of {', '.join(cls.server.versions)}.")
        return version

    @model_validator(mode="after")
    def _somewhere(self) -> Spec:
        if self.service:
            if self.disk:
                raise Invalid([Detail("disk", "is none of a database on a shared server: leave one of the two out.")])
            return self
        if not self.version:
            raise Invalid([Detail("version", f"must be one of {', '.join(self.server.versions)}.")])
        if not self.disk:
            raise Invalid([Detail("disk", "is required: its data is on a disk of its own. Make one first.")])
        return self


class Postgres(Spec):
    server = POSTGRES
    version: str = "18"


class Maria(Spec):
    server = MARIADB
    version: str = "11.8"


class Keys(Spec):
    server = VALKEY
    version: str = "9"


def _kind(spec: type[Spec], plural: str, about: str) -> Kind[Spec]:
    server = spec.server
    own: tuple[tuple[str, tuple[str, ...]], ...] = (("server", ("",)),)
    made = "the database is made there, with" if server.users else "its keys begin with its prefix there, and it has"
    return Kind(
        name=server.kind,
        plural=plural,
        icon="server",
        about=about,
        Spec=spec,
        form=(
            Field(
                "server", "Server", "name", section=server.title, kind=server.kind, blank="One of its own",
                hint=f"Or a shared one: {made} a user of its own. Fixed once deployed.",
            ),
            Field(
                "version", "Version", "select", section=server.title, hint="It is fixed once deployed.", when=own,
                options=tuple((version, f"{server.title} {version}") for version in server.versions),
            ),
            Field("instance", "Instance", "select", section=server.title, options=OPTIONS, when=own),
            Field(
                "disk", "Disk", "name", section="Data", kind="Disk", blank="A new disk", when=own,
                hint="All its data is there. The disk stays when the database goes.",
            ),
            Field(
                NEW_DISK, "Size of the new disk", "number", section="Data", unit="GB", placeholder=str(USUAL_SIZE),
                when=(*own, ("disk", ("",))), aside=True, hint="5 to 500. A disk grows later; it never shrinks.",
            ),
        ),
        references=lambda it: {it.disk} - {""},
        immutable=frozenset({"version", "disk", "server"}),
        runs=True,
        server=server,
    )  # fmt: skip


DATABASES = (
    _kind(Postgres, "PostgreSQL databases", "A PostgreSQL of the pod's own. Apps use ${name.uri}."),
    _kind(Maria, "MariaDB databases", "A MariaDB of the pod's own. Apps use ${name.uri}."),
    _kind(Keys, "Valkey stores", "A Valkey, which speaks Redis, of the pod's own. Apps use ${name.uri}."),
)
