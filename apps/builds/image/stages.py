"""install, build and push of an app that is built as an image."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from django.conf import settings

from apps import artifacts
from apps.builds.bundle import Manifest
from apps.builds.detect import DOCKER, DOCKERFILE
from apps.builds.detect.plan import Plan
from apps.builds.image import bases, buildkit, cli, context, dockerfile, export, images, layers, pushing, script
from apps.builds.image.railpack import building
from apps.builds.stages import push as push_stage
from apps.builds.stages.room import Room
from apps.core.errors import Detail, Invalid, PlatformError, UserError
from apps.core.paths import beneath

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Job:
    """One build. `env`: all variables of the app. `name`: of the image, unique in its team. `tag`: of this build."""

    room: Room
    plan: Plan
    env: Mapping[str, str]
    name: str
    tag: str
    dockerfile: str = ""
    target: str = ""
    use_cache: bool = True
    railpack: bool = False  # whether the plan is Railpack's
    # Whose caches and layers are used: those of this app of this team, or nobody's.
    fresh: str = field(default_factory=lambda: random.token_hex(4))

    @property
    def scope(self) -> str:
        """A host name's label: what tells this app's caches and layers from all others'."""
        place = self.room.caching.own.scope  # of the app, its zone of trust and its generation
        return layers.label(place) + ("" if self.use_cache else f"-{self.fresh}")

    @property
    def layers(self) -> bool:
        """Whether its layers travel by the registry. Railpack's image tells nothing of its own."""
        return self.use_cache and artifacts.registry() is not None and (not self.railpack or self.steps)

    @property
    def steps(self) -> bool:
        """Whether those of all its steps can."""
        return buildkit.leaves_layers(buildkit.daemon(settings.BRAINPOD.docker_address))

    @property
    def begins_with(self) -> tuple[str, ...]:
        """What in the registry its layers may be taken from."""
        registry = artifacts.registry()
        return layers.known(registry, self.scope, steps=self.steps) if registry and self.layers else ()

    @property
    def own(self) -> bool:
        """Whether the repository's Dockerfile is used."""
        return self.plan.stack == DOCKER

    @property
    def files_only(self) -> bool:
        """Whether there is nothing to run: files that are published as they are."""
        return self.plan.kind == "static" and not self.own and not (self.plan.install or self.plan.build)

    @property
    def place(self) -> Path:
        return self.room.directory("image")

    @property
    def context(self) -> Path:
        return self.room.app(self.plan.root)

    @property
    def archive(self) -> Path:
        """Where static output is written to."""
        return self.place / "output.tar"


def check(job: Job) -> None:
    """Raises Unavailable while the Docker daemon does not answer. Makes the checkout what git makes of it elsewhere."""
    if not job.files_only:
        images.check(settings.BRAINPOD.docker_address)
        context.open_to_all(job.context)


def install(job: Job) -> str:
    """Make the layer of the dependencies; a word on it. Raises UserError with the cause, Interrupted; as `build`."""
    if job.own:
        return "by the Dockerfile"
    if job.railpack:
        return "by Railpack's plan"
    if not job.plan.install:
        job.room.write("Nothing to install.")
        return "nothing to install"
    _write(job)
    apart = job.layers and not job.steps
    _run(job, "install", target=dockerfile.DEPS, output="" if apart else "type=cacheonly", suffix=layers.DEPS)
    return "installed"


def build(job: Job) -> str:
    """Make the image, or the archive of static files; a word on it."""
    if job.files_only:
        job.room.write("Nothing to build.")
        return "nothing to build"
    if job.railpack:
        return _planned(job)
    if not job.own:
        _write(job)
    if job.plan.kind == "static":
        try:
            _run(job, "build", target=_target(job), output=f"type=tar,dest={job.archive}")
        except UserError as error:
            raise _no_output(job) if error.code == "dockerfile_copy_failed" and not job.own else error from None
    else:
        _run(job, "build", target=_target(job), output="")
    return _dockerfile_name(job) if job.own else ", ".join(job.plan.build) or "nothing to build"


