"""The platform's own backup: into a file, and a new state directory out of it."""

from __future__ import annotations

import dataclasses
import datetime
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
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
from apps.backups.platform import database, kept, making
from apps.builds.models import Artifact
from apps.core.errors import PlatformError
from apps.core.ids import new_id
from apps.infrastructure.embedded import openbao
from apps.infrastructure.embedded.openbao import Access
from apps.infrastructure.embedded.openbao import access as access_of
from apps.pods.models import Pod
from apps.secretstore.base import SecretStore
from apps.sources.hosted import Hosted
from tests.people import make_user
from tests.stack.components import running_openbao, vault_of
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


def manage(state: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("BRAINPOD_") and k != "DATABASE_URL"}
    env |= {"BRAINPOD_STATE": str(state), "DJANGO_SETTINGS_MODULE": "brainpod.settings", **more}
    return subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


@dataclasses.dataclass(frozen=True)
class Empty:
    """A state directory and a database that nothing is in; `env`: what `manage` is to be told of them."""

    state: Path
    env: dict[str, str]

    def ask(self, query: str, *values: object) -> list[Any]:
        if url := self.env.get("DATABASE_URL"):
            with psycopg.connect(url) as found:
                return found.execute(query, values).fetchall()
        with closing(sqlite3.connect(self.state / "brainpod.sqlite3")) as file:
            return file.execute(query.replace("%s", "?"), values).fetchall()


@pytest.fixture
def empty(short_state: Path) -> Iterator[Empty]:
    """Of the kind that the tests' own database is."""
    if connection.vendor == "sqlite":
        yield Empty(short_state, {})
        return
    name, given = f"restored_{new_id()[-8:].lower()}", connection.settings_dict
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    who = f"{given['USER']}{':' + given['PASSWORD'] if given['PASSWORD'] else ''}"
    where = f"{quote(given['HOST'], safe='')}{':' + str(given['PORT']) if given['PORT'] else ''}"
    yield Empty(short_state, {"DATABASE_URL": f"postgres://{who}@{where}/{name}"})
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.txt"
    call_command("backup", new_key=path, stdout=io.StringIO())
    return path


def backed_up(to: Path, key: Path) -> Path:
    recipient = key.read_text().splitlines()[0].removeprefix("# public key: ")
    call_command("backup", to, recipient=recipient, stdout=io.StringIO())
    return to


def test_a_new_state_directory_has_the_pods_the_secrets_and_the_artifacts(
    store: SecretStore, live: Pod, tmp_path: Path, empty: Empty, key: Path
) -> None:
    path = f"pods/{live.pk}/web/token"
    for value in ("first", "second", "third"):
        store.write(path, {"TOKEN": value})
    assert key.stat().st_mode & 0o777 == 0o600
    file = backed_up(tmp_path / "backup.age", key)
    assert (file.stat().st_mode & 0o777, b"third" in file.read_bytes()) == (0o600, False)
    store.delete(path)

    done = manage(empty.state, "restore", str(file), "--identity", str(key), **empty.env)
    assert done.returncode == 0, done.stderr
    assert live.name in done.stdout
    assert empty.ask("SELECT name FROM pods_pod WHERE id = %s", live.pk) == [(live.name,)]
    for table in ("pods_revision", "builds_artifact", "accounts_user", "django_migrations"):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert empty.ask(f"SELECT count(*) FROM {table}") == cursor.fetchall(), table
    assert manage(empty.state, "migrate", "--check", **empty.env).returncode == 0, "the platform may start on it"
    programs = [found.read_text() for found in (empty.state / "artifacts").rglob("main.py")]
    assert f"print('{live.name}')" in programs
    with openbao.running(empty.state, quiet=True):
        new = vault_of(empty.state)
        assert [new.read(path, version)["TOKEN"] for version in (1, 2, 3)] == ["first", "second", "third"]
    again = manage(empty.state, "restore", str(file), "--identity", str(key), **empty.env)
    assert again.returncode == 1
    assert "There is something already: the database" in again.stderr


