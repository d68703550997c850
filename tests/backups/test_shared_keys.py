"""Backups of keys at a shared Valkey or Redis: one's own and nobody else's, whatever they are called."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import Client
from django.urls import reverse
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.accounts.models import Team, User
from apps.backups import actions, keys, places, restoring, sealing
from apps.backups.kinds import KINDS, SHARED_KEYS, resp
from apps.backups.kinds import keys as kind
from apps.backups.kinds.streams import Blocks
from apps.backups.kinds.valkey import KEYS, LASTING
from apps.backups.models import Backup
from apps.core.errors import Invalid, PlatformError
from apps.infrastructure import sharing
from apps.infrastructure.models import Service
from apps.pods import databases
from apps.pods.databases import shared_name
from apps.pods.models import Pod
from apps.secretstore.base import SecretStore
from tests.backups.conftest import made, prove, restored, store
from tests.infrastructure.services.test_shared_keys import server, service
from tests.stack.databases import ADMIN

__all__ = ["server", "service", "store"]  # fixtures
pytestmark = pytest.mark.django_db(transaction=True)
HOSTILE = (
    b"plain",
    b"a\r\nb",
    b"\xff\x00\xfe",
    b"*3\r\n$3\r\nDEL",
    b":",
    "größe {tag} [a-z]*?".encode(),
    b"x" * 70_000,
)
NAMES = ("cache", "other")


@pytest.fixture
def pod(team: Team, alice: User, service: Service, store: SecretStore) -> Iterator[Pod]:
    """With two Valkeys at the shared server."""
    found = pod_at(service, team, alice, store)
    yield found
    shutil.rmtree(Path(settings.BRAINPOD.state) / "backups", ignore_errors=True)
    with admin(service) as asked:
        asked.flushall()


def pod_at(service: Service, team: Team, by: User, store: SecretStore) -> Pod:
    made = Pod.objects.create(team=team, name=f"shop-{secrets.token_hex(4)}", created_by=by)
    revision = made.revisions.create(version=1, sealed_at=made.created_at, summary="first")
    for name in NAMES:
        version = store.write(
            databases.credentials_path(made.pk, name), {"password": f"of-{name}", "admin_password": "x"}
        )
        spec = {"version": "", "server": service.name, "credentials": version}
        revision.resources.create(kind="Valkey", name=name, spec=spec)
        own = shared_name(made.pk, name)
        sharing.have(service, pod=made, resource=name, database=own, password=f"of-{name}", version=version)
    Pod.objects.filter(pk=made.pk).update(live=revision, head=revision)
    made.refresh_from_db()
    return made


def admin(service: Service) -> Any:
    host, _, port = service.handle["tcp"].partition(":")
    return redis.Redis(host=host, port=int(port), username="platform", password=ADMIN)


def client(service: Service, pod: Pod, name: str = "cache") -> Any:
    """As its apps are let in."""
    host, _, port = service.handle["tcp"].partition(":")
    user, once = shared_name(pod.pk, name), Retry(NoBackoff(), 0)
    return redis.Redis(host=host, port=int(port), username=user, password=f"of-{name}", retry=once)


def fill(asked: Any, own: str) -> None:
    before = f"{own}:".encode()
    for number, name in enumerate(HOSTILE):
        asked.set(before + name, os.urandom(50 + number))
    asked.mset({before + b"many:%d" % number: b"%d" % number for number in range(600)})
    asked.hset(before + b"hash", mapping={"name": "Größe", "n": "1"})
    asked.xadd(before + b"stream", {"one": "1"}, id="1-1")
    asked.zadd(before + b"scores", {"a": 1.5})
    asked.set(before + b"session", "x", px=3_600_000)


def content(asked: Any, own: str) -> dict[bytes, tuple[bytes, int]]:
    """By what comes after the prefix, as the platform's own user sees it."""
    names = [name for name in asked.scan_iter(count=1000) if name.startswith(f"{own}:".encode())]
    with asked.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.dump(name).execute_command("PEXPIRETIME", name)
        found = pipe.execute()
    pairs = zip(names, found[::2], found[1::2], strict=True)
    return {name.partition(b":")[2]: (value, ends) for name, value, ends in pairs if value is not None}


def rules_of(asked: Any, own: str) -> dict[str, Any]:
    """What a user may do; Redis gives commands in another order once it has loaded them."""
    return {name: sorted(it) if isinstance(it, list) else it for name, it in asked.acl_getuser(own).items()}


def plain(backup: Backup) -> bytes:
    with backup.path.open("rb") as file, sealing.opened(file, keys.identities()) as found:
        return b"".join(iter(lambda: found.read(1 << 20), b""))


