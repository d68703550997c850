"""What a build finds of the ones before it: layers, intermediates, whole outputs; and nothing with the cache off."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from apps import engines
from apps.artifacts.local import LocalArtifacts
from apps.artifacts.objects import StorageObjects, opened
from apps.builds.caching import index, keys, travel
from apps.builds.detect import detect
from tests.builds.conftest import Builder
from tests.stack.s3 import Bucket

Make = Callable[[dict[str, str]], Path]
needs_node = pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="Node.js is not installed")
SITE = {
    "package.json": json.dumps({"devDependencies": {"parcel": "2"}}),
    "index.html": "<p>",
}
# What a bundler does: counts in its cache how often it has run.
COUNT = "mkdir -p dist .parcel-cache && echo x >> .parcel-cache/runs && wc -l < .parcel-cache/runs > dist/index.html"


def built(builder: Builder, root: Path, *, build: str = COUNT, **options: object) -> str:
    manifest = builder.build(root, install="true", build=build, kind="static", **options)  # type: ignore[arg-type]
    return (builder.stored(manifest.app) / "index.html").read_text().strip()


@needs_node
def test_intermediates_survive_a_change_of_the_source(builder: Builder, project: Make) -> None:
    root = project(SITE)
    assert built(builder, root) == "1"
    (root / "index.html").write_text("<p>two")
    assert built(builder, root) == "2"
    assert [line for line in builder.lines if line.startswith("Cache: restored .parcel-cache (0.0 MB) in")]
    (root / "index.html").write_text("<p>three")
    assert built(builder, root, cache=False) == "1"
    assert builder.lines.count("Cache: off") == 1
    assert built(builder, root) == "3"


@needs_node
def test_intermediates_beneath_node_modules_outlive_the_layer(builder: Builder, project: Make) -> None:
    if not engines.engine().check().sandbox:
        pytest.skip("no sandbox on this machine")
    root = project(SITE | {"package.json": json.dumps({"dependencies": {"astro": "5"}})})
    build = "mkdir -p dist; d=node_modules/.astro; mkdir -p $d; echo x >> $d/runs; wc -l < $d/runs > dist/index.html"
    options = {"build": build, "kind": "static", "install": "mkdir -p node_modules/x; touch node_modules/x/y"}
    for runs in "12":
        (root / "index.html").write_text(runs)
        manifest = builder.build(root, **options)  # type: ignore[arg-type]
        assert (builder.stored(manifest.app) / "index.html").read_text().strip() == runs
    assert builder.layer
    assert not (builder.stored(builder.layer.digest) / "node_modules/.astro").exists()


@needs_node
def test_another_lockfile_begins_new_intermediates(builder: Builder, project: Make) -> None:
    root = project(SITE)
    plan = detect(root)
    key = keys.intermediates(plan, root, {"node": "20"})
    (root / "index.html").write_text("changed")
    assert keys.intermediates(plan, root, {"node": "20"}) == key
    assert keys.intermediates(plan, root, {"node": "22"}) != key
    (root / "package.json").write_text(json.dumps({"devDependencies": {"parcel": "2", "x": "1"}}))
    assert keys.intermediates(plan, root, {"node": "20"}) != key


@needs_node
@pytest.mark.parametrize(
    "trap",
    [
        "rm -rf .parcel-cache; ln -s /etc .parcel-cache",
        "rm -rf .parcel-cache; ln -s ../../.. .parcel-cache",
        "mkfifo .parcel-cache/pipe",
        "ln -s /etc/passwd .parcel-cache/leak",
    ],
)
def test_odd_intermediates_are_not_kept(builder: Builder, project: Make, trap: str) -> None:
    root = project(SITE)
    assert built(builder, root, build=f"{COUNT}; {trap}") == "1"
    assert not [part for part, _, _ in index.every(builder.cache) if part == index.INTERMEDIATES]


@needs_node
def test_a_link_in_the_repository_is_not_followed(builder: Builder, project: Make, tmp_path: Path) -> None:
    root = project(SITE)
    assert built(builder, root) == "1"
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / ".parcel-cache").symlink_to(outside)
    assert built(builder, root, build="rm .parcel-cache; " + COUNT) == "1"
    assert not list(outside.iterdir())


@needs_node
def test_an_unchanged_site_is_not_built_again(builder: Builder, project: Make) -> None:
    root = project(SITE)
    env = {"TOKEN": "secret-1"}
    assert built(builder, root, env=env) == "1"
    label = builder.source.resolve("brainpod:acme/app", "")[:7]
    assert built(builder, root, env=env) == "1"
    assert f"Nothing changed since build {label}: its output is used." in builder.lines
    assert not [line for line in builder.lines if line.startswith("$ mkdir")]
    assert built(builder, root, env={"TOKEN": "secret-2"}) == "2", "another value is another build"
    (root / "unread.txt").write_text("x")
    assert built(builder, root, env=env) == "3"
    for path in builder.cache.rglob("*"):
        assert not path.is_file() or b"secret-" not in path.read_bytes()


def test_the_digest_of_an_environment_needs_the_platforms_key(settings) -> None:
    known = keys.concealed({"PIN": "1234"})
    assert keys.concealed({"PIN": "1234"}) == known != keys.concealed({"PIN": "1235"})
    settings.SECRET_KEY = "another"
    assert keys.concealed({"PIN": "1234"}) != known


def test_the_manifest_of_a_source(project: Make) -> None:
    root = project({"a": "1", "b/c": "2", ".git/HEAD": "x"})
    known = keys.manifest(root)
    (root / ".git/HEAD").write_text("y")
    assert keys.manifest(root) == known
    seen = {known}
    for change in (
        lambda: (root / "a").write_text("2"),
        lambda: (root / "a").chmod(0o755),
        lambda: (root / "b/c").rename(root / "b/d"),
        lambda: (root / "e").mkdir(),
        lambda: (root / "l").symlink_to("a"),
        lambda: ((root / "l").unlink(), (root / "l").symlink_to("b")),
    ):
        change()
        seen.add(keys.manifest(root))
    assert len(seen) == 7


def test_the_key_of_a_layer(project: Make) -> None:
    root = project({"requirements.txt": "x\n", "main.py": "", "app.py": ""})
    plan = detect(root)
    versions = {"python": "3.11.7"}

    def key(**changes: object) -> str:
        given = {"plan": plan, "app": root, "versions": versions, "env": {}, "places": ("/opt/python",)} | changes
        return keys.layer(**given)  # type: ignore[arg-type]

    known = key()
    (root / "app.py").write_text("changed")
    assert key() == known == key(env={"GREETING": "hello", "DATABASE_URL": "x"})
    others = [
        key(versions={"python": "3.11.8"}),
        key(plan=dataclasses.replace(plan, install=("other",))),
        key(places=("/usr/local",)),
        *(key(env={name: "x"}) for name in ("PIP_INDEX_URL", "CFLAGS", "NODE_ENV", "npm_config_registry")),
    ]
    (root / "requirements.txt").write_text("y\n")
    assert len({known, key(), *others}) == len(others) + 2
    assert key(plan=dataclasses.replace(plan, lockfiles=(".",))) == ""


@pytest.mark.parametrize("kind", ["directory", "s3"])
def test_another_machine_finds_what_was_sent(
    builder: Builder, project: Make, tmp_path: Path, kind: str, request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    remote = _remote(kind, request, tmp_path)
    root = project({"main.py": ""})
    first = builder.build(root)
    for part, path, entry in index.every(builder.cache):
        travel.send(remote, builder.scope, part, path.name, entry)

    store = LocalArtifacts(tmp_path / "elsewhere/artifacts")
    monkeypatch.setattr("apps.artifacts.artifacts", lambda: store)
    other = replace(builder, store=store, cache=tmp_path / "elsewhere/cache/g1", remote=remote, lines=[])
    second = other.build(root)
    assert other.layer
    assert other.layer.reused
    assert second.deps == first.deps
    assert [line for line in other.lines if line.startswith("Cache: restored dependencies (")]

    for found in remote.objects("archives"):
        os.truncate(tmp_path / "shared" / found.name, 100) if kind == "directory" else remote.delete(found.name)
    third = replace(
        other, store=LocalArtifacts(tmp_path / "third/artifacts"), cache=tmp_path / "third/cache/g1", lines=[]
    )
    monkeypatch.setattr("apps.artifacts.artifacts", lambda: third.store)
    assert third.build(root).deps
    assert third.layer
    assert not third.layer.reused, "a damaged archive is a miss"


def _remote(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> StorageObjects:
    if kind == "directory":
        return opened(f"file://{tmp_path}/shared")
    from apps.artifacts import s3

    bucket: Bucket = request.getfixturevalue("bucket")
    return s3.bucket(bucket.url)


def test_a_store_that_is_away_costs_a_warning(builder: Builder, project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.artifacts import s3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        builder.remote = s3.bucket(f"s3://b/x?endpoint=http://127.0.0.1:{deaf.getsockname()[1]}&region=us-east-1")
        assert builder.build(project({"main.py": ""})).deps
    warned = [line for line in builder.lines if line.startswith("Warning: the store of build caches")]
    assert len(warned) == 1
