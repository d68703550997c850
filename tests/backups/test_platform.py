"""The platform's own backup: into a file, and a new state directory out of it."""

from __future__ import annotations

import dataclasses
import datetime
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pyrage import x25519

from apps import artifacts, secretstore
from apps.accounts.models import Team, User
from apps.backups import remote
from apps.backups.platform import kept, making
from apps.builds.models import Artifact
from apps.core.errors import PlatformError
from apps.core.ids import new_id
from apps.infrastructure.embedded import openbao
from apps.pods.models import Pod
from apps.secretstore.base import SecretStore
from apps.sources.hosted import Hosted
from tests.people import make_user
from tests.stack.components import vault_of
from tests.stack.platform import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def store(openbao: SecretStore, monkeypatch: pytest.MonkeyPatch) -> SecretStore:
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    return openbao


@pytest.fixture
def live(team: Team, alice: User) -> Pod:
    """A pod whose live revision has an artifact in the store."""
    made = Pod.objects.create(team=team, name=f"p{new_id()[-10:].lower()}", created_by=alice)
    revision = made.revisions.create(version=1, sealed_at=timezone.now(), summary="first")
    place = artifacts.artifacts().scratch("platform-backup-test")
    (place / "app").mkdir()
    (place / "app" / "main.py").write_text(f"print('{made.name}')")
    tree = artifacts.artifacts().adopt(place / "app")
    artifact = Artifact.objects.create(team=team, kind="bundle", manifest={"app": tree.digest, "start": "x"})
    revision.builds.create(app="web", inputs="0", commit="c" * 40, artifact=artifact)
    Pod.objects.filter(pk=made.pk).update(live=revision, head=revision)
    return made


def manage(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("BRAINPOD_") and k != "DATABASE_URL"}
    env |= {"BRAINPOD_STATE": str(state), "DJANGO_SETTINGS_MODULE": "brainpod.settings"}
    return subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(connection.vendor != "sqlite", reason="what is restored here is SQLite")
def test_a_new_state_directory_has_the_pods_the_secrets_and_the_artifacts(
    store: SecretStore, live: Pod, tmp_path: Path, short_state: Path
) -> None:
    path = f"pods/{live.pk}/web/token"
    for value in ("first", "second", "third"):
        store.write(path, {"TOKEN": value})
    key, file = tmp_path / "key.txt", tmp_path / "backup.age"
    call_command("backup", new_key=key, stdout=io.StringIO())
    assert key.stat().st_mode & 0o777 == 0o600
    recipient = key.read_text().splitlines()[0].removeprefix("# public key: ")
    out = io.StringIO()
    call_command("backup", file, recipient=recipient, stdout=out)
    assert (file.stat().st_mode & 0o777, b"third" in file.read_bytes()) == (0o600, False)
    store.delete(path)

    done = manage(short_state, "restore", str(file), "--identity", str(key))
    assert done.returncode == 0, done.stderr
    assert live.name in done.stdout
    with sqlite3.connect(short_state / "brainpod.sqlite3") as database:
        assert database.execute("SELECT name FROM pods_pod WHERE id = ?", [live.pk]).fetchone() == (live.name,)
    programs = [found.read_text() for found in (short_state / "artifacts").rglob("main.py")]
    assert f"print('{live.name}')" in programs
    with openbao.running(short_state, quiet=True):
        new = vault_of(short_state)
        assert [new.read(path, version)["TOKEN"] for version in (1, 2, 3)] == ["first", "second", "third"]
    again = manage(short_state, "restore", str(file), "--identity", str(key))
    assert again.returncode == 1
    assert "There is something already" in again.stderr


@pytest.mark.skipif(connection.vendor != "sqlite", reason="what is restored here is SQLite")
def test_the_repositories_come_back_while_they_are_pushed_to(
    store: SecretStore, tmp_path: Path, short_state: Path
) -> None:
    hosted = Hosted(Path(settings.BRAINPOD.state) / "repositories")
    team, files = f"t{new_id()[-10:].lower()}", tmp_path / "files"
    files.mkdir()
    (files / "main.py").write_text("print(0)")
    first = hosted.commit_tree(team, "own", files, "first")
    hosted.commit_tree(team, "pod/web", files, "first", branch="release")
    hosted.set_default_branch(hosted.path(team, "pod/web"), "release")
    hosted.create(team, "empty")
    pushed, over = [first], threading.Event()

    def push() -> None:
        while not over.is_set():
            (files / "main.py").write_text(f"print({len(pushed)})")
            pushed.append(hosted.commit_tree(team, "own", files, "again"))
            git(hosted.path(team, "own"), "repack", "-a", "-d", "-q")

    writer = threading.Thread(target=push)
    writer.start()
    identity = x25519.Identity.generate()
    key, file = tmp_path / "key", tmp_path / "file"
    key.write_text(str(identity))
    try:
        call_command("backup", file, recipient=str(identity.to_public()), stdout=io.StringIO())
    finally:
        over.set()
        writer.join(60)
        shutil.rmtree(hosted.root / team)
    done = manage(short_state, "restore", str(file), "--identity", str(key))
    assert done.returncode == 0, done.stderr
    found = Hosted(short_state / "repositories")
    assert [found.exists(team, name) for name in ("own", "pod/web", "empty")] == [True] * 3
    assert len(pushed) > 1
    assert found.tip(found.path(team, "own"), "main") in pushed
    git(found.path(team, "own"), "fsck", "--strict", "--full")
    web = found.path(team, "pod/web")
    assert (found.default_branch(web), git(web, "show", "release:main.py")) == ("release", "print(0)")
    (files / "main.py").write_text("print('after')")
    assert git(web, "rev-list", "--count", found.commit_tree(team, "pod/web", files, "after", branch="release")) == "2"
    assert (found.root.stat().st_mode, web.stat().st_mode & 0o777) == (hosted.root.stat().st_mode, 0o700)


