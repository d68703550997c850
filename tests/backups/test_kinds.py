"""What is called the same and is of another kind is another resource: their backups, plans and drills do not mix."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.backups import actions, restoring, retention, run, tend
from apps.backups.models import Backup, BackupPlan, Restore
from apps.dashboard import backup_pages
from apps.pods.models import Pod
from tests.backups.conftest import Running, made

pytestmark = pytest.mark.django_db(transaction=True)
PLAN: dict[str, Any] = {"schedule": "0 3 * * *", "zone": "UTC", "last": 1, "days": 0, "weeks": 0, "drills": True}


def becomes(pod: Pod, kind: str, spec: dict[str, Any]) -> Pod:
    """The live `db` is dropped, and something else is called so."""
    assert pod.live is not None
    pod.live.resources.filter(name="db").delete()
    pod.live.resources.create(kind=kind, name="db", spec=spec)
    return Pod.objects.select_related("live").get(pk=pod.pk)


def test_a_database_and_a_disk_of_one_name(
    server: Running, pod: Pod, alice: User, bob: User, client_of: Callable[..., Client]
) -> None:
    former = actions.set_plan(pod=pod, name="db", by=alice, **PLAN)
    of_database = made(pod, alice)
    waiting = actions.back_up(pod=pod, name="db", by=alice)
    Restore.objects.create(pod=pod, backup=of_database, target="db", purpose="drill", state="failed", error="It broke.")
    left = Restore.objects.create(pod=pod, backup=of_database, target="db", state="failed", cleaned=False)
    now = becomes(pod, "Disk", {"size": 1})

    run.run(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, "PostgresDB db" in waiting.error) == ("failed", True)
    assert not restoring.clean(Restore.objects.select_related("pod__live", "backup").get(pk=left.pk))
    BackupPlan.objects.filter(pk=former.pk).update(next_at=timezone.now())
    tend.tend()
    assert not Backup.objects.filter(pod=pod, state="pending").exists(), "the plan is not the disk's"
    assert not Restore.objects.filter(pod=pod, state="pending").exists()

    (card,) = [it for it in backup_pages.cards(now) if it.name == "db"]
    assert (card.kind, card.plan, card.last, card.proven_at, card.alarm) == ("Disk", None, None, None, "")
    assert [it.pk for it in backup_pages.gone(now)] == [of_database.pk]
    shown = client_of(bob).get(reverse("backups", args=[pod.name, "db"])).content.decode()
    assert "of the PostgresDB that was called so before" in shown

    long_ago = timezone.now() - datetime.timedelta(days=9)
    BackupPlan.objects.filter(pk=former.pk).update(created_at=long_ago)
    plan = actions.set_plan(pod=now, name="db", by=alice, **PLAN)
    assert (plan.kind, tend.overdue(plan, timezone.now())) == ("Disk", False)
    of_disk = [
        Backup.objects.create(
            pod=pod, name="db", kind="Disk", state="completed", file=f"db_{number}.tar.zst.age",
            finished_at=timezone.now(),
        )
        for number in range(3)
    ]  # fmt: skip
    retention.apply(plan, timezone.now())
    left_over = set(Backup.objects.filter(pod=pod, state="completed").values_list("pk", flat=True))
    assert left_over == {of_database.pk, of_disk[-1].pk}


def test_a_plan_of_an_earlier_version_is_of_what_is_live(server: Running, pod: Pod, alice: User) -> None:
    plan = actions.set_plan(pod=pod, name="db", by=alice, **PLAN)
    BackupPlan.objects.filter(pk=plan.pk).update(kind="", next_at=timezone.now())
    (card,) = [it for it in backup_pages.cards(pod) if it.name == "db"]
    assert card.plan == plan
    tend.tend()
    plan.refresh_from_db()
    assert plan.kind == "PostgresDB"
    assert Backup.objects.filter(pod=pod, kind="PostgresDB", state="pending").count() == 1
