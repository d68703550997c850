"""The store of trees: what goes in comes out the same, once, and nothing leads out of it."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from apps.artifacts.local import LocalArtifacts
from apps.core.errors import Invalid, PlatformError


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifacts:
    return LocalArtifacts(tmp_path / "artifacts", outside=("/app", "/layers", "/usr"))


def make(store: LocalArtifacts, files: dict[str, str]) -> Path:
    root = store.scratch("test") / "tree"
    root.mkdir()
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


FILES = {"index.html": "<p>hi", "css/site.css": "p{}", "empty": ""}


def test_adopted_tree_is_there_by_its_digest(store: LocalArtifacts) -> None:
    source = make(store, FILES)
    tree = store.adopt(source)
    assert not source.exists()
    assert store.has(tree.digest)
    assert (store.path(tree.digest) / "css/site.css").read_text() == "p{}"
    assert (tree.size, tree.files) == (8, 3)
    assert tree.digest.startswith("sha256:")


def test_same_content_is_kept_once(store: LocalArtifacts) -> None:
    first = store.adopt(make(store, FILES))
    second_source = make(store, FILES)
    os.utime(second_source / "empty", (1, 1))
    assert store.adopt(second_source) == first
    assert not second_source.exists()
    assert sorted(p.name for p in store.root.iterdir()) == sorted([".scratch", first.digest[7:]])


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "empty").write_text("x"),
        lambda root: (root / "empty").rename(root / "full"),
        lambda root: (root / "empty").chmod(0o755),
        lambda root: (root / "more").mkdir(),
        lambda root: (root / "link").symlink_to("empty"),
        lambda root: ((root / "empty").unlink(), (root / "empty").symlink_to("index.html")),
    ],
)
def test_any_change_changes_the_digest(store: LocalArtifacts, change) -> None:
    first = store.adopt(make(store, FILES))
    changed = make(store, FILES)
    change(changed)
    assert store.adopt(changed).digest != first.digest


def test_names_and_contents_cannot_be_shifted(store: LocalArtifacts) -> None:
    assert store.adopt(make(store, {"ab": "c"})).digest != store.adopt(make(store, {"a": "bc"})).digest


def test_modes_are_normalised(store: LocalArtifacts) -> None:
    root = make(store, {"run": "#!/bin/sh", "private": "x", "dir/inside": "y"})
    (root / "run").chmod(0o6711)
    (root / "private").chmod(0o600)
    (root / "dir").chmod(0o777)
    stored = store.path(store.adopt(root).digest)
    modes = {p.name: stat.S_IMODE(p.lstat().st_mode) for p in stored.rglob("*")}
    assert modes == {"run": 0o755, "private": 0o644, "dir": 0o755, "inside": 0o644}
    assert stat.S_IMODE(store.root.stat().st_mode) == 0o711


@pytest.mark.parametrize(
    ("where", "target"),
    [
        ("link", "/etc/passwd"),
        ("link", "../outside"),
        ("a/link", "../../outside"),
        ("a/link", "b/../../../outside"),
        ("link", "/"),
        ("link", "/usr/../etc/passwd"),
        ("link", "/appendix"),
        ("link", ".."),
        ("a/b/link", "../../../../../../etc/shadow"),
        ("link", "/proc/self/environ"),
    ],
)
def test_links_that_lead_out_are_refused(store: LocalArtifacts, where: str, target: str) -> None:
    root = make(store, {"a/b/file": "x"})
    (root / where).symlink_to(target)
    with pytest.raises(Invalid) as caught:
        store.adopt(root)
    assert caught.value.code == "artifact_escape"
    assert caught.value.details[0].path == where
    assert [p.name for p in store.root.iterdir()] == [".scratch"]


@pytest.mark.parametrize(
    ("where", "target"),
    [
        ("link", "a/b"),
        ("a/link", "../a/b/file"),
        ("link", "/app/x"),
        ("link", "/layers/deps/node_modules"),
        ("link", "."),
    ],
)
def test_links_within_are_kept(store: LocalArtifacts, where: str, target: str) -> None:
    root = make(store, {"a/b/file": "x"})
    (root / where).symlink_to(target)
    assert str((store.path(store.adopt(root).digest) / where).readlink()) == target


def test_a_way_up_through_another_link_is_refused(store: LocalArtifacts) -> None:
    root = make(store, {"a/b/file": "x"})
    (root / "a/b/up").symlink_to("../..")
    (root / "a/b/way-out").symlink_to("up/../outside")
    with pytest.raises(Invalid, match="outside"):
        store.adopt(root)


def test_fifo_and_socket_are_refused(store: LocalArtifacts) -> None:
    root = make(store, {"file": "x"})
    os.mkfifo(root / "pipe")
    with pytest.raises(Invalid, match="device, a socket or a FIFO"):
        store.adopt(root)
    (root / "pipe").unlink()
    here = Path.cwd()
    os.chdir(root)  # a socket's path has at most 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("sock")
    finally:
        os.chdir(here)
    with pytest.raises(Invalid, match="device, a socket or a FIFO"):
        store.adopt(root)


def test_a_file_swapped_for_a_link_is_not_followed(store: LocalArtifacts) -> None:
    outside = store.root.parent / "secret"
    outside.write_text("secret")
    outside.chmod(0o600)
    root = make(store, {"file": "x"})
    (root / "inside").symlink_to("file")
    store.adopt(root)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600


def test_missing_and_malformed_digests(store: LocalArtifacts) -> None:
    assert not store.has("sha256:" + "0" * 64)
    for digest in ("sha256:" + "0" * 64, "", "sha256:../../etc", "md5:" + "0" * 64, "sha256:" + "Z" * 64):
        with pytest.raises(PlatformError) as caught:
            store.path(digest)
        assert caught.value.code == "artifact_missing"


def test_many_adopting_the_same_at_once_all_succeed(store: LocalArtifacts) -> None:
    roots = [make(store, FILES) for _ in range(8)]
    trees = []
    threads = [threading.Thread(target=lambda root=root: trees.append(store.adopt(root))) for root in roots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(trees) == 8
    assert len(set(trees)) == 1
    assert (store.path(trees[0].digest) / "index.html").read_text() == "<p>hi"


def test_keep_only_drops_what_is_old_and_unwanted(store: LocalArtifacts) -> None:
    kept, old, fresh = (store.adopt(make(store, {"n": str(n) * 100})) for n in range(3))
    past = time.time() - 10_000
    for path in (store.path(kept.digest), store.path(old.digest)):
        os.utime(path, (past, past))
    assert store.keep_only({kept.digest}, older_than=5000) == 100
    assert store.has(kept.digest)
    assert store.has(fresh.digest)
    assert not store.has(old.digest)


def test_being_asked_for_spares_a_tree(store: LocalArtifacts) -> None:
    tree = store.adopt(make(store, FILES))
    os.utime(store.path(tree.digest), (1, 1))
    assert store.has(tree.digest)
    assert store.keep_only(set(), older_than=3600) == 0
    assert store.has(tree.digest)


def test_scratch_directories_are_new_and_safe(store: LocalArtifacts) -> None:
    first, second = store.scratch("../../x y"), store.scratch("../../x y")
    assert first != second
    assert first.parent == second.parent == store.root / ".scratch"
    assert not list(first.iterdir())