def push(job: Job) -> Manifest:
    """What is stored: static files, or an image, in the registry if there is one. Raises as the bundle's push."""
    job.room.check()
    if job.files_only:
        return push_stage.run(job.room, job.plan, None)
    if job.plan.kind == "static":
        published = _published(job)
        _leave_layers(job)
        return published
    made = images.inspect(settings.BRAINPOD.docker_address, _reference(job))
    if made.size > push_stage.LARGEST_MB * MB:
        images.remove(settings.BRAINPOD.docker_address, made.id)
        what = f"The image has {made.size // MB} MB, at most {push_stage.LARGEST_MB} are stored."
        raise UserError("artifact_too_large", what, "Use a slimmer base image, several stages, and .dockerignore.")
    if not made.starts and not job.plan.start:
        images.remove(settings.BRAINPOD.docker_address, made.id)
        hint = "Add CMD or ENTRYPOINT to the Dockerfile, or set the start command of the app."
        raise UserError("no_start_command", "Nothing says how to start this image.", hint)
    registry = artifacts.registry()
    where = "" if registry else ", in this Docker daemon alone"
    job.room.write(f"Stored {made.id[:19]}: {made.size / MB:.1f} MB, as {_reference(job)}{where}.")
    image = made.id
    if registry:
        image = pushing.push(job.room, registry, _reference(job), scope=job.scope if job.layers else "")
        _leave_layers(job)
    return Manifest(
        kind="image", image=image, start="" if job.railpack else job.plan.start, release=job.plan.release,
        env=dict(job.plan.env), size=made.size,
    )  # fmt: skip


def _leave_layers(job: Job) -> None:
    """For the next build, on whichever machine; without them it is slower, and no worse."""
    registry = artifacts.registry()
    if registry is None or not job.layers:
        return
    try:
        if job.steps:
            name = _reference(job) + layers.STEPS
            job.room.write(f"Leaving the layers of all steps as {name}")
            if not pushing.leave_layers(registry, name, scope=job.scope, export=lambda: _export(job, name)):
                job.room.write(f"Warning: {registry.host} did not take the layers.")
        elif job.plan.kind != "static" and not job.own and job.plan.install:
            pushing.push(job.room, registry, _reference(job) + layers.DEPS, scope=job.scope)
    except (UserError, PlatformError) as error:
        job.room.write(f"Warning: the layers were not kept: {error}")


def _export(job: Job, name: str) -> None:
    """Everything is built: BuildKit finds each step done and sends what the registry lacks."""
    quiet = replace(job, room=replace(job.room, write=lambda _: None))
    if job.railpack:
        where, order = _ordered(quiet)
        request = replace(building.request(order, str(job.context)), output="type=cacheonly", cache_to=name)
        buildkit.build(quiet.room, where, request, order.secrets, stage="push", writes=job.place)
    else:
        _run(quiet, "push", target=_target(job), output="type=cacheonly", cache_to=name)


def _target(job: Job) -> str:
    """The stage that is deployed; empty: the last."""
    if job.own:
        return job.target
    return dockerfile.OUTPUT if job.plan.kind == "static" else ""


def _run(job: Job, stage: str, *, target: str, output: str, suffix: str = "", cache_to: str = "") -> None:
    request = cli.Request(
        context=str(job.context),
        dockerfile=str(_dockerfile(job)),
        scope=job.scope,
        target=target,
        output=output,
        tag="" if output else _reference(job) + suffix,
        labels=() if output else images.labels(pod=job.room.pod),
        cache_from=() if cache_to else job.begins_with,
        inline=job.layers and not job.steps and not output,
        cache_to=cache_to,
    )
    where = buildkit.daemon(settings.BRAINPOD.docker_address)
    buildkit.build(job.room, where, request, _secrets(job), stage=stage, writes=job.place)


