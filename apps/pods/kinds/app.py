"""App: code from a git repository, built and run."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from django.conf import settings
from pydantic import Field as Constraint
from pydantic import StringConstraints, ValidationInfo, field_validator, model_validator

from apps.core.errors import Detail, Invalid
from apps.core.paths import check_relative
from apps.pods.kinds.app_form import FORM
from apps.pods.kinds.base import Kind, Part
from apps.pods.kinds.mount import Mount, check_mounts
from apps.pods.kinds.types import Command, Name, Relative, Variable, Whole, check_variables, doubles
from apps.pods.sizes import SIZES, Size
from apps.sources.urls import check_ref, check_url

COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
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

    @field_validator("builder")
    @classmethod
    def _builder(cls, builder: str, info: ValidationInfo) -> str:
        if builder == "railpack" and info.context and info.context.get("check"):
            _check_there()
        return builder

    @field_validator("target")
    @classmethod
    def _target(cls, target: str) -> str:
        if target and not _STAGE.fullmatch(target):
            raise Invalid("must be the name of a stage of the Dockerfile, such as production.")
        return target


class Spec(Part):
    type: Literal["web", "worker", "static"] = "web"
    source: Source = Source()
    build: Build = Build()
    startCommand: Command = ""
    preStart: Command = ""  # runs before the instances of a deployment are started, without the app's code
    instance: Literal[".25x", ".5x", "1x", "2x", "4x", "8x"] = "1x"
    replicas: Annotated[Whole, Constraint(ge=1, le=10)] = 1
    env: Annotated[tuple[Variable, ...], Constraint(max_length=500)] = ()
    configs: Annotated[tuple[Name, ...], Constraint(max_length=20)] = ()
    mounts: Annotated[tuple[Mount, ...], Constraint(max_length=20)] = ()
    healthCheckPath: Annotated[str, StringConstraints(max_length=400)] = "/"
    healthCheckTimeout: Annotated[Whole, Constraint(ge=1, le=600)] = 60

    @field_validator("healthCheckPath")
    @classmethod
    def _health(cls, path: str) -> str:
        if not _PATH.fullmatch(path) or path.startswith("//"):
            raise Invalid("must be a path such as /health: it begins with one slash and has no spaces.")
        return path

    @model_validator(mode="after")
    def _whole(self) -> Spec:
        wrong = check_variables(self.env, "env") + check_mounts(self.mounts) + _check_scale(self)
        wrong += doubles(self.configs, "configs.{}", "{} is attached twice: remove one of the two.")
        if not self.source.repo:
            wrong.append(Detail("source.repo", "is required: the address of a git repository."))
        if self.type == "static":
            wrong += _check_static(self)
        if self.build.builder == "railpack":
            wrong += _check_railpack(self)
        if wrong:
            raise Invalid(wrong)
        return self

    @property
    def disks(self) -> tuple[str, ...]:
        return tuple(mount.disk for mount in self.mounts if mount.disk)

    @property
    def size(self) -> Size:
        return SIZES[self.instance]


def _check_scale(spec: Spec) -> list[Detail]:
    if spec.replicas == 1:
        return []
    if not spec.size.replicable:
        message = "Only 1 replica is allowed for this instance: choose 1x or larger, or 1 replica."
        return [Detail("replicas", message)]
    if spec.disks:
        return [Detail("replicas", "must be 1 with a disk: a disk has one writer. Set 1, or remove the disk's mount.")]
    return []


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
    if spec.replicas > 1 and spec.size.replicable:
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
)
