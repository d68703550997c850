"""The disk of a database: its server is stopped in order for a snapshot, and has the old rows when one is put back."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from apps.accounts.models import User
from apps.deployments import passwords, reconcile
from apps.deployments.databases import endpoint
from apps.disks import snapshots, work
from apps.disks.places import disk_of
from apps.engines.process.client import ProcessEngine
from apps.pods.models import Pod
from tests.deployments.standing import until
from tests.deployments.test_databases import deploy, engine, pod, serving  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db(transaction=True)


def test_rows_come_back_with_a_snapshot(engine: ProcessEngine, pod: Pod, alice: User) -> None:  # noqa: F811
    deploy(pod, alice)
    access = passwords.reveal(pod=pod, name="db", by=alice)

    def ask(query: str) -> Any:
        host, port = endpoint(serving(pod, "db"))
        with psycopg.connect(
            host=host, port=port, user=access.user, password=access.password, dbname="brainpod", connect_timeout=5
        ) as sql:
            found = sql.execute(query)
            return found.fetchall() if found.description else []

    def rows() -> list[int]:
        def tried() -> list[tuple[int]] | None:
            try:
                return list(ask("SELECT n FROM t ORDER BY n")) or None
            except psycopg.OperationalError:
                return None

        return [number for (number,) in until(tried, what="for the server to be back")]

    ask("CREATE TABLE t AS SELECT * FROM generate_series(1, 3) n")
    disk = disk_of(Pod.objects.get(pk=pod.pk), "data")
    assert (disk.user, disk.database) == ("db", True)
    taken = snapshots.take(disk=disk, note="three rows", by=alice)
    work.take(taken.pk)
    taken.refresh_from_db()
    assert taken.state == "ready", taken.reason
    assert rows() == [1, 2, 3]
    ask("INSERT INTO t VALUES (4)")
    asked = snapshots.put_back(disk=disk, snapshot=taken, keeps=False, by=alice)
    work.put_back(asked.pk)
    asked.refresh_from_db()
    assert asked.state == "ready", asked.reason
    reconcile.reconcile()
    assert rows() == [1, 2, 3]
    assert not list(disk.beside("aside").iterdir())
