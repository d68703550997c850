"""After builds and by the hour: sizes, quota, idle and ownerless caches, toolchains, the shared store."""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path

import pytest
from django.utils import timezone

from apps import artifacts
from apps.accounts.models import User
from apps.builds import caching
from apps.builds.caching import index, opening, sweep, tending, travel
from apps.builds.caching.place import in_use
from apps.builds.models import Artifact, BuildCache
from apps.deployments import maintenance
from apps.pods.models import Pod
from tests.builds.caching.conftest import Configure, cached, stored
from tests.people import make_team

pytestmark = pytest.mark.django_db
MB = 1_000_000
DAYS = datetime.timedelta(days=1)


def long_ago(row: BuildCache, days: float) -> None:
    """As if nothing had been built for so long."""
    BuildCache.objects.filter(pk=row.pk).update(last_used_at=timezone.now() - days * DAYS)
    moment = time.time() - days * 86400
    for path in tending.place(row).directory.rglob("*"):
        os.utime(path, (moment, moment))


def keys(row: BuildCache) -> list[str]:
    return [path.name for _, path, _ in index.every(tending.place(row).directory)]


def test_sizes_by_part(pod: Pod, configure: Configure) -> None:
    row = cached(pod, "web", layer="x" * 700, packages="y" * 300)
    assert (row.size, row.files, row.entries) == (1000, 2, 1)
    assert row.parts == {"layers": 700, "packages": 300}
    assert row.tended_at


def test_the_team_is_kept_within_its_quota(pod: Pod, configure: Configure) -> None:
    configure(cache_mb=2)
    old = cached(pod, "old", layer="a" * MB, packages="b" * MB)
    new = cached(pod, "new", layer="c" * MB, packages="")
    other = cached(Pod.objects.create(team=make_team("other"), name="else"), "web", layer="d" * MB, packages="e" * MB)
    long_ago(old, 1)
    BuildCache.objects.update(tended_at=None)
    tending.tend()
    for row in (old, new, other):
        row.refresh_from_db()
    assert (keys(old), keys(new), keys(other)) == ([], ["key"], ["key"])
    assert old.parts == {"packages": MB}, "the layers went first, and that was enough"
    assert new.size == MB
    configure(cache_mb=1)
    tending.shrink(pod.team)
    old.refresh_from_db()
    assert (old.size, keys(new)) == (0, ["key"])
    assert not (tending.place(old).directory / "packages").exists()


def test_what_a_build_uses_and_what_a_kept_revision_has_stays(pod: Pod, configure: Configure) -> None:
    configure(cache_mb=1)
    used = cached(pod, "used", layer="a" * MB, packages="b" * MB)
    kept = cached(pod, "kept", layer="c" * MB, packages="d" * MB)
    digest = next(entry.digest for _, _, entry in index.every(tending.place(kept).directory))
    Artifact.objects.create(team=pod.team, kind="bundle", manifest={"kind": "bundle", "app": digest})
    with in_use(tending.place(used).directory):
        tending.shrink(pod.team)
        used.refresh_from_db()
        kept.refresh_from_db()
    assert used.size == 2 * MB
    assert kept.parts == {"layers": MB}
    tending.shrink(pod.team)
    used.refresh_from_db()
    assert used.size == 0


def test_idle_caches_go(pod: Pod, configure: Configure) -> None:
    row, fresh = cached(pod, "idle", layer="a"), cached(pod, "fresh", layer="b")
    long_ago(row, 14.9)
    sweep.sweep()
    assert keys(row) == ["key"]
    long_ago(row, 15.1)
    with in_use(tending.place(row).directory):
        sweep.sweep()
        assert keys(row) == ["key"], "a build has just begun"
    sweep.sweep()
    row.refresh_from_db()
    assert (keys(row), row.size, keys(fresh)) == ([], 0, ["key"])
    assert not list((tending.root() / ".gone").iterdir())


