"""What the page of good practice says of backups."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from apps.backups.models import BackupPlan
from apps.backups.platform import kept, making
from apps.infrastructure.models import Allotment, Service, Type
from apps.infrastructure.practices import Finding, every
from apps.pods.models import Pod
from tests.people import make_user

pytestmark = pytest.mark.django_db


def found() -> dict[str, Finding]:
    (one,) = [practice for practice in every() if practice.title == "Backups"]
    return {finding.service: finding for finding in one.findings}


def test_of_the_platform_and_of_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client_of: Callable[..., Client]
) -> None:
    def given(line: str) -> None:
        changed = dataclasses.replace(settings.BRAINPOD, state=tmp_path, backups_platform=line)
        monkeypatch.setattr(settings, "BRAINPOD", changed)

    Service.objects.create(name="ours", type=Type.POSTGRESQL, managed=True, engine="process", version="18")
    Service.objects.create(name="theirs", type=Type.MYSQL, managed=False, host="192.168.7.7", port=3306)
    given("")
    assert {name: one.holds for name, one in found().items()} == {"the platform": False, "ours": False}
    assert "BRAINPOD_BACKUPS_PLATFORM" in found()["the platform"].remedy
    given(f"0 {(timezone.now() - datetime.timedelta(hours=12)).hour} * * *")
    assert "overdue" in found()["the platform"].words, "there is none of the last day"
    kept.directory().mkdir(parents=True)
    (kept.directory() / making.name_at(timezone.now())).write_bytes(b"x")
    assert found()["the platform"].holds
    (kept.directory() / kept.ERROR).write_text("the disk is full")
    assert "the disk is full" in found()["the platform"].words
    page = (
        client_of(make_user("operator", is_staff=True, is_superuser=True)).get("/operators/practices/").content.decode()
    )
    assert "/operators/backups/" in page
    assert "/operators/services/ours/" in page


def test_of_what_pods_have_at_a_shared_server(pod: Pod) -> None:
    service = Service.objects.create(name="ours", type=Type.POSTGRESQL, managed=True, engine="process", version="18")
    for name in ("db", "gone"):
        Allotment.objects.create(
            service=service, pod=pod, pod_name=pod.name, team_name="home", resource=name, database=f"d_{name}",
            released_at=timezone.now() if name == "gone" else None,
        )  # fmt: skip
    assert (found()["ours"].holds, found()["ours"].words) == (False, f"No backups are planned of db of {pod.name}")
    BackupPlan.objects.create(pod=pod, name="db", schedule="0 3 * * *", next_at=timezone.now())
    assert found()["ours"].holds
