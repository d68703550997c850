"""App: code from a git repository, built and run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from django.conf import settings
from pydantic import Field as Constraint
from pydantic import StringConstraints, ValidationInfo, field_validator, model_validator

from apps.core.errors import Detail, Invalid
from apps.core.paths import check_relative
from apps.pods.kinds.app_form import FORM
from apps.pods.kinds.base import Kind, Part
from apps.pods.kinds.job import MOST as MOST_JOBS
from apps.pods.kinds.job import Job, check_jobs
from apps.pods.kinds.mount import Mount, check_mounts
from apps.pods.kinds.types import Command, Name, Relative, Variable, Whole, check_variables, doubles
from apps.pods.sizes import SIZES, Size
from apps.sources.urls import check_ref, check_url

COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
LEAST_MEMORY = 256  # MB of a build
LISTENING = ("web", "mcp")  # the types that answer on $PORT and that traffic goes to
RESTING = ("static", "job")  # the types of which no instance runs
_STAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NOT_RAILPACKS = ("hugo", "jekyll", "docker")
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")


class Source(Part):
    """Where the code is. `branch` empty: the default one. `commit` empty: where the branch stands at the deploy."""

    repo: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] = ""
    branch: Annotated[str, StringConstraints(strip_whitespace=True, max_length=250)] = ""
    rootDir: Relative = ""
    watchPaths: Annotated[tuple[str, ...], Constraint(max_length=100)] = ()
    submodules: bool = False
    commit: str = ""

    @field_validator("repo")
    @classmethod
    def _repo(cls, repo: str, info: ValidationInfo) -> str:
        if repo and info.context and info.context.get("check"):
            check_url(repo, team=info.context.get("team"), field="", allowed=settings.BRAINPOD.networks)
        return repo

    @field_validator("branch")
    @classmethod
    def _branch(cls, branch: str) -> str:
        if branch:
            check_ref(branch, field="")
        return branch

    @field_validator("commit")
    @classmethod
    def _commit(cls, commit: str) -> str:
        if commit and not COMMIT.fullmatch(commit):
            raise Invalid("must be a whole commit id: 40 or 64 lower-case hex digits.")
        return commit

    @field_validator("watchPaths")
    @classmethod
    def _watched(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_watch_path(path.strip(), str(index)) for index, path in enumerate(paths))


def _watch_path(path: str, field: str) -> str:
    """A pattern as in .gitignore, relative to the repository's root; `!` takes paths out again."""
    mark = "!" if path.startswith("!") else ""
    plain = check_relative(path.removeprefix("!"), field)
    if not plain:
        raise Invalid([Detail(field, "must be a path in the repository, such as apps/web/**.")])
    return mark + plain


class Build(Part):
    framework: Literal[
        "", "hugo", "jekyll", "php", "go", "java", "rust", "ruby", "elixir", "python", "deno", "dotnet", "bun", "node",
        "static", "shell", "docker",
    ] = ""  # fmt: skip
    installCommand: Command = ""
    buildCommand: Command = ""
    outputDir: Relative = ""
    builder: Literal["", "bundle", "image", "railpack"] = ""  # empty: whichever the repository and the engine ask for
    dockerfile: Relative = ""  # empty: Dockerfile, at the app's root directory
    target: Annotated[str, StringConstraints(strip_whitespace=True, max_length=128)] = ""
    cache: bool = True
    memory: Annotated[Whole, Constraint(ge=0)] = 0  # MB of each command; 0: the installation's

    @field_validator("builder")
    @classmethod
    def _builder(cls, builder: str, info: ValidationInfo) -> str:
        if builder == "railpack" and info.context and info.context.get("check"):
            _check_there()
        return builder

    @field_validator("memory")
    @classmethod
    def _memory(cls, memory: int, info: ValidationInfo) -> int:
        most = max(settings.BRAINPOD.build_memory, settings.BRAINPOD.build_memory_most)
        if info.context and info.context.get("check") and (0 < memory < LEAST_MEMORY or memory > most):
            raise Invalid(f"must be 0, or {LEAST_MEMORY} to {most} MB (BRAINPOD_BUILD_MEMORY_MOST).")
        return memory

    @field_validator("target")
    @classmethod
    def _target(cls, target: str) -> str:
        if target and not _STAGE.fullmatch(target):
            raise Invalid("must be the name of a stage of the Dockerfile, such as production.")
        return target


