"""A worker that lost its deployment to another takes nothing of the other's away."""

from __future__ import annotations

import pytest
from django.db.models import F

from apps import artifacts
from apps.builds import pipeline as builds
from apps.core.leases import LeaseLost, acquire, kept
from apps.core.masking import Mask
from apps.deployments import pipeline
from apps.deployments.models import Deployment, Workload
from apps.deployments.recorder import Recorder
from apps.logs.writer import LogWriter
from apps.pods.models import Revision

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_that_fails_once_it_was_taken_over(live: Revision, valkey: object) -> None:
    """It fails because the other removed its workspace; neither its stages nor its end say so."""
    build = live.builds.create(app="web", inputs="1")
    deployment = Deployment.objects.create(pod=live.pod, revision=live, trigger="manual", state="pending")
    deployment.stages.create(stage="clone", app="web", state="running")
    lease = acquire(deployment)
    assert lease
    with kept(lease), LogWriter.open(deployment.stream, mask=Mask([])) as log:
        recorder = Recorder(deployment=deployment, lease=lease, log=log)
        Deployment.objects.filter(pk=deployment.pk).update(fence=F("fence") + 1)
        others = artifacts.artifacts().scratch(builds._scratch(build))
        started = Workload.objects.create(
            pod=live.pod, deployment=deployment, revision=live, app="web", replica=0, state="starting"
        )
        with pytest.raises(LeaseLost):
            pipeline._end(recorder, "failed", "The repository could not be cloned.", code="source_unreachable")
    assert others.is_dir()
    started.refresh_from_db()
    deployment.refresh_from_db()
    assert (started.state, deployment.state) == ("starting", "pending")
    assert [stage.state for stage in deployment.stages.all()] == ["running"]
    builds.discard(build)
