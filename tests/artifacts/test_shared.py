"""Two hosts and one store: what one makes the other finds, and believes nothing but the digest."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import pytest

from apps.artifacts import archives, objects
from apps.artifacts.base import Tree
from apps.artifacts.shared import SharedArtifacts
from apps.core.errors import PlatformError, Unavailable
from tests.stack.s3 import Bucket


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> objects.Objects:
    if request.param == "file":
        return objects.opened(f"file://{tmp_path}/objects")
    bucket: Bucket = request.getfixturevalue("bucket")
    return objects.opened(bucket.url)


@pytest.fixture
def hosts(store: objects.Objects, tmp_path: Path) -> tuple[SharedArtifacts, SharedArtifacts]:
    return SharedArtifacts(tmp_path / "one", store), SharedArtifacts(tmp_path / "two", store)


def made(host: SharedArtifacts, text: str = "hello") -> Tree:
    root = host.scratch("test") / "tree"
    (root / "bin").mkdir(parents=True)
    (root / "bin/run").write_text(text)
    (root / "bin/run").chmod(0o755)
    (root / "empty").mkdir()
    (root / "link").symlink_to("bin/run")
    (root / "python").symlink_to("/opt/tools/python")
    return host.adopt(root, outside=("/opt/tools",))


def name_of(tree: Tree) -> str:
    return f"trees/{tree.digest.removeprefix('sha256:')}.tar.zst"


def put(store: objects.Objects, name: str, content: bytes) -> None:
    store.put(name, io.BytesIO(content))


def test_what_one_makes_the_other_finds(hosts: tuple[SharedArtifacts, SharedArtifacts]) -> None:
    one, two = hosts
    tree = made(one)
    there = two.path(tree.digest)
    assert (there / "bin/run").read_text() == "hello"
    assert os.access(there / "bin/run", os.X_OK)
    assert (there / "link").readlink() == Path("bin/run")
    assert (there / "python").readlink() == Path("/opt/tools/python")
    assert (there / "empty").is_dir()
    assert there.is_relative_to(two.root)


def test_it_travels_once(hosts: tuple[SharedArtifacts, SharedArtifacts], store: objects.Objects) -> None:
    one, two = hosts
    tree = made(one)
    assert two.has(tree.digest)
    store.delete(name_of(tree))
    assert two.path(tree.digest).is_dir()
    assert made(one).digest == tree.digest
    assert store.has(name_of(tree)), "who makes it again brings it back"


def test_nobody_has_it(hosts: tuple[SharedArtifacts, SharedArtifacts]) -> None:
    digest = f"sha256:{'0' * 64}"
    assert not hosts[0].has(digest)
    with pytest.raises(PlatformError) as caught:
        hosts[0].path(digest)
    assert caught.value.code == "artifact_missing"


@pytest.mark.parametrize("what", ["noise", "another", "escape", "cut"])
def test_what_is_not_what_it_says(
    hosts: tuple[SharedArtifacts, SharedArtifacts], store: objects.Objects, tmp_path: Path, what: str
) -> None:
    one, two = hosts
    tree = made(one)
    other = tmp_path / "other"
    other.mkdir()
    (other / "bad").write_text("bad")
    if what == "escape":
        (other / "up").symlink_to("../../../etc")
    packed = io.BytesIO()
    archives.pack(one.path(tree.digest) if what == "cut" else other, packed)
    content = {"noise": b"noise", "cut": packed.getvalue()[:-20]}.get(what, packed.getvalue())
    put(store, name_of(tree), content)
    with pytest.raises(PlatformError) as caught:
        two.path(tree.digest)
    assert caught.value.code == "artifact_damaged"
    assert [entry.name for entry in two.root.iterdir()] == [".scratch"], "nothing of it is kept"
    assert list((two.root / ".scratch").iterdir()) == []


def test_a_store_that_is_away_is_waited_for(tmp_path: Path) -> None:
    blocked = tmp_path / "objects"
    blocked.write_text("no directory")
    host = SharedArtifacts(tmp_path / "one", objects.opened(f"file://{blocked}"))
    with pytest.raises(Unavailable):
        made(host)


def test_what_nobody_needs_goes_from_the_store_too(
    hosts: tuple[SharedArtifacts, SharedArtifacts], store: objects.Objects
) -> None:
    one, _ = hosts
    kept, dropped = made(one, "kept"), made(one, "dropped")
    one.keep_only({kept.digest}, older_than=3600)
    assert store.has(name_of(dropped)), "it is too young"
    one.keep_only({kept.digest}, older_than=-60)
    assert (store.has(name_of(kept)), store.has(name_of(dropped))) == (True, False)
    shutil.rmtree(one.root)
    assert one.__class__(one.root, store).path(kept.digest).is_dir(), "a new disk finds it again"
