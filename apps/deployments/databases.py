"""Databases as workloads: what one is started with, when it is ready, and which of them an app reaches."""

from __future__ import annotations

from django.conf import settings

from apps import secretstore
from apps.builds.image import bases
from apps.builds.stages import secrets as secrets_stage
from apps.core.errors import Unavailable
from apps.deployments.disk_paths import made
from apps.deployments.models import Workload
from apps.deployments.release import Release
from apps.engines.base import LaunchSpec, Limits, Peer
from apps.pods.contents import databases_of
from apps.pods.databases import ADMIN_PASSWORD, PASSWORD, credentials_path
from apps.pods.environment import SecretRef, password_references
from apps.pods.kinds.database import Spec
from apps.pods.models import Revision
from apps.pods.sizes import SIZES
from apps.servers.base import SERVICES
from apps.servers.run import Credentials, launch_spec


def spec_of(release: Release, workload: Workload) -> LaunchSpec:
    """Raises Unavailable with the secret store, UserError("server_missing")."""
    name, revision = workload.app, release.revision
    spec = databases_of(release.snapshot)[name]
    size = SIZES[spec.instance]
    found = credentials(revision, name, spec.credentials)
    return launch_spec(
        spec.server, spec.version, id=workload.id, pod=revision.pod_id, name=name, region=revision.pod.region,
        disk=made(revision.pod_id, spec.disk), limits=Limits(cpu=size.cpu, memory=size.memory), credentials=found,
        image=image(release, name),
    )  # fmt: skip


def endpoint(workload: Workload) -> tuple[str, int]:
    """Where the platform's own processes on this host reach a pod's database server, by TCP.

    Raises Unavailable for one that was not started.
    """
    host, _, port = str(workload.handle.get("tcp") or workload.address).rpartition(":")
    if not host or not port.isdecimal():
        raise Unavailable("database_not_started", f"{workload.app} was not started yet.", "Deploy or start it.")
    return host, int(port)


def credentials(revision: Revision, name: str, version: int) -> Credentials:
    """The passwords of a database. Raises what apps.builds.stages.secrets.read raises."""
    path = credentials_path(revision.pod_id, name)
    wanted = {key: SecretRef(path, version, key) for key in (PASSWORD, ADMIN_PASSWORD)}
    values = secrets_stage.read(secretstore.secrets(), revision.pod_id, wanted)
    return Credentials(values[PASSWORD], values[ADMIN_PASSWORD])


def peers(release: Release, app: str) -> tuple[Peer, ...]:
    """The databases that the values of `app` speak of."""
    spoken = password_references(release.revision, app)
    found = databases_of(release.snapshot)
    return tuple({_peer(name, found[name]): None for name in sorted(spoken)})


def _peer(name: str, spec: Spec) -> Peer:
    return Peer(spec.service, spec.server.port, SERVICES) if spec.service else Peer(name, spec.server.port)


def image(release: Release, name: str) -> str:
    """What it runs in, where the engine runs images; BRAINPOD_BASE_IMAGES names it by its scheme (postgres, mysql)."""
    if "bundle" in release.runner.artifacts:
        return ""
    spec = databases_of(release.snapshot)[name]
    usual = spec.server.image.format(spec.version)
    return bases.named(spec.server.scheme, usual, settings.BRAINPOD.base_images, spec.version)
