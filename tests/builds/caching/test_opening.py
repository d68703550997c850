"""The cache of a build over its life: first, warm, off, cleared under way."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.builds.actions import carry_builds
from apps.builds.caching import index, opening, tending
from apps.builds.caching.place import idle
from apps.builds.models import Artifact, BuildCache
from apps.builds.stored import Stored, stored_apps
from apps.pods import actions as pods
from apps.pods.models import Pod, Revision
from tests.builds.caching.conftest import Configure, build_of, stored

pytestmark = pytest.mark.django_db
APP = {"source": {"repo": "https://git.example.com/team/shop.git", "branch": "main"}}


def state_of(pod: Pod, tmp_path: Path, *, on: bool = True, kept: str = "", zone: str = "production") -> str:
    """What the log of the next build says; `kept`: what it leaves."""
    with opening.opened(build_of(pod, zone=zone), on=on, scratch=tmp_path, write=lambda _: None) as cache:
        if kept:
            cache.keep(index.LAYERS, "key", stored(kept))
        cache.packages()
        return cache.state


def test_first_warm_off_and_warm_again(pod: Pod, configure: Configure, tmp_path: Path) -> None:
    assert state_of(pod, tmp_path, kept="one") == "cold (the first build)"
    assert state_of(pod, tmp_path) == ""
    assert state_of(pod, tmp_path, on=False, kept="two") == "off"
    assert state_of(pod, tmp_path, on=False) == "off"
    row = BuildCache.objects.get(pod=pod)
    assert row.generation == 2
    assert state_of(pod, tmp_path) == "cold (cleared just now)"
    assert state_of(pod, tmp_path) == ""
    assert not list(index.every(tending.place(row).directory)), "what a build with the cache off makes is not kept"


def test_a_clear_says_since_when(pod: Pod, configure: Configure, tmp_path: Path, alice: User) -> None:
    state_of(pod, tmp_path, kept="one")
    opening.clear(pod=pod, app="web", by=alice)
    moment = timezone.now() - datetime.timedelta(hours=2, minutes=5)
    BuildCache.objects.update(cleared_at=moment, last_used_at=moment - datetime.timedelta(days=1))
    assert state_of(pod, tmp_path) == "cold (cleared 2 hours ago)"


def test_a_long_pause_is_told(pod: Pod, configure: Configure, tmp_path: Path) -> None:
    state_of(pod, tmp_path, kept="one")
    BuildCache.objects.update(last_used_at=timezone.now() - datetime.timedelta(days=21))
    tending.aside(tending.place(BuildCache.objects.get()).directory)
    assert state_of(pod, tmp_path) == "cold (not used for 3 weeks)"


def test_a_clear_during_a_build(pod: Pod, configure: Configure, tmp_path: Path, alice: User) -> None:
    with opening.opened(build_of(pod), on=True, scratch=tmp_path, write=lambda _: None) as cache:
        opening.clear(pod=pod, app="web", by=alice)
        (cache.packages() / "file").write_text("late")
        cache.keep(index.LAYERS, "key", stored("late"))
        assert cache.find(index.LAYERS, "key"), "the build under way goes on with its own"
        with idle(cache.directory) as free:
            assert not free
        old = BuildCache(**{**BuildCache.objects.values().get(), "generation": 1})
        tending.measure(old)
        row = BuildCache.objects.get()
        assert (row.generation, row.size) == (2, 0), "what it writes is nobody's"
    with opening.opened(build_of(pod), on=True, scratch=tmp_path, write=lambda _: None) as cache:
        assert cache.find(index.LAYERS, "key") is None
        assert not list(cache.packages().iterdir())


def test_a_preview_reads_production_and_not_the_other_way(pod: Pod, configure: Configure, tmp_path: Path) -> None:
    state_of(pod, tmp_path, kept="production")
    with opening.opened(build_of(pod, zone="untrusted:3"), on=True, scratch=tmp_path, write=lambda _: None) as cache:
        assert cache.find(index.LAYERS, "key")
        cache.keep(index.LAYERS, "other", stored("fork"))
    with opening.opened(build_of(pod), on=True, scratch=tmp_path, write=lambda _: None) as cache:
        assert cache.trusted is None
        assert cache.find(index.LAYERS, "other") is None
    assert set(BuildCache.objects.values_list("zone", flat=True)) == {"production", "untrusted:3"}


def save(pod: Pod, by: User, **changes: object) -> None:
    spec = APP | changes
    create = pod.draft is None and pod.head is None
    pods.save_resource(pod=pod, kind="App", name="web", spec=spec, by=by, create=create)


def sealed(pod: Pod, by: User) -> Revision:
    """The draft as a revision with its build, as a deployment would leave it."""
    pod.refresh_from_db()
    revision = pods.seal(pod=pod, summary="", by=by)
    carry_builds(revision=revision)
    Pod.objects.filter(pk=pod.pk).update(head=revision, live=revision)
    pod.refresh_from_db()
    return revision


def finish(revision: Revision) -> Artifact:
    build = revision.builds.get()
    build.artifact = Artifact.objects.create(team=revision.pod.team, kind="bundle", manifest={"app": "sha256:0"})
    build.commit = "a" * 40
    build.save()
    return build.artifact


def test_switching_it_off_builds_and_switching_it_on_serves_that_build(team, alice: User) -> None:
    pod = pods.create_pod(team=team, name="toggled", by=alice)
    save(pod, alice)
    first = finish(sealed(pod, alice))
    save(pod, alice, build={"cache": False})
    assert pod.draft
    assert stored_apps(pod.draft) == frozenset()
    off = sealed(pod, alice)
    assert off.builds.get().cold
    cold = finish(off)
    assert cold != first
    save(pod, alice, build={"cache": False}, startCommand="other")
    assert pod.draft
    assert stored_apps(pod.draft) == {"web"}, "built cold once, it is not built again for another start command"
    save(pod, alice)
    on = sealed(pod, alice)
    assert on.builds.get().artifact == cold


def test_what_a_fork_built_serves_no_production(team, alice: User) -> None:
    pod = pods.create_pod(team=team, name="forked", by=alice)
    save(pod, alice)
    revision = sealed(pod, alice)
    finish(revision)
    revision.builds.update(zone="untrusted:1")
    save(pod, alice, startCommand="other")
    assert pod.draft
    assert Stored(pod.draft).find("web") is None
