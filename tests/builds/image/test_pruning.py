"""Images nobody needs go, from the daemon and from the registry; others and other people's stay."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone

from apps import artifacts
from apps.builds.bundle import Manifest
from apps.builds.image import images, pruning
from apps.builds.models import Artifact, Builder, PushedImage
from apps.core import holders
from apps.core.ids import new_id
from tests.builds.image.conftest import BUSY, ImageBuilder, configure
from tests.people import make_team
from tests.stack.components import wait_for
from tests.stack.registry import RegistryServer

pytestmark = pytest.mark.django_db
Project = Callable[[dict[str, str]], Path]
AT_ONCE = -60.0  # seconds: what was made a moment ago is old


def built(builder: ImageBuilder, project: Project, *, needed: bool) -> Manifest:
    manifest = builder.build(project({"Dockerfile": f"{BUSY}RUN echo {new_id()} > /word\nCMD cat /word\n"}))
    if needed:
        Artifact.objects.create(team=make_team("prune"), kind="image", manifest=manifest.as_json())
    return manifest


def there(builder: ImageBuilder, *manifests: Manifest) -> list[bool]:
    rows = builder.daemon.client().api.images()
    found = {name for row in rows for name in (row["Id"], *(row["RepoDigests"] or ()))}
    return [manifest.image in found for manifest in manifests]


def kept(registry: RegistryServer, *manifests: Manifest) -> list[bool]:
    ours = registry.known()
    return [bool(ours.digest(*manifest.image.split("@"))) for manifest in manifests]


def test_the_daemon_keeps_what_is_needed_and_what_is_not_ours(builder: ImageBuilder, project: Project) -> None:
    needed, dropped = (built(builder, project, needed=kept) for kept in (True, False))
    pruning.sweep(older_than=3600)
    assert there(builder, needed, dropped) == [True, True], "it is too young"
    others = {tag for row in builder.daemon.client().api.images() for tag in row["RepoTags"] or () if "test/" in tag}
    pruning.sweep(older_than=AT_ONCE)
    assert there(builder, needed, dropped) == [True, False]
    now = {tag for row in builder.daemon.client().api.images() for tag in row["RepoTags"] or ()}
    assert others
    assert others <= now


def test_the_registry_keeps_what_is_needed(
    builder: ImageBuilder, registry: RegistryServer, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "registry", registry.known)
    needed, dropped = (built(builder, project, needed=kept) for kept in (True, False))
    pruning.sweep(older_than=3600)
    assert kept(registry, needed, dropped) == [True, True], "it is too young"
    pruning.sweep(older_than=AT_ONCE)
    assert kept(registry, needed, dropped) == [True, False]
    assert there(builder, needed, dropped) == [True, False]
    assert [row.reference for row in PushedImage.objects.all()] == [needed.image]


def test_equal_images_stay_as_long_as_one_of_them_is_needed(
    builder: ImageBuilder, registry: RegistryServer, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tags of one digest: to delete the one would be to delete the other."""
    monkeypatch.setattr(artifacts, "registry", registry.known)
    first = built(builder, project, needed=False)
    old, row = timezone.now() - datetime.timedelta(days=1), PushedImage.objects.get()
    PushedImage.objects.update(pushed_at=old)
    young = PushedImage.objects.create(name=f"{row.repository}:other", digest=row.digest, pushed_at=timezone.now())
    pruning.sweep(older_than=3600)
    assert kept(registry, first) == [True], "what was pushed a moment ago is equal"
    PushedImage.objects.filter(pk=young.pk).update(digest="")
    pruning.sweep(older_than=3600)
    assert kept(registry, first) == [True], "what is being pushed may turn out to be equal"
    young.delete()
    pruning.sweep(older_than=3600)
    assert kept(registry, first) == [False]
    assert not PushedImage.objects.exists()


def test_a_push_whose_end_nobody_saw_is_tidied_up(
    builder: ImageBuilder, registry: RegistryServer, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "registry", registry.known)
    lost = built(builder, project, needed=False)
    PushedImage.objects.update(digest="")
    PushedImage.objects.create(name=f"{registry.prefix}/shop-web:never-arrived", pushed_at=timezone.now())
    pruning.sweep(older_than=AT_ONCE)
    assert kept(registry, lost) == [False]
    assert not PushedImage.objects.exists()


@pytest.mark.parametrize("how", ["keeps everything", "is away"])
def test_what_cannot_be_deleted_now_is_remembered(
    builder: ImageBuilder, registry: RegistryServer, project: Project, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(artifacts, "registry", registry.known)
    dropped = built(builder, project, needed=False)
    registry.stop()
    if how == "keeps everything":
        registry.start(deletes=False)
    pruning.sweep(older_than=AT_ONCE)
    assert there(builder, dropped) == [False], "the daemon is tidied all the same"
    assert PushedImage.objects.count() == 1
    registry.stop()
    registry.start()
    pruning.sweep(older_than=AT_ONCE)
    assert kept(registry, dropped) == [False]


def test_a_machine_that_only_builds_keeps_nothing_that_the_registry_has(
    builder: ImageBuilder, registry: RegistryServer, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "registry", registry.known)
    configure(monkeypatch, builder="only-builds")
    Builder.objects.create(
        name="only-builds", region="local", dedicated=True, holder=holders.me(), seen_at=timezone.now()
    )
    needed = built(builder, project, needed=True)
    pruning.sweep_here(older_than=AT_ONCE)
    assert there(builder, needed) == [False]
    assert kept(registry, needed) == [True]


def test_buildkit_keeps_no_more_than_its_share(builder: ImageBuilder, project: Project) -> None:
    fill = "dd if=/dev/urandom of=/cache/big bs=1000000 count=30"
    root = project({"Dockerfile": f"{BUSY}RUN --mount=type=cache,target=/cache {fill}\nCMD true\n"})
    builder.build(root)
    api = builder.daemon.client().api

    def size() -> int:
        rows = api._result(api._get(api._url("/system/df")), True)["BuildCache"] or []
        return sum(row["Size"] for row in rows if not row["Shared"])

    before = size()
    assert before >= 30_000_000
    images.shrink_cache(builder.daemon.host, idle=15 * 86400, most=before)
    assert size() >= 30_000_000

    def shrunk() -> bool:
        images.shrink_cache(builder.daemon.host, idle=15 * 86400, most=10_000_000)
        return size() <= 10_000_000

    wait_for(shrunk, 60, "the cache to be let go by the build that filled it")
