"""The shapes of pods that were branched off others. Ours."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from apps.api.schemas import Linked, Pod, Strict
from apps.previews.actions import MOST_BASES
from apps.previews.models import LONGEST, MOST, MOST_SLEEP

Databases = Literal["none", "empty", "seeded"]
Moment = datetime.datetime


class Child(Linked):
    """`version`: of what is live in it."""

    name: str
    lineage: Literal["staging", "preview"]
    version: int | None
    deleting: bool
    createdAt: Moment


class StagingInput(Strict):
    """`databases`: left out, new and empty, or filled from the parent's newest backups when it is first deployed."""

    name: Annotated[str, Field(min_length=1, max_length=40)]
    withSecrets: bool = True
    databases: Databases = "empty"


class LeftOut(BaseModel):
    path: str
    message: str


class Branched(BaseModel):
    pod: Pod
    leftOut: list[LeftOut]


class Offer(BaseModel):
    """`why`: it cannot be promoted; `there`: the parent runs it already."""

    app: str
    commit: str
    possible: bool
    why: str
    there: bool


class Along(BaseModel):
    kind: str
    name: str
    change: Literal["create", "update", "delete"]


class Offers(Linked):
    """`version`: of the staging pod, to be sent back. `deployedAlong`: what the parent's draft changes already."""

    parent: str
    version: int
    apps: list[Offer]
    deployedAlong: list[Along]


class PromotionInput(Strict):
    apps: Annotated[list[Annotated[str, Field(max_length=63)]], Field(min_length=1, max_length=100)]
    version: Annotated[int, Field(ge=1, lt=2**31)]


class Promoted(Linked):
    """`revisionId`: of the parent's draft."""

    parent: str
    revisionId: str


class Preview(Linked):
    """`commit`: the newest that was heard of; `deployedCommit`: the one whose deployment was started last."""

    id: int
    name: str
    repository: str
    number: int
    title: str
    fork: bool
    state: Literal["waiting", "open", "closed"]
    waitsFor: Literal["", "approval", "limit"]
    commit: str
    deployedCommit: str
    error: str
    ended: str
    activeAt: Moment


class PreviewSettingsInput(Strict):
    """What holds for the previews of a pod. `days`: how long one lives after its last activity; `sleep`: minutes
    without a request until its web apps sleep, 0: never; `bases`: patterns of branches that a pull request has to be
    for, empty: any; `variables`: over those of the apps, no place for secrets."""

    enabled: bool
    limit: Annotated[int, Field(ge=1, le=MOST)] = 10
    days: Annotated[int, Field(ge=1, le=LONGEST)] = 7
    sleep: Annotated[int, Field(ge=0, le=MOST_SLEEP)] = 0
    databases: Databases = "empty"
    bases: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=MOST_BASES)] = []
    variables: dict[str, str] = {}


class PreviewSettings(Linked):
    enabled: bool
    limit: int
    days: int
    sleep: int
    databases: Databases
    bases: list[str]
    variables: dict[str, str]


class ApprovalInput(Strict):
    """`commit`: the one that was read, as the list has it."""

    commit: Annotated[str, Field(min_length=7, max_length=64)]
