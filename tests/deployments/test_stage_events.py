"""What the ledger records of a stage stands on the log's stream as well, and the deployment's end after all of it."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from django.utils import timezone

from apps.core.errors import UserError
from apps.core.leases import acquire
from apps.core.masking import Mask
from apps.deployments import pipeline, reconcile
from apps.deployments.models import Deployment
from apps.deployments.recorder import Recorder
from apps.logs import reader
from apps.logs.lines import EVENT
from apps.logs.writer import LogWriter
from apps.pods.models import Revision

pytestmark = pytest.mark.django_db(transaction=True)


def events(deployment: Deployment) -> list[dict[str, Any]]:
    return [json.loads(line.text) for line in reader.read(deployment.stream) if line.level == EVENT]


def test_stages_and_the_end_are_told(live: Revision, valkey: object) -> None:
    deployment = Deployment.objects.create(
        pod=live.pod, revision=live, trigger="manual", state="pending", started_at=timezone.now()
    )
    for stage in ("clone", "detect", "build"):
        deployment.stages.create(stage=stage, app="web")
    lease = acquire(deployment)
    assert lease
    with LogWriter.open(deployment.stream, mask=Mask([])) as log:
        recorder = Recorder(deployment=deployment, lease=lease, log=log)
        recorder.skip("clone", app="web", why="It is there.")
        with recorder.stage("detect", "web") as note:
            recorder.write("python")
            note.text = "Flask"
        with pytest.raises(UserError), recorder.stage("build", "web"):
            raise UserError("build_failed", "It broke.", "Mend it.")
        pipeline._end(recorder, "failed", "It broke.", code="build_failed", hint="Mend it.")
    told = events(deployment)
    assert [(e["kind"], e.get("stage"), e["state"], e["note"]) for e in told] == [
        ("stage", "clone", "skipped", "It is there."),
        ("stage", "detect", "running", ""),
        ("stage", "detect", "passed", "Flask"),
        ("stage", "build", "running", ""),
        ("stage", "build", "failed", "It broke. Mend it."),
        ("deployment", None, "failed", "It broke."),
    ]
    assert all((e["seconds"] is not None) == (e["state"] in ("passed", "failed")) for e in told)
    lines = reader.read(deployment.stream)
    assert lines[-1].level == EVENT, "nothing comes after the end"
    assert [line.section for line in lines if line.text == "It broke. Mend it."] == ["Build · web"]
    runs = {run.stage: run.state for run in deployment.stages.all()}
    assert runs == {"clone": "skipped", "detect": "passed", "build": "failed"}


def test_one_past_its_deadline_is_told_too(live: Revision, valkey: object) -> None:
    now = timezone.now()
    deployment = Deployment.objects.create(
        pod=live.pod, revision=live, trigger="manual", state="pending", deadline=now - datetime.timedelta(seconds=1)
    )
    with LogWriter.open(deployment.stream, mask=Mask([])) as stuck:
        stuck.line("working")
        stuck.flush()
        reconcile._jobs()
        stuck.line("too late")
    assert [(e["kind"], e["state"]) for e in events(deployment)] == [("deployment", "failed")]
    assert [line.text for line in reader.read(deployment.stream) if line.level != EVENT] == ["working"]
