"""A deployment has the time it may take and counts for what it took, whatever the clock is set to meanwhile."""

from __future__ import annotations

import datetime

import pytest
from django.utils import timezone

from apps.builds import usage
from apps.builds.models import BuildRun
from apps.deployments import deadlines, reconcile
from apps.deployments.models import Deployment
from apps.pods.models import Revision

pytestmark = pytest.mark.django_db
DAY = datetime.timedelta(days=1)
SECOND = datetime.timedelta(seconds=1)


@pytest.fixture
def under_way(live: Revision) -> Deployment:
    """Begun a minute ago."""
    began = timezone.now() - datetime.timedelta(minutes=1)
    made = Deployment(pod=live.pod, revision=live, trigger="manual", state="pending", started_at=began)
    made.deadline = deadlines.deadline(made, began)
    made.save()
    return made


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forwards", "backwards"])
def test_the_clock_is_set(under_way: Deployment, jump: datetime.timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now() + jump
    monkeypatch.setattr(timezone, "now", lambda: now)
    for _ in range(2):
        reconcile._jobs()
    under_way.refresh_from_db()
    assert under_way.state == "pending"
    assert under_way.deadline == deadlines.deadline(under_way, now)
    assert under_way.started_at
    assert under_way.started_at <= now
    assert [one.pk for one in deadlines.over(under_way.deadline + SECOND)] == [under_way.pk]


def test_one_that_has_passed(under_way: Deployment) -> None:
    assert under_way.deadline is not None
    assert not list(deadlines.over(under_way.deadline - SECOND))
    assert [one.pk for one in deadlines.over(under_way.deadline + SECOND)] == [under_way.pk]


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forwards", "backwards"])
@pytest.mark.parametrize("taken_over", [False, True], ids=["its own", "taken over"])
def test_build_minutes(
    live: Revision, jump: datetime.timedelta, taken_over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, real = live.builds.create(app="web", inputs="1"), timezone.now
    with usage.counted(build, builder="here"):
        monkeypatch.setattr(timezone, "now", lambda: real() + jump)
        if taken_over:
            usage.end_lost(build)
    run = BuildRun.objects.get(build=build)
    assert run.outcome == ("stopped" if taken_over else "built")
    assert 0 <= run.seconds < 10
