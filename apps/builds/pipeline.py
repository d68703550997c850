"""From a commit to an artifact: the six build stages of one app."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

from django.utils.crypto import salted_hmac

from apps import artifacts, sources
from apps.builds import fleet, usage
from apps.builds.actions import record_artifact
from apps.builds.caching import opening, outputs
from apps.builds.detect.plan import Overrides, Plan
from apps.builds.image import stages as image
from apps.builds.image.choice import Builder, choose
from apps.builds.image.railpack.config import PREFIX
from apps.builds.inputs import is_cold
from apps.builds.models import Artifact, Build
from apps.builds.stages import build as build_stage
from apps.builds.stages import clone, detect, install, push
from apps.builds.stages import secrets as secrets_stage
from apps.builds.stages.room import Room, limits
from apps.connections.access import access
from apps.core import claims
from apps.core.failpoints import failpoint
from apps.core.leases import Lease
from apps.core.room import check as check_room
from apps.pods.environment import environment
from apps.pods.models import Resource
from apps.sources.base import Credential

T = TypeVar("T")
SHORT = 7  # characters of a commit that people read


class Note(Protocol):
    text: str


class Ledger(Protocol):
    """What the pipeline tells what happens (apps.deployments.recorder.Recorder)."""

    lease: Lease

    def write(self, text: str) -> None: ...
    def hide(self, values: Iterable[str]) -> None: ...
    def cancelled(self) -> bool: ...
    def stage(self, stage: str, app: str) -> AbstractContextManager[Note]: ...
    def patiently(self, action: Callable[[], T], what: str) -> T: ...


def build(build: Build, ledger: Ledger) -> Artifact:
    """Build one app of a sealed revision and store what came out.

    Raises UserError with the failure's name for what the repository or its settings are to blame for, and "no_room".
    """
    check_room()
    app, revision = build.app, build.revision
    resource = revision.resources.get(kind="App", name=app)
    discard(build)  # what a try before this one left, if its worker was killed
    scratch = artifacts.artifacts().scratch(_scratch(build))
    here = fleet.here()
    try:
        with (
            usage.counted(build, builder=here.name if here else ""),
            opening.opened(build, on=not is_cold(resource), scratch=scratch, write=ledger.write) as cache,
        ):
            room = Room(
                workspace=scratch,
                caching=cache,
                pod=revision.pod_id,
                write=ledger.write,
                cancelled=ledger.cancelled,
                limits=limits(resource.spec["build"].get("memory", 0)),
            )
            manifest = _stages(build, resource, room, ledger)
    finally:
        claims.end(scratch)
    failpoint("artifact.stored", revision.pod_id)
    artifact = record_artifact(
        build=build, manifest=manifest.as_json(), kind=manifest.kind, size=manifest.size, lease=ledger.lease
    )
    failpoint("artifact.recorded", revision.pod_id)
    return artifact


def discard(build: Build) -> None:
    """Remove what a build that was killed left behind; for one that nobody works on."""
    artifacts.artifacts().discard_scratch(_scratch(build))
    usage.end_lost(build)


def _scratch(build: Build) -> str:
    return f"build-{build.pk}"


def _stages(build: Build, resource: Resource, room: Room, ledger: Ledger) -> push.Manifest:
    app, spec, revision = build.app, resource.spec, build.revision
    source = spec["source"]
    with ledger.stage("clone", app) as note:
        with access(revision.pod.team, source["repo"], hide=ledger.hide) as way:
            _pin(build, source, way.credential)
            commit = clone.run(
                room, repo=source["repo"], commit=build.commit, branch=source.get("branch", ""),
                submodules=bool(source.get("submodules")), way=way,
            )  # fmt: skip
        Build.objects.filter(pk=build.pk).update(author=commit.author[:200], message=commit.message[:200])
        note.text = f"{commit.sha[:SHORT]} {commit.message}"
    with ledger.stage("detect", app) as note:
        builder = ledger.patiently(lambda: choose(room, spec, revision.engine), "the Docker daemon")
        overrides = overrides_of(spec, builder)
        plan = detect.run(room, root_dir=source.get("rootDir", ""), overrides=overrides, builder=builder)
        Build.objects.filter(pk=build.pk).update(plan=asdict(plan))
        note.text = plan.title
    with ledger.stage("secrets", app) as note:
        values, passwords = ledger.patiently(
            lambda: secrets_stage.run(room, revision=revision, app=app), "the secret store"
        )
        env = environment(revision, app, secrets=values, passwords=passwords)
        for warning in env.warnings:
            ledger.write(f"Warning: {warning}")
        note.text = f"{len(env.values)} variables, {len(values)} of them secret"
    if builder != "bundle":
        return _image(build, spec, room, plan, env.values, ledger, railpack=builder == "railpack")
    return _bundle(build, room, plan, env.values, ledger)


def _bundle(build: Build, room: Room, plan: Plan, env: Mapping[str, str], ledger: Ledger) -> push.Manifest:
    """With the tools of this machine, in its sandbox."""
    with ledger.stage("install", build.app) as note:
        untouched = outputs.source(room, plan)
        layer = install.run(room, plan, env)
        note.text = "nothing to install" if layer is None else ("reused" if layer.reused else "installed")
    with ledger.stage("build", build.app) as note:
        output = outputs.expected(room, plan, env, source=untouched, layer=layer.digest if layer else "")
        stored = output.find(room)
        if stored is None:
            build_stage.run(room, plan, env, layer)
        note.text = "nothing changed" if stored else ", ".join(plan.build) or "nothing to build"
    with ledger.stage("push", build.app) as note:
        manifest = stored or push.run(room, plan, layer)
        output.keep(room, manifest, label=f"of {build.commit[:SHORT]}")
        note.text = f"{manifest.app.removeprefix('sha256:')[:12]}, {manifest.size / 1e6:.1f} MB"
    return manifest


def _image(
    build: Build,
    spec: dict[str, Any],
    room: Room,
    plan: Plan,
    env: Mapping[str, str],
    ledger: Ledger,
    *,
    railpack: bool,
) -> push.Manifest:
    """The same stages, by Docker."""
    wanted = spec.get("build", {})
    # Nobody else's Dockerfile can begin with it by guessing.
    word = salted_hmac("brainpod.images", str(build.pk), algorithm="sha256").hexdigest()[:12]
    job = image.Job(
        room, plan, env, name=f"{build.revision.pod.name}-{build.app}", tag=f"{build.commit[:SHORT]}-{word}",
        dockerfile=wanted.get("dockerfile", ""), target=wanted.get("target", ""), use_cache=wanted.get("cache", True),
        railpack=railpack,
    )  # fmt: skip
    ledger.patiently(lambda: image.check(job), "the Docker daemon")
    with ledger.stage("install", build.app) as note:
        note.text = image.install(job)
    with ledger.stage("build", build.app) as note:
        note.text = image.build(job)
    with ledger.stage("push", build.app) as note:
        manifest = image.push(job)
        where, _, digest = (manifest.image or manifest.app).rpartition("sha256:")
        note.text = f"{digest[:12]}, {manifest.size / 1e6:.1f} MB" + (f", in {where.rstrip('@')}" if where else "")
    return manifest


def _pin(build: Build, source: dict[str, Any], credential: Credential | None) -> None:
    """Fix the commit for good the first time anybody asks: a second try builds the same."""
    if not build.commit:
        commit = sources.source().resolve(source["repo"], source.get("branch", ""), credential=credential)
        Build.objects.filter(pk=build.pk, commit="").update(commit=commit)
        build.refresh_from_db(fields=["commit"])


_KINDS = {"mcp": "web", "job": "worker"}  # how what is run so is built
_IDLE = "true  # nothing runs between the jobs"


def overrides_of(spec: dict[str, Any], builder: Builder | None = None) -> Overrides:
    """What the settings of an app say about its build; `builder`: the one that was chosen."""
    wanted = spec.get("build", {})
    return Overrides(
        kind=_KINDS.get(spec.get("type", ""), spec.get("type", "")),
        framework=wanted.get("framework", ""),
        install=wanted.get("installCommand", ""),
        build=wanted.get("buildCommand", ""),
        output=wanted.get("outputDir", ""),
        start=_IDLE if spec.get("type") == "job" else spec.get("startCommand", ""),
        builder=builder or wanted.get("builder", ""),
        dockerfile=wanted.get("dockerfile", ""),
        variables=_planned_by(spec) if wanted.get("builder") == "railpack" else {},
    )


def _planned_by(spec: dict[str, Any]) -> dict[str, str]:
    """The app's own variables that are Railpack's settings: no secrets, and not those of attached configs."""
    return {v["name"]: v["value"] for v in spec.get("env", ()) if v["name"].startswith(PREFIX)}
