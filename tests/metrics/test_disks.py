"""How much is on a disk: counted, bounded, kept, and shown."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.core.ids import new_id
from apps.deployments import disks as measuring
from apps.deployments.disk_paths import disk_path
from apps.deployments.models import AppEvent
from apps.metrics import disks
from apps.metrics.models import DiskUsage
from apps.pods.models import Pod

MB = 1024 * 1024


def test_everything_is_counted_once(tmp_path: Path) -> None:
    disk, outside = tmp_path / "disk", tmp_path / "outside"
    (disk / "deep" / "er").mkdir(parents=True)
    outside.mkdir()
    (outside / "big").write_bytes(os.urandom(8 * MB))
    (disk / "a").write_bytes(os.urandom(2 * MB))
    (disk / "deep" / "er" / "b").write_bytes(os.urandom(MB))
    os.link(disk / "a", disk / "deep" / "a-again")
    (disk / "out").symlink_to(outside)
    with open(disk / "sparse", "wb") as hole:
        hole.truncate(500 * MB)
    found = disks.count(disk, 60)
    assert found.whole
    assert 3 * MB <= found.used < 4 * MB
    assert found.entries == 6


def test_counting_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / str(number)).touch()
    assert not disks.count(tmp_path, -1.0).whole


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    assert not disks.count(tmp_path, 60).whole


@pytest.mark.parametrize(
    ("used", "level"),
    [(0, ""), (79, ""), (80, "warning"), (94, "warning"), (95, "nearly"), (99, "nearly"), (100, "full"), (250, "full")],
)
def test_levels(used: int, level: str) -> None:
    gauge = disks.Gauge(DiskUsage(used=used * disks.GB), 100 * disks.GB)
    assert (gauge.percent, gauge.level) == (used, level)


@pytest.fixture
def state(tmp_path: Path) -> Any:
    with override_settings(BRAINPOD=dataclasses.replace(settings.BRAINPOD, state=tmp_path)):
        yield tmp_path


@pytest.fixture
def pod(team: Team) -> Pod:
    """With a live disk of 5 GB."""
    made = Pod.objects.create(team=team, name=f"p{new_id()[-10:]}")
    revision = made.revisions.create(version=1, sealed_at=timezone.now())
    revision.resources.create(kind="Disk", name="data", spec={"size": 5})
    made.live = made.head = revision
    made.save()
    return made


@pytest.mark.django_db
@pytest.mark.usefixtures("state")
def test_live_disks_are_measured_and_forgotten_when_they_go(pod: Pod) -> None:
    measuring.measure_all()
    assert not DiskUsage.objects.exists(), "a disk that is not on this host"
    disk = disk_path(pod.pk, "data")
    disk.mkdir(parents=True)
    (disk / "a").write_bytes(os.urandom(MB))
    measuring.measure_all()
    usage = DiskUsage.objects.get()
    assert (usage.pod, usage.disk, usage.entries, usage.whole) == (pod.pk, "data", 1, True)
    assert usage.used >= MB
    Pod.objects.update(live=None)
    measuring.measure_all()
    assert not DiskUsage.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("state")
def test_the_app_is_told_when_its_disk_fills_and_when_it_has_room(pod: Pod) -> None:
    assert pod.live is not None
    pod.live.resources.create(kind="App", name="web", spec={"mounts": [{"disk": "data", "path": "/data"}]})
    pod.live.resources.create(kind="App", name="other", spec={})
    for app in ("web", "web", "other"):
        pod.workloads.create(revision=pod.live, app=app, fingerprint="f", state="healthy", serving=True)
    disk = disk_path(pod.pk, "data")
    disk.mkdir(parents=True)
    for gb in (0, 4.5, 4.6, 5.5, 1):
        with open(disk / "a", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, int(gb * MB)))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(disks, "GB", MB)  # a disk of 5 MB
            measuring.measure_all()
    told = list(AppEvent.objects.order_by("id").values_list("app", "level", "kind"))
    assert told == [(of, level, "disk") for level in ("warn", "error", "info") for of in ("data", "web")]


@pytest.mark.django_db
def test_one_that_was_cut_short_says_no_less_than_before() -> None:
    disks.keep("p", "d", disks.Occupied(100, 5, True))
    assert disks.keep("p", "d", disks.Occupied(40, 2, False)).used == 100
    assert disks.keep("p", "d", disks.Occupied(140, 2, False)).used == 140
    assert disks.keep("p", "d", disks.Occupied(40, 2, True)).used == 40


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("gb", "words", "mark"),
    [(1, "20 %", ""), (4, "The disk is nearly full", "nearly full"), (6, "The disk is over its size", "over its size")],
)
def test_pages_say_how_full_it_is(
    gb: int, words: str, mark: str, pod: Pod, vera: User, client_of: Callable[..., Client]
) -> None:
    client = client_of(vera)
    page = reverse("resource", args=[pod.name, "data"])
    assert "Not measured yet" in client.get(page).content.decode()
    disks.keep(pod.pk, "data", disks.Occupied(gb * disks.GB, 12, True))
    shown = client.get(page).content.decode()
    assert words in shown
    assert f'value="{min(100, gb * 20)}"' in shown
    listed = client.get(reverse("pod", args=[pod.name])).content.decode()
    assert f"5 GB · {gb * 20} % used" in listed
    assert mark in listed
