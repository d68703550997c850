"""An error may quote what a command printed: secret values do not pass into what is stored of it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from apps.core.errors import UserError
from apps.core.leases import acquire
from apps.core.masking import Mask
from apps.deployments import pipeline
from apps.deployments.models import Deployment
from apps.deployments.recorder import Recorder
from apps.logs import reader
from apps.logs.lines import plain
from apps.logs.writer import LogWriter
from apps.pods.models import Pod
from tests.people import make_team

pytestmark = pytest.mark.django_db

SECRET = "hunter2-hunter2"


def test_what_a_failed_stage_said_is_masked() -> None:
    pod = Pod.objects.create(team=make_team("masked"), name="masked-errors")
    revision = pod.revisions.create(version=1, sealed_at=timezone.now())
    deployment = Deployment.objects.create(pod=pod, revision=revision, trigger="manual", state="pending")
    run = deployment.stages.create(stage="build", app="web")
    lease = acquire(deployment)
    assert lease
    error = UserError("build_failed", f"It ended: token {SECRET} is wrong", f"See {SECRET}.")
    with LogWriter.open(deployment.stream, mask=Mask([SECRET])) as log:
        recorder = Recorder(deployment=deployment, lease=lease, log=log)
        with pytest.raises(UserError), recorder.stage("build", "web"):
            raise error
        pipeline._end(recorder, "failed", error.message, code=error.code, hint=error.hint)
    run.refresh_from_db()
    deployment.refresh_from_db()
    assert (deployment.state, deployment.error_code) == ("failed", "build_failed")
    stored = [
        run.note,
        deployment.error,
        deployment.hint,
        *(plain(line.text) for line in reader.tail(deployment.stream)),
    ]
    assert all(SECRET not in text for text in stored)
    assert "It ended: token" in run.note
    assert "It ended: token" in deployment.error


def test_what_is_hidden_later_is_masked_from_then_on() -> None:
    """A token that a clone is let in with is known only once it is asked for."""
    pod = Pod.objects.create(team=make_team("hidden"), name="hidden-later")
    revision = pod.revisions.create(version=1, sealed_at=timezone.now())
    deployment = Deployment.objects.create(pod=pod, revision=revision, trigger="manual", state="pending")
    lease = acquire(deployment)
    assert lease
    with LogWriter.open(deployment.stream, mask=Mask([SECRET])) as log:
        recorder = Recorder(deployment=deployment, lease=lease, log=log)
        recorder.hide(["ghs_installation"])
        recorder.hide(["glpat-submodule"])
        recorder.write(f"{SECRET} ghs_installation glpat-submodule Z2hzX2luc3RhbGxhdGlvbg== end")
    (line,) = (plain(line.text) for line in reader.tail(deployment.stream))
    assert line.endswith(" end")
    for secret in (SECRET, "ghs_installation", "glpat-submodule", "Z2hzX2luc3RhbGxhdGlvbg"):
        assert secret not in line
