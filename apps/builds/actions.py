"""What becomes of builds."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.builds.inputs import is_cold
from apps.builds.models import Artifact, Build
from apps.builds.stored import Stored
from apps.core.leases import Lease, LeaseLost
from apps.pods.models import Revision


@transaction.atomic
def carry_builds(*, revision: Revision) -> None:
    """Give every app of a sealed revision its Build, with the artifact of an earlier one where that serves."""
    snapshot, stored = revision.snapshot(), Stored(revision)
    known = {build.app: build for build in revision.builds.all()}
    for name in stored.apps:
        found, build = stored.find(name), known.get(name)
        if build is None:
            made = {"inputs": stored.inputs(name), "cold": is_cold(snapshot[name])}
            build = Build(revision=revision, app=name, commit=stored.commit(name), **made)
        elif (found is None) == (build.artifact_id is None):
            continue
        if found is None:
            build.artifact = build.built_at = None
        elif build.artifact_id is None:
            build.commit, build.author, build.message = found.commit, found.author, found.message
            build.plan, build.artifact, build.built_at = found.plan, found.artifact, found.built_at
        build.save()


def record_artifact(*, build: Build, manifest: dict[str, Any], kind: str, size: int, lease: Lease) -> Artifact:
    """Keep what a build made, if its deployment is still ours. Raises LeaseLost."""
    with transaction.atomic():
        lease.renew()
        artifact = Artifact.objects.create(team=build.revision.pod.team, kind=kind, manifest=manifest, size=size)
        won = Build.objects.filter(pk=build.pk, artifact=None).update(artifact=artifact, built_at=timezone.now())
        if not won:
            raise LeaseLost
    build.refresh_from_db()
    return artifact