class Spec(Part):
    type: Literal["web", "worker", "static", "mcp", "job"] = "web"
    source: Source = Source()
    build: Build = Build()
    startCommand: Command = ""
    preStart: Command = ""  # runs before the instances of a deployment are started, without the app's code
    instance: Literal[".25x", ".5x", "1x", "2x", "4x", "8x"] = "1x"
    scaling: Literal["fixed", "auto"] = "fixed"
    replicas: Annotated[Whole, Constraint(ge=1, le=10)] = 1  # fixed
    minReplicas: Annotated[Whole, Constraint(ge=1, le=10)] = 1  # auto, as the four below
    maxReplicas: Annotated[Whole, Constraint(ge=1, le=10)] = 3
    targetCpu: Annotated[Whole, Constraint(ge=0, le=100)] = 60  # % of what the instances have; 0: not looked at
    targetMemory: Annotated[Whole, Constraint(ge=0, le=100)] = 0
    scaleCooldown: Annotated[Whole, Constraint(ge=60, le=3600)] = 300  # seconds
    sleepAfter: Annotated[Whole, Constraint(ge=0, le=1440)] = 0  # minutes without a request; 0: never
    env: Annotated[tuple[Variable, ...], Constraint(max_length=500)] = ()
    configs: Annotated[tuple[Name, ...], Constraint(max_length=20)] = ()
    mounts: Annotated[tuple[Mount, ...], Constraint(max_length=20)] = ()
    jobs: Annotated[tuple[Job, ...], Constraint(max_length=MOST_JOBS)] = ()
    spaFallback: bool = True  # static: unknown paths without a file extension get index.html
    mcpKey: bool = False  # the edge asks for a key of the app's (apps/pods/keys.py)
    healthCheckPath: Annotated[str, StringConstraints(max_length=400)] = "/"
    healthCheckType: Literal["http", "tcp", "command"] = "http"  # of a worker: the command if there is one
    healthCheckCommand: Command = ""
    healthCheckTimeout: Annotated[Whole, Constraint(ge=1, le=600)] = 60  # the window of a deployment
    healthCheckInterval: Annotated[Whole, Constraint(ge=1, le=300)] = 10
    healthCheckThreshold: Annotated[Whole, Constraint(ge=1, le=20)] = 3
    healthCheckAttemptTimeout: Annotated[Whole, Constraint(ge=1, le=60)] = 10

    @field_validator("healthCheckPath")
    @classmethod
    def _health(cls, path: str) -> str:
        if not _PATH.fullmatch(path) or path.startswith("//"):
            raise Invalid("must be a path such as /health: it begins with one slash and has no spaces.")
        return path

    @model_validator(mode="after")
    def _whole(self) -> Spec:
        wrong = check_variables(self.env, "env") + check_mounts(self.mounts) + _check_scale(self)
        wrong += check_jobs(self.jobs) + _check_type(self)
        wrong += doubles(self.configs, "configs.{}", "{} is attached twice: remove one of the two.")
        if not self.source.repo:
            wrong.append(Detail("source.repo", "is required: the address of a git repository."))
        if self.type == "static":
            wrong += _check_static(self)
        if self.healthCheckType == "command" and not self.healthCheckCommand and self.type != "static":
            message = "is required for the health check command: what ends with 0 while the app is well."
            wrong.append(Detail("healthCheckCommand", message))
        if self.build.builder == "railpack":
            wrong += _check_railpack(self)
        if wrong:
            raise Invalid(wrong)
        return self

    @property
    def listens(self) -> bool:
        """Whether it answers on $PORT."""
        return self.type in LISTENING

    @property
    def disks(self) -> tuple[str, ...]:
        return tuple(mount.disk for mount in self.mounts if mount.disk)

    @property
    def size(self) -> Size:
        return SIZES[self.instance]


def listens(spec: Mapping[str, Any]) -> bool:
    """Whether the app with this stored spec answers on $PORT."""
    return spec.get("type", "web") in LISTENING


def _check_type(spec: Spec) -> list[Detail]:
    wrong = []
    if spec.mcpKey and spec.type != "mcp":
        wrong.append(Detail("mcpKey", "is for apps of the type mcp: switch it off, or choose the type mcp."))
    if spec.type == "job":
        if not spec.jobs:
            wrong.append(Detail("jobs", "must have at least one: nothing else of a job app runs."))
        for field in ("startCommand", "preStart"):
            if getattr(spec, field):
                message = "must be empty: between its jobs nothing of a job app runs. Choose the type worker for more."
                wrong.append(Detail(field, message))
        if spec.replicas > 1:
            wrong.append(Detail("replicas", "must be 1: between its jobs nothing of a job app runs."))
    return wrong


