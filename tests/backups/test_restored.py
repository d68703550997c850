"""After the platform was restored from a backup of itself: nothing that is good is forgotten by its own rounds."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.backups import actions, pinned, retention, run, tend
from apps.backups.models import Backup, BackupPlan
from apps.backups.platform import kept, making
from apps.backups.platform import restored as restores
from apps.core.errors import NotFound
from apps.deployments.models import AppEvent
from apps.pods.models import Pod
from tests.backups.conftest import Running, made, restored
from tests.people import make_user

pytestmark = pytest.mark.django_db(transaction=True)
PLAN: dict[str, Any] = {"schedule": "0 3 * * *", "zone": "UTC", "last": 1, "days": 0, "weeks": 0, "drills": False}


@pytest.fixture(autouse=True)
def mark() -> Iterator[Path]:
    path = Path(settings.BRAINPOD.state) / restores.NAME
    yield path
    path.unlink(missing_ok=True)


def by_plan(plan: BackupPlan) -> Backup:
    """What a round makes of a plan that is due."""
    BackupPlan.objects.filter(pk=plan.pk).update(next_at=timezone.now())
    tend.tend()
    backup = Backup.objects.get(pod=plan.pod, state="pending")
    run.run(backup.pk)
    backup.refresh_from_db()
    return backup


def test_backups_of_nothing_do_not_push_out_those_with_the_data(
    server: Running, pod: Pod, alice: User, bob: User, client_of: Callable[..., Client]
) -> None:
    server.ask("CREATE TABLE t AS SELECT 1 AS n")
    good = made(pod, alice)
    plan = actions.set_plan(pod=pod, name="db", by=alice, **PLAN)
    restores.mark(timezone.now().isoformat())
    server.ask("DROP TABLE t")
    for _ in range(3):
        last = by_plan(plan)
    tend.tend()
    retention.apply(plan, timezone.now())
    assert set(Backup.objects.values_list("pk", flat=True)) == {good.pk, last.pk}
    assert good.path.exists()
    assert AppEvent.objects.filter(pod=pod, app="db", words=pinned.WORDS).count() == 1, "once"
    page = client_of(bob).get(reverse("backups", args=[pod.name, "db"])).content.decode()
    assert pinned.WORDS in page
    assert reverse("pinned-backups", args=[pod.name, "db"]) in page
    operator = client_of(make_user("operator", is_staff=True, is_superuser=True))
    assert "the data of a database or disk may be missing" in operator.get(reverse("home")).content.decode()
    assert f"db of {pod.name}" in operator.get(reverse("platform-backups")).content.decode()

    good.refresh_from_db()
    assert restored(good, alice).state == "completed"
    assert server.ask("SELECT n FROM t") == [(1,)]
    assert pinned.alarm() == ""
    assert pinned.WORDS not in client_of(bob).get(reverse("backups", args=[pod.name, "db"])).content.decode()
    retention.apply(plan, timezone.now())
    assert list(Backup.objects.values_list("pk", flat=True)) == [last.pk], "as planned again"


def test_somebody_says_that_the_data_is_there(
    server: Running, pod: Pod, alice: User, bob: User, vera: User, client_of: Callable[..., Client]
) -> None:
    made(pod, alice)
    with pytest.raises(NotFound):
        actions.release(pod=pod, name="db", by=alice)
    restores.mark(timezone.now().isoformat())
    tend.tend()
    address = reverse("pinned-backups", args=[pod.name, "db"])
    assert address not in client_of(vera).get(reverse("backups", args=[pod.name, "db"])).content.decode()
    assert client_of(bob).delete(address).status_code in (200, 302, 303)
    assert not Backup.objects.filter(pinned=True).exists()
    assert AuditEntry.objects.filter(verb="backup.release", user=bob).exists()
    tend.tend()
    assert not Backup.objects.filter(pinned=True).exists(), "it was restored once"


def test_backups_of_the_platform_before_stay(short_state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "directory", lambda: short_state)
    now = timezone.now()
    for age in (3, 2, 1):
        moment = now - datetime.timedelta(days=age)
        path = short_state / making.name_at(moment)
        path.write_bytes(b"x")
        os.utime(path, (moment.timestamp(), moment.timestamp()))
    assert len(kept._made_here()) == 3
    restores.mark((now - datetime.timedelta(days=2)).isoformat())
    later = short_state / making.name_at(now + datetime.timedelta(days=1))
    later.write_bytes(b"x")
    os.utime(later, (now.timestamp() + 86400, now.timestamp() + 86400))
    assert [file.name for file in kept._made_here()] == [later.name]
