"""The host is lost: a platform out of a backup of itself starts with its data gone, and forgets none of its backups."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.test_push_to_live import add, deploy, new_pod
from tests.stack.platform import Platform, own_platform
from tests.stack.visitor import Visitor

pytestmark = pytest.mark.platform
SANDBOX = "from apps import engines; print('sandbox', engines.engine().check().sandbox)"
ASK = """
import psycopg
from apps.deployments import passwords
from apps.deployments.databases import endpoint
from apps.pods.models import Pod
pod = Pod.objects.get(name="shop")
host, port = endpoint(pod.workloads.get(app="db", serving=True))
access = passwords.reveal(pod=pod, name="db", by=None)
with psycopg.connect(host=host, port=port, user=access.user, password=access.password, dbname="brainpod") as sql:
    found = sql.execute({!r})
    print("answer", found.fetchall() if found.description else "done")
"""
BACKUPS = """
from apps.backups.models import Backup
rows = Backup.objects.filter(state="completed", remote="stored").order_by("id")
print("backups", *[f"{row.pk}:{'pinned' if row.pinned else 'free'}" for row in rows])
"""
NOW = """
from django.utils import timezone
from apps.backups.models import BackupPlan
print("due", BackupPlan.objects.update(next_at=timezone.now()))
"""


def ask(platform: Platform, query: str) -> str:
    return platform.manage("shell", "-c", ASK.format(query)).stdout.split("answer ")[1].strip()


def backups(platform: Platform) -> dict[str, str]:
    """Those that were made and copied, the oldest first; whether each is pinned."""
    printed = platform.manage("shell", "-c", BACKUPS).stdout.split("backups")[1]
    return dict(word.split(":") for word in printed.split())


def until(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.5)


def made_by_plan(platform: Platform, before: dict[str, str]) -> dict[str, str]:
    """All there are once the plan has made another one, as if its hour had come."""
    platform.manage("shell", "-c", NOW)
    until(lambda: backups(platform).keys() - before.keys(), "another backup")
    return backups(platform)


def test_backups_of_before_are_pinned_until_one_is_restored(tmp_path: Path) -> None:
    elsewhere, file, key = tmp_path / "elsewhere", tmp_path / "platform.age", tmp_path / "key.txt"
    with own_platform(BRAINPOD_BACKUPS_URL=f"file://{elsewhere}") as lost:
        if "sandbox True" not in lost.manage("shell", "-c", SANDBOX).stdout:
            pytest.skip("without a sandbox root's pods have no PostgreSQL")
        visitor = Visitor(lost)
        new_pod(visitor, "shop")
        add(visitor, "shop", "PostgresDB", "db", {"version": "18", "instance": ".5x"})
        visitor.wait(deploy(visitor, "shop"), "is live", seconds=240)
        ask(lost, "CREATE TABLE kept AS SELECT 7351 AS n")
        visitor.get("/pods/shop/resources/db/backups/")
        plan = {"schedule": "0 3 1 1 *", "last": "1", "days": "0", "weeks": "0"}
        visitor.fill("/pods/shop/resources/db/backup-plan/", plan)
        (good,) = made_by_plan(lost, {})
        lost.manage("backup", "--new-key", str(key))
        recipient = key.read_text().splitlines()[0].removeprefix("# public key: ")
        lost.manage("backup", str(file), "--recipient", recipient)
        visitor.close()

    found = Platform(fresh=True, BRAINPOD_BACKUPS_URL=f"file://{elsewhere}")
    try:
        assert "shop" in found.manage("restore", str(file), "--identity", str(key)).stdout
        found.start()
        visitor = Visitor(found)
        visitor.wait("/", "the data of a database or disk may be missing")
        visitor.wait("/pods/shop/", "is live", "active", "healthy")
        until(lambda: answers(found), "the database on its empty disk")
        assert backups(found) == {good: "pinned"}
        first, *_ = [list(made_by_plan(found, backups(found)))[-1] for _ in range(3)]
        until(lambda: first not in backups(found), "the plan to forget one of its own")
        assert backups(found)[good] == "pinned"
        visitor.get(f"/pods/shop/backups/{good}/")
        visitor.fill(f"/pods/shop/backups/{good}/restores/", {"target": "db", "confirmation": "db"})
        until(lambda: "free" in backups(found).get(good, "free"), "the restore")
        assert ask(found, "SELECT n FROM kept") == "[(7351,)]"
        assert not re.search("may be missing", visitor.get("/").text)
        made_by_plan(found, backups(found))
        until(lambda: good not in backups(found), "the plan to forget it as any other")
        visitor.close()
    finally:
        found.remove()


def answers(platform: Platform) -> bool:
    done = platform.manage("shell", "-c", ASK.format("SELECT to_regclass('kept')"), check=False)
    return "[(None,)]" in done.stdout