def test_from_one_vault_outside_into_another(
    openbao: SecretStore, state: Path, live: Pod, tmp_path: Path, empty: Empty, key: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Two real servers: `openbao` is outside of what is backed up, the other one of what is restored."""
    way = access_of(state)
    outside = {"vault_addr": way.address, "vault_role_id": way.role_id, "vault_secret_id": way.secret_id}
    monkeypatch.setattr(settings, "BRAINPOD", dataclasses.replace(settings.BRAINPOD, **outside))
    path, kept_path = f"pods/{live.pk}/web/token", f"platform/test/{new_id().lower()}"
    for number in range(1, 13):
        openbao.write(path, {"TOKEN": f"value {number}"})
    openbao.destroy(path, 3)
    file = backed_up(tmp_path / "backup.age", key)
    openbao.delete(path)
    home = Path(tempfile.mkdtemp(prefix="bp-v-"))
    try:
        with running_openbao(home) as other:
            other.write(kept_path, {"A": "of somebody else"})
            there = access_of(home)
            env = {
                "BRAINPOD_VAULT_ADDR": there.address, "BRAINPOD_VAULT_ROLE_ID": there.role_id,
                "BRAINPOD_VAULT_SECRET_ID": there.secret_id,
            }  # fmt: skip
            words = ("restore", str(file), "--identity", str(key))
            refused = manage(empty.state, *words, **empty.env, **env | {"BRAINPOD_VAULT_SECRET_ID": "another"})
            assert "does not know the platform" in refused.stderr
            keep_versions(there, 10)
            few = manage(empty.state, *words, **empty.env, **env)
            assert "keeps 10 versions of a path" in few.stderr, few.stderr
            keep_versions(there, 2000)  # and nothing is in the way of another try
            done = manage(empty.state, *words, **empty.env, **env)
            assert done.returncode == 0, done.stderr
            found = dict(other.everything())
            assert found[path] == {n: {"TOKEN": f"value {n}"} for n in range(1, 13) if n != 3}
            assert found[kept_path] == {1: {"A": "of somebody else"}}
        assert not (empty.state / "bao").exists(), "no store of its own was made"
        assert empty.ask("SELECT name FROM pods_pod WHERE id = %s", live.pk) == [(live.name,)]
    finally:
        shutil.rmtree(home, ignore_errors=True)


def keep_versions(way: Access, many: int) -> None:
    login = {"role_id": way.role_id, "secret_id": way.secret_id}
    with httpx.Client(base_url=f"{way.address}/v1", trust_env=False) as client:
        token = client.post("/auth/approle/login", json=login).json()["auth"]["client_token"]
        client.post(
            "/brainpod/config", json={"max_versions": many}, headers={"X-Vault-Token": token}
        ).raise_for_status()


def test_rows_that_are_not_those_backed_up_are_told(live: Pod, tmp_path: Path) -> None:
    rows = database.dump(tmp_path).rows
    pods = next(name for name in rows if name.endswith("pods_pod"))
    assert rows[pods] == (1, 1)
    database.compare(rows)
    with pytest.raises(PlatformError, match="pods_pod: 1 instead of 70"):
        database.compare(rows | {pods: (70, 70)})


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite is a file")
def test_the_programs_are_told_the_whole_way_to_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = {"sslrootcert": "/etc/ca.pem", "sslmode": "prefer", "application_name": "as DATABASE_URL says"}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    with database._started("pg_dump", "--schema-only") as running:
        env = Path(f"/proc/{running.child.pid}/environ").read_bytes().split(b"\0")
    assert {b"PGSSLROOTCERT=/etc/ca.pem", b"PGSSLMODE=prefer", b"PGAPPNAME=as DATABASE_URL says"} <= set(env)


def test_the_repositories_come_back_while_they_are_pushed_to(store: SecretStore, tmp_path: Path, empty: Empty) -> None:
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
    done = manage(empty.state, "restore", str(file), "--identity", str(key), **empty.env)
    assert done.returncode == 0, done.stderr
    found = Hosted(empty.state / "repositories")
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


DECLARATION = """infrastructure:
  redis:
    enabled: true
    external: true
    host: ${KEYS_HOST}
"""


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_is_declared_comes_back(
    store: SecretStore, live: Pod, tmp_path: Path, empty: Empty, key: Path, monkeypatch: pytest.MonkeyPatch,
    elsewhere: bool,
) -> None:  # fmt: skip
    """`elsewhere`: BRAINPOD_INFRASTRUCTURE says where, before and after; a link is followed."""
    real, link = tmp_path / "declared.yml", tmp_path / "infrastructure.yml"
    real.write_text(DECLARATION)
    link.symlink_to(real)
    monkeypatch.setattr(settings, "BRAINPOD", dataclasses.replace(settings.BRAINPOD, infrastructure=str(link)))
    file = backed_up(tmp_path / "backup.age", key)
    env, to = dict(empty.env), empty.state / "infrastructure.yml"
    if elsewhere:
        to = tmp_path / "new" / "services.yml"
        env["BRAINPOD_INFRASTRUCTURE"] = str(to)
    done = manage(empty.state, "restore", str(file), "--identity", str(key), **env)
    assert done.returncode == 0, done.stderr
    assert (to.read_text(), to.is_symlink()) == (DECLARATION, False)
    told = json.loads((empty.state / "restored.json").read_text())
    assert told["seen"] is False, "the first round finds it"


def test_what_is_declared_on_the_new_host_counts(
    store: SecretStore, tmp_path: Path, empty: Empty, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = tmp_path / "infrastructure.yml"
    declared.write_text(DECLARATION)
    monkeypatch.setattr(settings, "BRAINPOD", dataclasses.replace(settings.BRAINPOD, infrastructure=str(declared)))
    file = backed_up(tmp_path / "backup.age", key)
    there = empty.state / "infrastructure.yml"
    there.write_text("infrastructure: {}\n")
    done = manage(empty.state, "restore", str(file), "--identity", str(key), **empty.env)
    assert done.returncode == 0, done.stderr
    assert there.read_text() == "infrastructure: {}\n"


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