def test_ones_own_and_nobody_elses_are_there_again(
    pod: Pod,
    service: Service,
    team: Team,
    alice: User,
    store: SecretStore,
) -> None:
    own, other = (shared_name(pod.pk, name) for name in NAMES)
    stranger = shared_name(pod_at(service, team, alice, store).pk, "cache")
    with admin(service) as asked, client(service, pod) as app:
        fill(app, own)
        for name in (f"{stranger}:secret", f"{own}x:secret", f"{other}:secret", f"{own}", "secret"):
            asked.set(name, "7351-of-another")
        app.set(f"{own}:ended", "x", px=1)
        before, rules = content(asked, own), asked.acl_getuser(own)
        backup = made(pod, alice, name="cache")
        assert (backup.kind, places.kept(pod)) == (SHARED_KEYS, dict.fromkeys(NAMES, SHARED_KEYS))
        assert backup.file.endswith(".resp.zst.age")
        many = len(HOSTILE) + 604
        assert backup.manifest["rows"] == {KEYS: [many, many], LASTING: [many - 1, many - 1]}
        text = plain(backup)
        assert b"7351-of-another" not in text
        found = list(resp.read(Blocks(iter([text]))))
        assert {key.name.partition(b":")[0] for key in found} == {own.encode()}

        asked.unlink(*(f"{own}:".encode() + name for name in HOSTILE))
        app.set(f"{own}:later", "1")
        row = restored(backup, alice)
        assert (row.state, row.error, row.cleaned) == ("completed", "", True)
        assert content(asked, own) == before
        assert asked.acl_getuser(own) == rules
        with client(service, pod) as again:  # those of before were ended
            assert again.get(f"{own}:many:77") == b"77"

        # Into another one, whose prefix is another.
        assert restored(backup, alice, target="other").state == "completed"
        assert content(asked, other) == content(asked, own) == before
        assert asked.get(f"{stranger}:secret") == asked.get(f"{own}x:secret") == asked.get(own) == b"7351-of-another"
        assert nothing_left(pod)

        # By hand, as docs/backups.md says.
        asked.unlink(*(f"{own}:".encode() + name for name in before))
        port = service.handle["tcp"].rpartition(":")[2]
        command = ["redis-cli", "-p", port, "--user", "platform", "--pipe"]
        done = subprocess.run(command, input=text, env={"REDISCLI_AUTH": ADMIN}, capture_output=True, check=False)
        assert b"errors: 0" in done.stdout, done.stdout + done.stderr
        assert content(asked, own) == before


def nothing_left(pod: Pod) -> bool:
    place = Path(settings.BRAINPOD.state) / "pods" / pod.pk / "incoming"
    return not place.exists() or not list(place.iterdir())


def test_a_drill_locks_nobody_out_and_leaves_nothing(
    pod: Pod, service: Service, alice: User, client_of: Callable[..., Client]
) -> None:
    own = shared_name(pod.pk, "cache")
    with admin(service) as asked, client(service, pod) as app:
        fill(app, own)
        backup = made(pod, alice, name="cache")
        app.delete(f"{own}:hash")
        connection, before = app.client_id(), content(asked, own)
        prove(backup, alice)
        assert app.client_id() == connection, "its connection is the one it had"
        assert content(asked, own) == before
        assert len(list(asked.scan_iter(count=1000))) == len(before)
        assert nothing_left(pod)
    pages = client_of(alice)
    page = pages.get(reverse("backup", args=[pod.name, backup.pk])).content.decode()
    assert "Valkey at a shared server" in page
    assert "Apps are not let in while its keys are exchanged." in page
    assert "<option>other</option>" in page, "what it may be restored into"
    assert (
        reverse("backups", args=[pod.name, "cache"])
        in pages.get(reverse("pod-backups", args=[pod.name])).content.decode()
    )


