"""Starting what a release wants beside what serves."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from django.utils import timezone

from apps import secretstore
from apps.builds import bundle
from apps.builds.stages import secrets as secrets_stage
from apps.core.errors import PlatformError
from apps.core.failpoints import failpoint
from apps.core.states import move
from apps.deployments import databases, disk_locks
from apps.deployments.disk_paths import made
from apps.deployments.models import WORKLOAD_MOVES, Workload
from apps.deployments.recorder import Recorder
from apps.deployments.release import Release
from apps.engines.base import LaunchSpec, Limits, Mount, RunSpec
from apps.pods import kinds
from apps.pods.environment import environment
from apps.pods.kinds.app import listens
from apps.pods.sizes import SIZES
from apps.servers import run as servers

PORT = 8080
GRACE = 30.0  # seconds between TERM and KILL


def spec_of(release: Release, workload: Workload) -> LaunchSpec:
    """Everything `workload` is started with, secret values included: never to be stored or logged.

    Raises Unavailable while the secret store does not answer: nothing is started with half an environment.
    """
    if kinds.get(release.snapshot[workload.app].kind).server:
        return databases.spec_of(release, workload)
    spec = release.snapshot[workload.app].spec
    start = spec.get("startCommand") or manifest(release, workload.app).start
    whole = run_spec(release, workload.app, id=workload.id, command=("sh", "-c", start) if start else ())
    given = {field.name: getattr(whole, field.name) for field in fields(whole)}
    given["env"] = {**whole.env, "BRAINPOD_REPLICA": str(workload.replica)}
    return LaunchSpec(**given, port=PORT if listens(spec) else None)


def run_spec(release: Release, app: str, *, id: str, command: tuple[str, ...]) -> RunSpec:
    """`command` with everything the instances of `app` have; raises what `spec_of` raises."""
    spec = release.snapshot[app].spec
    what = manifest(release, app)
    mounts, links, path = bundle.mounts(what)
    values, passwords = secrets_stage.given(secretstore.secrets(), release.revision, app)
    env = environment(release.revision, app, secrets=values, passwords=passwords)
    size = SIZES[spec["instance"]]
    return RunSpec(
        id=id,
        pod=release.revision.pod_id,
        command=command,
        image=what.image,
        env={
            **what.env,
            **env.values,
            "BRAINPOD_POD": release.revision.pod.name,
            "BRAINPOD_APP": app,
            "BRAINPOD_REVISION": str(release.revision.version),
        },
        mounts=(*mounts, *_disks(release, spec)),
        links=links,
        path=path,
        files=_files(release, spec),
        limits=Limits(cpu=size.cpu, memory=size.memory),
        region=release.revision.pod.region,
        peers=databases.peers(release, app),
    )


def manifest(release: Release, app: str) -> bundle.Manifest:
    """What `app` of `release` is made of. Raises PlatformError("artifact_missing")."""
    artifact = release.artifacts.get(app)
    if artifact is None:
        raise PlatformError("artifact_missing", f"{app} of {release.revision} has no artifact.")
    return bundle.Manifest.from_json(artifact.manifest)


def fetch(release: Release, app: str, recorder: Recorder) -> None:
    """Have the image of `app` where it will run, told in the log. Raises UserError("image_pull_failed")."""
    server = kinds.get(release.snapshot[app].kind).server
    image = databases.image(release, app) if server else manifest(release, app).image
    if image:
        release.runner.fetch(image, on_line=recorder.write, cancelled=recorder.cancelled)
        recorder.check()


def start(release: Release, workload: Workload) -> None:
    """Start `workload` (again). Raises Unavailable when the engine or the secret store does not answer.

    And Unavailable("disk_busy") while somebody has one of its disks alone.
    """
    with disk_locks.writing(workload.pod_id, release.disks(workload.app)):
        handle = workload.runner.launch(spec_of(release, workload))
    failpoint("workload.launched", workload.pod_id)
    Workload.objects.filter(pk=workload.pk).update(handle=handle, observed_at=timezone.now())
    workload.refresh_from_db()


def stop(workload: Workload, grace: float = GRACE) -> None:
    """End `workload` for good. Raises Unavailable when the engine does not answer; it is then tried again later."""
    move(workload, "draining", table=WORKLOAD_MOVES, serving=False)
    _end(workload, grace)
    failpoint("workload.stopped", workload.pod_id)
    move(workload, "stopped", table=WORKLOAD_MOVES, stopped_at=timezone.now(), reason="")


def pause(workload: Workload) -> None:
    """End the process of `workload` and keep its row: it is started again if what it yields to fails."""
    _end(workload, GRACE)


def _end(workload: Workload, grace: float) -> None:
    """A database has as long as it takes to write everything down, whoever it makes room for."""
    runs = workload.revision.resources.filter(name=workload.app).first()
    if runs is not None and kinds.get(runs.kind).server:
        grace = max(grace, servers.GRACE)
    workload.runner.stop(workload.handle or {"id": workload.id}, grace)


def _disks(release: Release, spec: dict[str, Any]) -> tuple[Mount, ...]:
    mounts = []
    for mount in spec.get("mounts", []):
        if disk := mount.get("disk"):
            mounts.append(Mount(made(release.revision.pod_id, disk), mount["path"], "write"))
    return tuple(mounts)


def _files(release: Release, spec: dict[str, Any]) -> dict[str, bytes]:
    return {
        mount["path"]: release.snapshot[mount["config"]].spec["files"][mount["file"]].encode()
        for mount in spec.get("mounts", [])
        if mount.get("config")
    }
