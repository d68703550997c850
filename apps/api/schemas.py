"""The shapes of answers and requests: the public API's names, as pydantic models."""

from __future__ import annotations

import datetime
import uuid
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from apps.api.kinds import spec_schemas

API_VERSION = "pod.brainpod.io/v1alpha1"
State = Literal["draft", "canceled", "pending", "ready", "deployed", "failed"]
Phase = Literal["Queued", "Starting", "Degraded", "Ready"]
KindName = Literal["App", "Config", "Route", "Postgres", "MariaDB", "Valkey", "Disk"]


class Strict(BaseModel):
    """Of a request: what is not known is refused by its name."""

    model_config = ConfigDict(extra="forbid")


class Link(BaseModel):
    href: str


class Detail(BaseModel):
    path: str
    message: str


class ErrorBody(BaseModel):
    code: Literal[
        "BAD_REQUEST", "VALIDATION_ERROR", "UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "PRECONDITION_FAILED",
        "RATE_LIMITED", "REQUEST_TOO_LARGE", "REQUEST_TIMEOUT", "SERVICE_UNAVAILABLE", "INTERNAL_ERROR",
    ]  # fmt: skip
    message: str
    requestId: str
    details: list[Detail] = []


class ErrorResponse(BaseModel):
    error: ErrorBody


class Linked(BaseModel):
    links: dict[str, Link | None] = Field(alias="_links")


class Permission(BaseModel):
    action: str
    resources: list[str]
    excludedResources: list[str]


class User(Linked):
    email: str | None
    policy: dict[str, Any] | None
    permissions: list[Permission]


class Cluster(BaseModel):
    id: uuid.UUID
    provider: str | None
    region: str | None
    architectures: list[str]


class RevisionBase(Linked):
    id: uuid.UUID
    parent: uuid.UUID | None
    version: int
    summary: str | None
    error: str | None
    createdAt: datetime.datetime


class Head(RevisionBase):
    status: State


class Revision(RevisionBase):
    state: State
    isLatest: bool
    isDeployed: bool


class RevisionList(Linked):
    items: list[Revision]


class Pod(Linked):
    name: str
    displayName: str | None
    head: Head
    deployed: Head | None
    createdAt: datetime.datetime
    isOwner: bool


class PodCreateInput(Strict):
    """`name` is ours: else one is made of `displayName`."""

    displayName: Annotated[str | None, Field(max_length=200)] = None
    name: Annotated[str | None, Field(max_length=40)] = None


class Deletion(BaseModel):
    name: str


class Metadata(Strict):
    name: str = Field(min_length=1, max_length=63)
    namespace: Literal["default"] = "default"


class Content(Strict):
    """A resource as it is written. What `spec` has is checked by the kind."""

    apiVersion: Literal["pod.brainpod.io/v1alpha1"]
    kind: KindName
    metadata: Metadata
    spec: dict[str, Any]

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        made = handler.resolve_ref_schema(handler(core))
        whole = {**made, "properties": dict(made["properties"])}
        kinds = [
            {
                **whole,
                "title": f"{kind}Content",
                "properties": whole["properties"] | {"kind": {"const": kind, "type": "string"}, "spec": spec},
            }
            for kind, spec in spec_schemas().items()
        ]
        return {"oneOf": kinds, "title": "Content"}


class Replica(BaseModel):
    name: str
    phase: Phase
    reason: str = ""


class Status(BaseModel):
    """Of an app and a database: phase and replicas; of a disk: phase, bound and ready; of the others: ready."""

    phase: str = ""
    readyReplicas: int = 0
    replicas: list[Replica] = []
    bound: bool = False
    ready: bool = False


class Resource(Linked):
    urn: str
    content: Content
    status: Status | None
    healthy: bool


class RevisionDetail(Revision):
    checksum: str | None
    resources: list[Resource]


class Entry(Linked):
    kind: KindName
    name: str
    changeType: Literal["create", "update", "delete"]
    patch: str


class RevisionDiff(Linked):
    revision: uuid.UUID
    base: uuid.UUID | None
    entries: list[Entry]


class ResourceMutation(Linked):
    revisionId: uuid.UUID
    resources: list[Resource]


class DryRunResult(BaseModel):
    valid: Literal[True]


class DeployInput(Strict):
    """`confirmed` and `plan` are ours: agreeing to what is destroyed, and the plan that was read."""

    summary: Annotated[str, Field(max_length=400)] = ""
    confirmed: bool = False
    plan: Annotated[str | None, Field(max_length=64)] = None


class RollbackInput(Strict):
    confirmed: bool = False
    plan: Annotated[str | None, Field(max_length=64)] = None


class DeploymentAccepted(Linked):
    revisionId: uuid.UUID
    state: State
    error: str | None


class PlanLine(BaseModel):
    kind: str
    name: str
    action: Literal["create", "rebuild", "restart", "update", "no-op", "destroy"]
    consequence: str
    destructive: bool


class Plan(Linked):
    revisionId: uuid.UUID
    token: str
    lines: list[PlanLine]
    problems: list[Detail]
    warnings: list[Detail]
    notes: list[str]


class Event(BaseModel):
    id: str
    body: str
    timestamp: datetime.datetime
    kind: Literal["app", "platform", "httpAccess"]
    level: Literal["info", "warn", "error", "debug", "trace"] = "info"
    reason: str = ""
    method: str = ""
    path: str = ""
    host: str = ""
    status: int = 0
    durationMs: float = 0
    bytesSent: int = 0
    bytesReceived: int = 0
    clientIp: str = ""
    requestId: str = ""


class EventList(Linked):
    items: list[Event]
