"""The contract of a store, on a directory and on a server that speaks S3; and entries on their way through both."""

from __future__ import annotations

import datetime
import io
import json
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from django.test import override_settings

from apps import artifacts
from apps.artifacts import s3
from apps.artifacts.local import LocalArtifacts
from apps.artifacts.objects import Objects, ObjectsAway, StorageObjects, opened
from apps.builds import caching
from apps.builds.caching import travel
from apps.builds.caching.index import Entry
from brainpod.settings import BRAINPOD

SCOPE = "1/pod/app/production/1"


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StorageObjects:
    if request.param == "s3":
        return s3.bucket(request.getfixturevalue("bucket").url)
    return opened(f"file://{tmp_path}/shared")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalArtifacts:
    local = LocalArtifacts(tmp_path / "artifacts")
    monkeypatch.setattr(artifacts, "artifacts", lambda: local)
    return local


def stored(local: LocalArtifacts, text: str = "content") -> Entry:
    made = local.scratch("test") / "tree"
    made.mkdir()
    (made / "file").write_text(text)
    (made / "link").symlink_to("/usr/bin/env")
    tree = local.adopt(made)
    return Entry(tree.digest, tree.size, tree.files, {"kind": "test"})


def content(store: Objects, name: str) -> bytes | None:
    file = store.get(name)
    if file is None:
        return None
    with file:
        return file.read()


def test_objects_come_and_go(store: StorageObjects) -> None:
    assert content(store, "a/b/one") is None
    assert list(store.objects("a")) == []
    store.put("a/b/one", io.BytesIO(b"1"))
    store.put("a/two", io.BytesIO(b"22" * 5_000_000))
    store.put("a/b/one", io.BytesIO(b"again"))
    assert content(store, "a/b/one") == b"again"
    assert content(store, "a/two") == b"22" * 5_000_000
    found = {one.name: one for one in store.objects("a")}
    assert {name: one.size for name, one in found.items()} == {"a/b/one": 5, "a/two": 10_000_000}
    day = datetime.timedelta(days=1)
    assert all(abs(datetime.datetime.now(datetime.UTC) - one.modified) < day for one in found.values())
    store.delete("a/b/one")
    store.delete("a/b/one")
    assert [one.name for one in store.objects("a")] == ["a/two"]


def test_an_entry_travels(store: StorageObjects, here: LocalArtifacts) -> None:
    entry = stored(here)
    travel.send(store, SCOPE, "layers", "k" * 64, entry)
    shutil.rmtree(here.path(entry.digest))
    assert travel.fetch(store, SCOPE, "layers", "k" * 64) == entry
    assert (here.path(entry.digest) / "file").read_text() == "content"
    assert not [p for p in (here.root / ".scratch").iterdir() if p.name.startswith("fetched")]
    assert travel.fetch(store, SCOPE, "layers", "x" * 64) is None
    assert travel.fetch(store, "1/pod/app/production/2", "layers", "k" * 64) is None


def test_what_was_copied_from_another_app_is_refused(store: StorageObjects, here: LocalArtifacts) -> None:
    entry = stored(here)
    travel.send(store, "1/pod/evil/untrusted-1/1", "layers", "k", entry)
    for kind in ("index", "archives"):
        for found in list(store.objects(f"{kind}/1/pod/evil")):
            copied = content(store, found.name)
            assert copied
            store.put(found.name.replace("evil/untrusted-1", "app/production"), io.BytesIO(copied))
    assert travel.fetch(store, SCOPE, "layers", "k") is None
    assert travel.fetch(store, "1/pod/evil/untrusted-1/1", "layers", "k") == entry


def test_what_was_changed_is_refused(store: StorageObjects, here: LocalArtifacts) -> None:
    entry, other = stored(here), stored(here, "poisoned")
    travel.send(store, SCOPE, "layers", "k", entry)
    travel.send(store, SCOPE, "layers", "other", other)
    names = {one.name for one in store.objects(f"archives/{SCOPE}")}
    good = next(name for name in names if entry.digest[7:] in name)
    bad = next(name for name in names if other.digest[7:] in name)
    poison = content(store, bad)
    assert poison
    store.put(good, io.BytesIO(poison))
    shutil.rmtree(here.path(entry.digest))
    assert travel.fetch(store, SCOPE, "layers", "k") is None
    assert not here.has(entry.digest)

    said = json.loads(content(store, f"index/{SCOPE}/layers/k") or b"")
    said["entry"] = said["entry"].replace(entry.digest, other.digest)
    for forged in (json.dumps(said), json.dumps(said["entry"]), "[]", "\0", '{"entry": 1, "signature": "x"}'):
        store.put(f"index/{SCOPE}/layers/k", io.BytesIO(forged.encode()))
        assert travel.fetch(store, SCOPE, "layers", "k") is None


def test_what_is_not_used_is_forgotten(store: StorageObjects, here: LocalArtifacts) -> None:
    entry, other = stored(here), stored(here, "other")
    travel.send(store, SCOPE, "layers", "k", entry)
    travel.send(store, SCOPE, "outputs", "o", other)
    travel.send(store, "1/pod/gone/production/1", "layers", "k", entry)
    assert travel.scopes(store) == {SCOPE, "1/pod/gone/production/1"}
    assert travel.forget(store, SCOPE, older_than=3600) == 0
    store.delete(f"index/{SCOPE}/outputs/o")
    assert travel.forget(store, SCOPE, older_than=3600) == 0  # an archive nobody names, but a new one
    assert travel.forget(store, SCOPE, older_than=-3600) == 3
    assert travel.drop(store, "1/pod/gone/production/1") == 2
    assert list(store.objects("index")) == list(store.objects("archives")) == []


def test_a_store_that_is_away(bucket, here: LocalArtifacts) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and does not listen
        away = s3.bucket(replace(bucket, endpoint=f"http://127.0.0.1:{deaf.getsockname()[1]}").url)
        with pytest.raises(ObjectsAway):
            away.get("x")
        with pytest.raises(ObjectsAway):
            list(away.objects("x"))
        with pytest.raises(ObjectsAway):
            away.put("x", io.BytesIO(b"x"))
    missing = s3.bucket(replace(bucket, name="no-such-bucket").url)
    with pytest.raises(ObjectsAway):
        missing.put("x", io.BytesIO(b"x"))


def test_the_setting_picks_the_store(tmp_path: Path, bucket) -> None:
    assert caching.store() is None
    for url in (f"file://{tmp_path}", bucket.url):
        with override_settings(BRAINPOD=replace(BRAINPOD, cache_url=url)):
            found = caching.store()
            assert found
            found.put("x", io.BytesIO(b"x"))
            assert [one.name for one in found.objects("")] == ["x"]
