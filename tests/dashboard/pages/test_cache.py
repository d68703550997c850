"""The build cache on the page of its app: what it holds, and clearing it."""

from __future__ import annotations

import datetime

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.builds.models import BuildCache
from apps.pods.models import Pod


def fill(pod: Pod, *, zone: str = "production", **parts: int) -> BuildCache:
    used = timezone.now() - datetime.timedelta(hours=3)
    return BuildCache.objects.create(
        team=pod.team,
        pod=pod,
        app="web",
        zone=zone,
        parts=parts,
        size=sum(parts.values()),
        entries=4,
        last_used_at=used,
    )  # fmt: skip


def configuration(client: Client, pod: Pod) -> str:
    return client.get(reverse("resource", args=[pod.name, "web"]) + "?tab=configuration").content.decode()


def test_the_card_says_what_is_kept(live_pod: Pod, bobs: Client) -> None:
    fill(live_pod, layers=200_000_000, packages=50_000_000, intermediates=3_000_000, buildkit=7_000)
    fill(live_pod, zone="untrusted:4", layers=1_000_000)
    page = configuration(bobs, live_pod)
    for words in (
        "Build cache", "254.0 MB", "Dependencies", "201.0 MB", "Packages of the package managers", "50.0 MB",
        "Intermediate files of the framework", "Image layers", "3 hours ago", "of 10.2 GB", 'value="2"', "untrusted:4",
        "Enable build cache on redeploy", "Clear cache",
    ):  # fmt: skip
        assert words in page, words


def test_an_empty_one_has_nothing_to_clear(live_pod: Pod, bobs: Client) -> None:
    page = configuration(bobs, live_pod)
    assert "There is nothing to clear." in page
    assert "Clear cache" not in page


def test_viewers_look_and_developers_clear(live_pod: Pod, bobs: Client, veras: Client) -> None:
    row = fill(live_pod, layers=5_000_000)
    assert "5.0 MB" in configuration(veras, live_pod)
    assert "Clear cache" not in configuration(veras, live_pod)
    address = reverse("build-cache", args=[live_pod.name, "web"])
    assert veras.post(address).status_code == 403
    assert bobs.get(address).status_code == 405
    assert bobs.post(reverse("build-cache", args=[live_pod.name, "nothing"])).status_code == 404
    row.refresh_from_db()
    assert (row.generation, row.size) == (1, 5_000_000)
    answer = bobs.post(address, follow=True)
    row.refresh_from_db()
    assert (row.generation, row.size, row.parts) == (2, 0, {})
    assert row.cleared_at
    assert "is cleared: its next build begins with nothing." in answer.content.decode()
    assert "There is nothing to clear." in configuration(bobs, live_pod)