def _ordered(job: Job) -> tuple[buildkit.Daemon, building.Order]:
    where = buildkit.daemon(settings.BRAINPOD.docker_address)
    return where, building.order(job.room, job.plan, job.env, scope=job.scope)


def _planned(job: Job) -> str:
    """By Railpack's frontend. It sets no labels, so the image is given them by a build of its own."""
    where, order = _ordered(job)
    asked = building.request(order, str(job.context))
    made = replace(asked, tag=_reference(job), cache_from=job.begins_with)
    buildkit.build(job.room, where, made, order.secrets, stage="build", writes=job.place)
    first = images.inspect(where.host, _reference(job)).id
    directory = job.room.directory("label")
    directory.joinpath("Dockerfile").write_text(f"FROM {_reference(job)}\n")
    labelled = cli.Request(
        context=str(directory), dockerfile=str(directory / "Dockerfile"), scope=job.scope, tag=_reference(job),
        labels=images.labels(pod=job.room.pod),
    )  # fmt: skip
    quiet = replace(job.room, write=lambda _: None)
    buildkit.build(quiet, where, labelled, {}, stage="build", writes=job.place)
    if first != images.inspect(where.host, _reference(job)).id:
        images.remove(where.host, first)
    return ", ".join(job.plan.build) or "by Railpack's plan"


def _write(job: Job) -> None:
    """The Dockerfile, beside the checkout, so that nothing of the app's is in the way or replaced."""
    job.place.joinpath("Dockerfile").write_text(dockerfile.render(job.plan, _inputs(job)))
    job.place.joinpath("Dockerfile.dockerignore").write_text("\n".join(dockerfile.ignored(job.plan)) + "\n")


def _secrets(job: Job) -> dict[str, bytes]:
    held: dict[str, bytes] = {}
    if ca := settings.BRAINPOD.build_ca:
        held[script.CERTIFICATES] = Path(ca).read_bytes()
    if not job.own:
        return {**held, script.STEPS: script.steps(job.env), script.TOOLS: script.tools()}
    each = {name: value.encode("utf-8", "surrogateescape") for name, value in job.env.items()}
    return {**held, "env": script.assignments(job.env), **each}


def _inputs(job: Job) -> dockerfile.Inputs:
    context = job.context
    told = json.dumps(sorted(job.env.items())).encode()
    return dockerfile.Inputs(
        bases=bases.of(job.plan, settings.BRAINPOD.base_images),
        files=tuple(name for name in job.plan.lockfiles if beneath(context, name, "build").is_file()),
        scope=job.scope,
        inputs=hmac.new(settings.SECRET_KEY.encode(), told, hashlib.sha256).hexdigest()[:32],
        drop=tuple(path.relative_to(context).as_posix() for path in push_stage.unshipped(context)),
    )


def _dockerfile(job: Job) -> Path:
    """Raises Invalid naming build.dockerfile for a way out of the app's directory."""
    if not job.own:
        return job.place / "Dockerfile"
    path = beneath(job.context, _dockerfile_name(job), "build.dockerfile")
    if not path.is_file():
        raise Invalid([Detail("build.dockerfile", f"There is no file {_dockerfile_name(job)} in this commit.")])
    return path


def _dockerfile_name(job: Job) -> str:
    return job.dockerfile or DOCKERFILE


def _reference(job: Job) -> str:
    registry = artifacts.registry()
    return f"{registry.prefix if registry else 'brainpod'}/{job.name}:{job.tag}"


def _published(job: Job) -> Manifest:
    if not job.archive.exists():
        raise PlatformError("export_failed", "BuildKit wrote no output.", "Deploy again.")
    output = job.room.workspace / "output"
    export.unpack(job.archive, output, job.plan.output if job.own else "")
    job.archive.unlink()
    return push_stage.publish(job.room, output, job.plan.output or ".")


def _no_output(job: Job) -> UserError:
    hint = "Set the output directory of the app to where its build puts the files."
    return UserError("no_output_directory", f"The build left nothing in {job.plan.output or '.'}.", hint)