def test_unused_parts_of_a_busy_app_go(pod: Pod, configure: Configure) -> None:
    row = cached(pod, "web", layer="a")
    long_ago(row, 20)
    BuildCache.objects.update(last_used_at=timezone.now())
    tree = stored("new lockfile")
    index.write(tending.place(row).directory, index.LAYERS, "new", index.Entry(tree.digest))
    sweep.sweep()
    assert keys(row) == ["new"]
    assert not (tending.place(row).directory / "packages").exists()
    assert sweep.named() == {tree.digest}


def test_cleared_deleted_and_unknown_ones_go(pod: Pod, configure: Configure, alice: User) -> None:
    row = cached(pod, "web", layer="a")
    first = tending.place(row).directory
    gone = Pod.objects.create(team=pod.team, name="gone")
    deleted = tending.place(cached(gone, "web", layer="b")).directory
    gone.delete()
    old_shape = tending.root() / f"{pod.team_id}/{pod.pk}-web/layers"
    old_shape.mkdir()
    opening.clear(pod=pod, app="web", by=alice)
    with in_use(first):
        sweep.sweep()
        assert first.is_dir(), "a build that began before still has it"
    sweep.sweep()
    assert not first.exists()
    assert not deleted.exists()
    assert not old_shape.exists()


def test_unused_toolchains_go(pod: Pod, configure: Configure, tmp_path: Path) -> None:
    tools = tmp_path / "state/tools"
    for name in ("old-1", "used-1", "runs-1"):
        (tools / name / "bin").mkdir(parents=True)
        os.utime(tools / name, (1, 1))
    os.utime(tools / "used-1")
    Artifact.objects.create(
        team=pod.team, kind="bundle", manifest={"kind": "bundle", "prefixes": [str(tools / "runs-1")]}
    )
    sweep.sweep()
    assert sorted(p.name for p in tools.iterdir()) == ["runs-1", "used-1"]


def test_trees_that_nothing_names_go(pod: Pod, configure: Configure) -> None:
    row = cached(pod, "web", layer="named")
    lost = stored("lost")
    kept = next(entry.digest for _, _, entry in index.every(tending.place(row).directory))
    store = artifacts.artifacts()
    for digest in (lost.digest, kept):
        os.utime(store.path(digest), (1, 1))
    maintenance.maintain()
    assert store.has(kept)
    assert not store.has(lost.digest)


def test_the_shared_store_follows(pod: Pod, configure: Configure, tmp_path: Path, alice: User) -> None:
    configure(cache_url=f"file://{tmp_path}/shared")
    store = caching.store()
    assert store
    row = cached(pod, "web", layer="a")
    BuildCache.objects.update(tended_at=None)
    tending.tend()
    scope = tending.place(row).scope
    entry = next(entry for _, _, entry in index.every(tending.place(row).directory))
    assert entry.sent
    found = travel.fetch(store, scope, index.LAYERS, "key")
    assert found
    assert found.digest == entry.digest
    before = {one.name: one.modified for one in store.objects("")}
    tending.tend()
    assert {one.name: one.modified for one in store.objects("")} == before, "nothing is sent twice"

    sweep.sweep()
    assert travel.scopes(store) == {scope}
    opening.clear(pod=pod, app="web", by=alice)
    sweep.sweep()
    assert not list(store.objects(""))


def test_the_shared_store_forgets_idle_apps(pod: Pod, configure: Configure, tmp_path: Path) -> None:
    configure(cache_url=f"file://{tmp_path}/shared")
    store = caching.store()
    assert store
    row = cached(pod, "web", layer="a")
    BuildCache.objects.update(tended_at=None)
    tending.tend()
    assert list(store.objects(""))
    long_ago(row, 16)
    sweep.sweep()
    assert not list(store.objects(""))


def test_a_store_that_is_away_stops_nothing(pod: Pod, configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("a file where the directory should be")
    configure(cache_url=f"file://{tmp_path}/shared")
    row = cached(pod, "web", layer="a")
    BuildCache.objects.update(tended_at=None)
    tending.tend()
    sweep.sweep()
    row.refresh_from_db()
    assert row.size == 1