def _check_scale(spec: Spec) -> list[Detail]:
    if spec.sleepAfter and spec.type != "web":
        why = "an MCP server has sessions that end with it" if spec.type == "mcp" else "it has no requests to wake it"
        message = f"must be 0 for the type {spec.type}: {why}. Set 0, or choose the type web."
        return [Detail("sleepAfter", message), *_check_count(spec)]
    return _check_count(spec)


def _check_count(spec: Spec) -> list[Detail]:
    if spec.scaling == "auto":
        return _check_auto(spec)
    if spec.replicas == 1:
        return []
    if not spec.size.replicable:
        message = "Only 1 replica is allowed for this instance: choose 1x or larger, or 1 replica."
        return [Detail("replicas", message)]
    if spec.disks:
        return [Detail("replicas", "must be 1 with a disk: a disk has one writer. Set 1, or remove the disk's mount.")]
    return []


def _check_auto(spec: Spec) -> list[Detail]:
    wrong = []
    if spec.type not in ("web", "worker"):
        wrong.append(
            Detail("scaling", f"must be fixed: only web apps and workers scale by themselves, not {spec.type}.")
        )
    if not spec.size.replicable:
        message = "Only 1 replica is allowed for this instance: choose 1x or larger, or fixed scaling with 1 replica."
        wrong.append(Detail("scaling", message))
    if spec.disks:
        wrong.append(
            Detail(
                "scaling", "must be fixed with a disk: a disk has one writer. Set fixed, or remove the disk's mount."
            )
        )
    if spec.maxReplicas <= spec.minReplicas:
        message = "For auto-scaling to work, max instances must be greater than min instances."
        wrong.append(Detail("maxReplicas", message))
    if not (spec.targetCpu or spec.targetMemory):
        wrong.append(Detail("targetCpu", "must not be 0 when the memory target is 0 too: nothing would be looked at."))
    return wrong


def _check_static(spec: Spec) -> list[Detail]:
    wrong = []
    if spec.startCommand:
        message = "must be empty: a static app is files and runs nothing. Empty it, or choose the type web."
        wrong.append(Detail("startCommand", message))
    if spec.preStart:
        message = "must be empty: a static app is files and starts nothing. Empty it, or choose the type web."
        wrong.append(Detail("preStart", message))
    if spec.mounts:
        wrong.append(Detail("mounts", "must be empty: a static app is files and runs nothing. Remove the mounts."))
    if spec.jobs:
        wrong.append(Detail("jobs", "must be empty: a static app is files and runs nothing. Choose the type job."))
    if spec.scaling == "fixed" and spec.replicas > 1 and spec.size.replicable:
        wrong.append(Detail("replicas", "must be 1: a static app is served as files, by every server process."))
    return wrong


def _check_there() -> None:
    """Where others build, what they have is found out when they look at the app."""
    config, another = settings.BRAINPOD, "Choose another builder, or leave it to be found."
    if config.engine != "docker":
        raise Invalid(f"must not be railpack: it makes images, and this installation's engine runs none. {another}")
    if config.builds and not config.railpack:
        raise Invalid(f"must not be railpack: the program railpack is not on this machine. {another}")


def _check_railpack(spec: Spec) -> list[Detail]:
    wrong = []
    if spec.type == "static":
        message = "must not be railpack for a static app: it makes images that run. Empty it, or choose the type web."
        wrong.append(Detail("build.builder", message))
    if spec.build.framework in _NOT_RAILPACKS:
        message = f"must not be {spec.build.framework}: Railpack does not know it. Empty it, or choose another builder."
        wrong.append(Detail("build.framework", message))
    return wrong


def _references(spec: Spec) -> set[str]:
    return set(spec.configs) | {name for mount in spec.mounts for name in (mount.disk, mount.config) if name}


APP = Kind(
    name="App",
    plural="Apps",
    icon="box",
    about="Your code: built from a git repository and run, or served as static files.",
    Spec=Spec,
    form=FORM,
    references=_references,
    runs=True,
)
