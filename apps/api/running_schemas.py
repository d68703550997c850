"""The shapes of what runs: deployments, logs, metrics, domains, backups, images. Ours, but for the last."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from apps.api.schemas import Linked, Strict

DeploymentState = Literal["waiting", "pending", "degraded", "ready", "failed", "cancelled"]
WorkState = Literal["pending", "in_progress", "completed", "failed"]
Moment = datetime.datetime


class Deployment(Linked):
    """`switchedAt`: when traffic moved. `error` and `hint`: why it failed, and what to do."""

    id: str
    state: DeploymentState
    trigger: Literal["manual", "push", "rollback", "redeploy", "demo"]
    version: int | None
    summary: str
    actor: str | None
    createdAt: Moment
    startedAt: Moment | None
    switchedAt: Moment | None
    finishedAt: Moment | None
    cancelling: bool
    error: str
    hint: str


class DeploymentList(Linked):
    items: list[Deployment]


class Stage(BaseModel):
    app: str
    stage: str
    state: Literal["pending", "running", "passed", "failed", "skipped"]
    startedAt: Moment | None
    finishedAt: Moment | None
    note: str


class Build(BaseModel):
    """`image`: what it is called, once it is there."""

    app: str
    commit: str
    message: str
    author: str
    image: str | None
    builtAt: Moment | None


class DeploymentDetail(Deployment):
    stages: list[Stage]
    builds: list[Build]


class LogLine(BaseModel):
    seq: int
    at: Moment
    section: str
    level: str
    text: str


class Log(Linked):
    """`cursor`: where the next page begins, also when there is nothing behind it yet. `dropped`: no longer kept."""

    items: list[LogLine]
    cursor: str
    dropped: int
    last: int


class Mark(BaseModel):
    """A deployment that went live, or ended, within the range."""

    at: float
    id: str
    version: int | None
    state: DeploymentState


class Metrics(Linked):
    """`first`, `end` and `times` are seconds since 1970, `step` is seconds. A figure that is null was not measured."""

    range: str
    step: int
    first: int
    end: int
    times: list[int]
    series: dict[str, list[float | None]]
    marks: list[Mark]


class DomainRecord(BaseModel):
    """`found`: what stands in its place now; null when nobody has looked yet."""

    type: str
    name: str
    value: str
    does: str
    found: list[str] | None
    right: bool


class Domain(Linked):
    """`change`: what the draft does to it. `looking`: somebody is about to look."""

    host: str
    state: str
    says: str
    change: Literal["", "create", "delete"]
    looking: bool
    checkedAt: Moment | None
    records: list[DomainRecord]


class DomainList(Linked):
    items: list[Domain]


class DomainInput(Strict):
    domain: Annotated[str, Field(min_length=1, max_length=300)]


class Restore(BaseModel):
    id: str
    backup: str
    target: str
    purpose: Literal["restore", "drill", "seed"]
    state: WorkState
    step: str
    error: str
    createdAt: Moment
    finishedAt: Moment | None


class Backup(Linked):
    """`size`: bytes of the file, which is encrypted. `provenAt`: when one of it was last restored."""

    id: str
    resource: str
    kind: str
    trigger: Literal["schedule", "manual"]
    state: WorkState
    error: str
    size: int
    createdAt: Moment
    finishedAt: Moment | None
    provenAt: Moment | None


class BackupList(Linked):
    items: list[Backup]


class BackupDetail(Backup):
    restores: list[Restore]


class BackupInput(Strict):
    """`resource`: the name of a database or a disk of what is live."""

    resource: Annotated[str, Field(min_length=1, max_length=63)]


class RestoreInput(Strict):
    """`target` is replaced; `confirmation` is its name once more."""

    target: Annotated[str, Field(min_length=1, max_length=63)]
    confirmation: Annotated[str, Field(max_length=63)] = ""


class Image(Linked):
    repository: str
    tag: str
    namespace: str
    visibility: Literal["public", "pod"]
    architectures: list[str]
    digest: str
    reference: str
    createdAt: Moment | None


class ImageList(Linked):
    items: list[Image]
    total: int


class ImageVariant(BaseModel):
    architecture: str
    digest: str
    reference: str
    uid: int | None
    gid: int | None
    exposedPorts: list[str]
    createdAt: Moment
    updatedAt: Moment | None


class ImageDetail(Linked):
    repository: str
    tag: str
    namespace: str
    visibility: Literal["public", "pod"]
    reference: str
    variants: list[ImageVariant]