def test_keys_that_go_meanwhile(
    pod: Pod,
    service: Service,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between being found and being read one is deleted and one ends; and later ones of those that were read."""
    own = shared_name(pod.pk, "cache")
    with client(service, pod) as app:
        app.mset({f"{own}:a": "1", f"{own}:b": "2", f"{own}:c": "3"})
        app.set(f"{own}:soon", "4", px=1500)
        real = kind._of_size

        def after(asked: Any, names: list[bytes]) -> Iterator[list[bytes]]:
            app.delete(f"{own}:a")
            app.pexpire(f"{own}:b", 1)
            time.sleep(0.05)
            return real(asked, names)

        with monkeypatch.context() as patch:
            patch.setattr(kind, "_of_size", after)
            backup = made(pod, alice, name="cache")
        assert backup.manifest["rows"] == {KEYS: [2, 2], LASTING: [1, 1]}
        time.sleep(1.5)
        assert restored(backup, alice).state == "completed"
    with client(service, pod) as app:
        assert [app.get(f"{own}:{name}") for name in ("a", "b", "c", "soon")] == [None, None, b"3", None]


@pytest.mark.parametrize("dies", [False, True], ids=["fails", "dies"])
def test_an_exchange_that_is_not_done_to_its_end_is_taken_back(
    pod: Pod,
    service: Service,
    alice: User,
    dies: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = shared_name(pod.pk, "cache")
    with admin(service) as asked, client(service, pod) as app:
        fill(app, own)
        backup = made(pod, alice, name="cache")
        app.set(f"{own}:later", "1")
        app.delete(f"{own}:plain")
        before, rules = content(asked, own), rules_of(asked, own)
        real = kind._exchange

        def broken(asked: Any, prefix: str, file: Path) -> None:
            if file.name == kind.CONTENT:
                asked.unlink(*(f"{own}:many:{number}" for number in range(300)))
                with pytest.raises(redis.RedisError), client(service, pod) as late:
                    late.set(f"{own}:written", "while they are exchanged")
                asked.acl_save()  # as another pod's deployment does
                raise PlatformError("backup_database_failed", "Valkey: it ran out of memory.")
            real(asked, prefix, file)

        monkeypatch.setattr(kind, "_exchange", broken)
        drop = KINDS[SHARED_KEYS].drop
        if dies:  # as far as the data goes: nothing is put in order until somebody comes to it later
            monkeypatch.setattr(kind.Keys, "drop", lambda *_: None)
        row = restored(backup, alice)
        assert (row.state, row.error[:14]) == ("failed", "Valkey: it ran")
        if dies:
            monkeypatch.setattr(kind.Keys, "drop", lambda _, *given: drop(*given))
            assert not asked.exists(f"{own}:many:7")
            assert restoring.clean(row)
        assert content(asked, own) == before
        asked.acl_load()  # as it is after a restart
        assert rules_of(asked, own) == rules
        assert nothing_left(pod)


def test_what_is_not_what_was_written_is_refused(pod: Pod, service: Service, alice: User) -> None:
    own = shared_name(pod.pk, "cache").encode()
    at, keys_kind = places.at(pod, "cache"), KINDS[SHARED_KEYS]
    with client(service, pod) as app:
        app.set(own + b":a", "1")
        value = app.dump(own + b":a")
    one = resp.restoring(resp.Key(own + b":a", 0, value))
    for text, words in (
        (one, "not what was written"),  # cut short
        (one + resp.end(2), "not what was written"),
        (one + resp.end(1) + b"more", "not what was written"),
        (b"*2\r\n$8\r\nFLUSHALL\r\n$5\r\nASYNC\r\n" + resp.end(0), "not what was written"),
        (one + resp.restoring(resp.Key(b"another:a", 0, value)) + resp.end(2), "not what was written"),
        (resp.restoring(resp.Key(own + b":a", 0, value[:-1] + b"\x00")) + resp.end(1), "does not take a key"),
        (b"*6\r\n$99999999999\r\n", "not what was written"),
        (b"*" * 1000, "not what was written"),
        (b"", "not what was written"),
    ):
        with pytest.raises(PlatformError, match=words) as refused:
            keys_kind.load(at, Blocks(iter([text] if text else [])), "brainpod_scratch_x", lambda _: None)
        assert str(own) not in str(refused.value), text
        keys_kind.drop(at, "brainpod_scratch_x")
    with client(service, pod) as app:
        assert app.get(own + b":a") == b"1"


def test_large_values_are_read_one_at_a_time(
    pod: Pod,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = shared_name(pod.pk, "cache")
    monkeypatch.setattr(kind, "BATCH", 100_000)
    with admin(service) as asked:
        asked.mset({f"{own}:{number}": b"x" * 60_000 for number in range(10)})
        asked.mset({f"{own}:small:{number}": b"x" for number in range(100)})
        sizes = []
        real = kind._values
        monkeypatch.setattr(kind, "_values", lambda asked, names: sizes.append(names) or real(asked, names))
        assert len(list(kind.everything(asked, own))) == 110
        assert all(sum(b"small" not in name for name in names) <= 1 for names in sizes)


def test_a_whole_server_and_keys_are_not_put_in_each_others_place(
    pod: Pod,
    service: Service,
    alice: User,
) -> None:
    backup = made(pod, alice, name="cache")
    Backup.objects.filter(pk=backup.pk).update(kind="Valkey")
    backup.refresh_from_db()
    with pytest.raises(Invalid, match="must be a Valkey with a server of its own, as cache was"):
        actions.restore(backup=backup, target="cache", confirmation="cache", by=alice)
    with pytest.raises(Exception, match="Valkey with a server of its own cache"):
        actions.drill(backup=backup, by=alice)
