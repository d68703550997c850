"""Backups of Valkey: everything in it, put back by a server of its own, whatever its keys are."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from apps.accounts.models import Team, User
from apps.backups.kinds.valkey import KEYS, LASTING
from apps.backups.models import Backup
from apps.deployments import actions as deployments
from apps.deployments import databases as running
from apps.deployments import pipeline
from apps.deployments.models import AppEvent, Deployment, Trigger
from apps.disks.places import disk_of
from apps.engines.process.client import ProcessEngine
from apps.pods import actions as pods
from apps.pods.models import Pod
from apps.secretstore.base import SecretStore
from tests.backups.conftest import LINES, beside, made, prove, restored, store  # noqa: F401 - store is a fixture
from tests.deployments.conftest import front_door, served  # noqa: F401 - fixtures
from tests.deployments.standing import until

pytestmark = pytest.mark.django_db(transaction=True)
VERSION = LINES["Valkey"][0]


@pytest.fixture
def pod(team: Team, alice: User, served: ProcessEngine, store: SecretStore) -> Pod:  # noqa: F811
    """With a Valkey that really runs."""
    if not served.check().sandbox:
        pytest.skip("without a sandbox a disk is not at its path")
    made = pods.create_pod(team=team, name=f"shop-{secrets.token_hex(4)}", by=alice)
    for kind, name, spec in (
        ("Disk", "data", {"size": 5}),
        ("Valkey", "store", {"version": VERSION, "instance": ".25x", "disk": "data"}),
    ):
        pods.save_resource(pod=made, kind=kind, name=name, spec=spec, by=alice, create=True)
    made.refresh_from_db()
    revision = pods.seal(pod=made, summary="", by=alice)
    begun = deployments.start(pod=made, revision=revision, trigger=Trigger.MANUAL, by=alice)
    pipeline.run(begun.pk)
    ended = Deployment.objects.get(pk=begun.pk)
    assert ended.state == "ready", ended.error
    made.refresh_from_db()
    return made


@pytest.fixture
def valkey(pod: Pod) -> Iterator[Any]:
    """As apps reach it."""
    asked = connect(pod)
    yield asked
    asked.close()


def connect(pod: Pod) -> Any:
    workload = pod.workloads.get(app="store", serving=True)
    host, port = running.endpoint(workload)
    assert pod.live
    found = running.credentials(pod.live, "store", pod.live.snapshot()["store"].spec["credentials"])
    asked = redis.Redis(host=host, port=port, password=found.password)

    def answers() -> bool:
        try:
            return bool(asked.ping())
        except redis.RedisError:
            return False

    until(answers, what="for the Valkey")
    return asked


def fill(asked: Any) -> None:
    asked.mset({f"größe:{number}": os.urandom(100) for number in range(3000)})
    asked.hset("a hash", mapping={"name": "Größe", "n": "1"})
    asked.xadd("a stream", {"one": "1"})
    asked.zadd("scores", {"a": 1.5, "b": -2})
    asked.execute_command("SELECT", "3")
    asked.set("elsewhere", "3")
    asked.set("a session", "x", ex=3600)
    asked.execute_command("SELECT", "0")


def test_what_was_lost_is_there_again_and_stays(pod: Pod, valkey: Any, alice: User) -> None:
    fill(valkey)
    before = valkey.dump("größe:77")
    backup = made(pod, alice, name="store")
    assert backup.file.endswith(".rdb.zst.age")
    assert backup.manifest["rows"] == {KEYS: [3004, 3005], LASTING: [3004, 3004]}
    valkey.flushall()
    valkey.set("later", "1")

    row = restored(backup, alice)
    assert (row.state, row.error, row.cleaned) == ("completed", "", True)
    again = connect(pod)
    assert again.dump("größe:77") == before
    assert (again.hgetall("a hash"), again.zscore("scores", "b")) == ({b"name": "Größe".encode(), b"n": b"1"}, -2.0)
    assert again.xlen("a stream") == 1
    assert not again.exists("later")
    again.execute_command("SELECT", "3")
    assert again.get("elsewhere") == b"3"
    assert 0 < again.ttl("a session") <= 3600
    assert beside(disk_of(pod, "data")) == set()
    words = list(AppEvent.objects.filter(pod=pod, app="store").values_list("words", flat=True))
    assert any("was restored" in said for said in words)

    # What is written from here on is written down as before: its own append-only file has it after a kill.
    again.execute_command("SELECT", "0")
    again.set("after", "1")
    time.sleep(1.2)  # `appendfsync everysec`
    workload = pod.workloads.get(app="store", serving=True)
    first = workload.runner.status(workload.handle).since
    workload.runner.exec(workload.handle, ("sh", "-c", "kill -9 $(pidof valkey-server redis-server)"))
    until(lambda: workload.runner.status(workload.handle).since != first, what="for the Valkey to be started again")
    once_more = connect(pod)
    assert (once_more.get("after"), once_more.dump("größe:77")) == (b"1", before)


def test_a_drill_proves_it_and_leaves_nothing(pod: Pod, valkey: Any, alice: User) -> None:
    fill(valkey)
    backup = made(pod, alice, name="store")
    valkey.delete("a hash")
    uptime = valkey.info("server")["uptime_in_seconds"]
    prove(backup, alice)
    assert not valkey.exists("a hash")
    assert valkey.info("server")["uptime_in_seconds"] >= uptime, "it was not stopped"
    assert beside(disk_of(pod, "data")) == set()


def test_what_is_not_all_of_it_is_not_restored(pod: Pod, valkey: Any, alice: User) -> None:
    fill(valkey)
    backup = made(pod, alice, name="store")
    Backup.objects.filter(pk=backup.pk).update(manifest=backup.manifest | {"rows": {KEYS: [9, 9], LASTING: [9, 9]}})
    backup.refresh_from_db()
    row = restored(backup, alice)
    assert row.state == "failed"
    assert "3005 instead of 9" in row.error
    assert valkey.dbsize() == 3003
    assert beside(disk_of(pod, "data")) == set()


def test_an_empty_one_has_a_backup_too(pod: Pod, valkey: Any, alice: User) -> None:
    backup = made(pod, alice, name="store")
    assert backup.manifest["rows"] == {KEYS: [0, 0], LASTING: [0, 0]}
    valkey.set("later", "1")
    assert restored(backup, alice).state == "completed"
    assert connect(pod).dbsize() == 0