def test_a_repository_that_cannot_be_read_is_named(store: SecretStore, tmp_path: Path) -> None:
    hosted = Hosted(Path(settings.BRAINPOD.state) / "repositories")
    team = f"t{new_id()[-10:].lower()}"
    (tmp_path / "main.py").write_text("print(0)")
    hosted.commit_tree(team, "own", tmp_path, "first")
    try:
        for loose in hosted.path(team, "own").glob("objects/??/*"):
            loose.unlink()
        with pytest.raises(CommandError, match=f"The repository {team}/own.git cannot be read"):
            call_command("backup", tmp_path / "file", recipient=str(x25519.Identity.generate().to_public()))
        assert not (tmp_path / "file").exists()
    finally:
        shutil.rmtree(hosted.root / team)


def git(path: Path, *words: str) -> str:
    command = ["git", "-C", str(path), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.strip()


def test_versions_that_were_destroyed_stay_so(store: SecretStore) -> None:
    path = f"platform/test/{new_id().lower()}"
    store.put_back(path, {2: {"a": "two"}, 4: {"a": "four"}})
    assert dict(store.everything())[path] == {2: {"a": "two"}, 4: {"a": "four"}}
    with pytest.raises(PlatformError):
        store.read(path, 3)
    store.delete(path)


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "Say where to"), ({"recipient": "age1nobody"}, "must be an age recipient")],
)
def test_what_is_missing_is_named(given: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("backup", tmp_path / "file", **given)


def test_a_key_that_is_none_or_another(store: SecretStore, tmp_path: Path, short_state: Path) -> None:
    file, other, none = tmp_path / "file", tmp_path / "other", tmp_path / "none"
    call_command("backup", file, recipient=str(x25519.Identity.generate().to_public()), stdout=io.StringIO())
    call_command("backup", new_key=other, stdout=io.StringIO())
    none.write_text("nothing")
    for key, words in ((none, "has no identity"), (other, "not what was written")):
        done = manage(short_state, "restore", str(file), "--identity", str(key))
        assert done.returncode == 1
        assert words in done.stderr
    assert {path.name for path in short_state.iterdir()} <= {"secret-key"}


def test_by_the_clock_copied_and_the_oldest_forgotten(
    store: SecretStore, bucket: Any, monkeypatch: pytest.MonkeyPatch, short_state: Path
) -> None:
    given = {"backups_platform": "@hourly", "backups_platform_kept": 2, "backups_url": bucket.url}
    given["backups_recipient"] = str(x25519.Identity.generate().to_public())
    monkeypatch.setattr(kept, "directory", lambda: short_state)
    assert not kept.due(timezone.now()), "no schedule"
    monkeypatch.setattr(settings, "BRAINPOD", dataclasses.replace(settings.BRAINPOD, **given))
    for age in (9, 6, 3):
        moment = timezone.now() - datetime.timedelta(hours=age)
        old = short_state / making.name_at(moment)
        old.write_bytes(b"old")
        os.utime(old, (moment.timestamp(), moment.timestamp()))
    assert kept.due(timezone.now(), late=kept.LATE)
    kept.make()
    assert kept.error() is None
    assert [file.size > 100 for file in kept.files()] == [True, False]
    assert not kept.due(kept.files()[0].at)
    to = remote.store()
    assert to is not None
    assert [found.name for found in to.objects("platform")] == [f"platform/{kept.files()[0].name}"]


def test_one_that_fails_is_told_and_tried_again_later(
    store: SecretStore, monkeypatch: pytest.MonkeyPatch, short_state: Path, client_of: Callable[..., Client]
) -> None:
    monkeypatch.setattr(kept, "directory", lambda: short_state)
    given = {"backups_platform": "* * * * *", "backups_recipient": str(x25519.Identity.generate().to_public())}
    given["spare_mb"] = 10**9
    monkeypatch.setattr(settings, "BRAINPOD", dataclasses.replace(settings.BRAINPOD, **given))
    kept.make()
    failed = kept.error()
    assert failed is not None
    assert "MB left" in failed[0]
    assert not kept.due(timezone.now())
    assert kept.due(timezone.now() + datetime.timedelta(minutes=20))
    assert kept.files() == []
    operator = client_of(make_user("operator", is_staff=True, is_superuser=True))
    for page in ("home", "platform-backups"):
        assert "The last backup of the platform failed" in operator.get(reverse(page)).content.decode()
