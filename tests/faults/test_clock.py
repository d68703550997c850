"""The clock is set forwards and backwards: nothing stands still for as long, nothing runs wild, nothing is let in."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from apps.accounts import tokens
from apps.accounts.models import ApiToken, SignInLink, Team, User
from apps.accounts.throttle import Counter, Failures
from apps.core.ids import new_id
from apps.core.leases import LeaseLost, acquire
from apps.deployments.models import Duty
from brainpod.celery import app
from brainpod.scheduler import Scheduler

DAY = datetime.timedelta(days=1)
Set = Callable[[datetime.timedelta], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Sets what every row is compared with."""
    real = timezone.now

    def put(by: datetime.timedelta) -> None:
        monkeypatch.setattr(timezone, "now", lambda: real() + by)

    return put


def elsewhere(row: Duty) -> None:
    """Its holder is on another host, of which nothing is known."""
    Duty.objects.filter(pk=row.pk).update(holder="another-machine:another-boot:1:1:1")
    row.refresh_from_db()


@pytest.mark.django_db
def test_forwards_a_lease_is_taken_over_and_its_holder_writes_nothing(clock: Set) -> None:
    row = Duty.objects.create(name=f"duty-{new_id()}")
    first = acquire(row)
    assert first
    elsewhere(row)
    clock(DAY)
    second = acquire(row)
    assert second
    with pytest.raises(LeaseLost):
        first.renew()
    second.renew()


@pytest.mark.django_db
def test_backwards_a_lease_of_the_silent_ends_at_once(clock: Set) -> None:
    """It would have lasted for a day and its term; that of the living is theirs again with the next renewal."""
    row = Duty.objects.create(name=f"duty-{new_id()}")
    clock(DAY)
    first = acquire(row)
    assert first
    elsewhere(row)
    clock(datetime.timedelta(0))
    assert not row.held
    first.renew()
    row.refresh_from_db()
    assert row.held
    assert acquire(row) is None
    clock(-DAY)
    assert acquire(row)
    with pytest.raises(LeaseLost):
        first.renew()


@pytest.mark.django_db
def test_hosts_whose_clocks_differ_by_less_than_some_terms_respect_each_other(clock: Set) -> None:
    row = Duty.objects.create(name=f"duty-{new_id()}")
    clock(datetime.timedelta(seconds=5 * settings.BRAINPOD.lease_seconds))
    assert acquire(row)
    elsewhere(row)
    clock(datetime.timedelta(0))
    assert acquire(row) is None


class Noting(Scheduler):
    """Notes what it would send."""

    producer = None

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        self.sent.append(entry.name)


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forwards", "backwards"])
def test_what_happens_by_the_clock_goes_on_once(tmp_path, jump: datetime.timedelta) -> None:
    """Every duty is sent once, whichever way the clock went; Celery's own clockwork would wait for a day."""
    beat = Noting(app=app, schedule_filename=str(tmp_path / "schedule"))
    beat.sent = sent = []
    for entry in beat.schedule.values():
        entry.last_run_at = entry.default_now() - jump
    for _ in range(3 * len(beat.schedule)):
        beat.tick()
    names = {name for name in beat.schedule if not name.startswith("celery.")}
    assert {name for name in sent if not name.startswith("celery.")} == names
    assert len(sent) == len(set(sent)), "none twice"
    beat.close()


@pytest.mark.django_db
def test_backwards_nobody_waits_for_longer_than_a_failure_costs(valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counter(f"clock-{new_id()}", free=1, longest=600)
    with monkeypatch.context() as then:
        real = time.time
        then.setattr(time, "time", lambda: real() + DAY.total_seconds())
        for _ in range(3):
            Failures([counter], url=valkey).failed()
    assert 0 < Failures([counter], url=valkey).left() <= counter.wait(3)


@pytest.mark.django_db
def test_forwards_tokens_and_one_time_links_are_over_and_stay_so(alice: User, team: Team, clock: Set) -> None:
    """Those that do not expire stay; a link that was used is used, whatever the clock says then."""
    made = {days: tokens.make(user=alice, name="t", team=team, days=days)[0].pk for days in (None, 7)}
    link, _ = SignInLink.issue(user=alice, lasts=DAY / 24)
    assert SignInLink.objects.use_up(link)
    SignInLink.issue(user=alice, lasts=DAY / 24)
    clock(8 * DAY)
    assert set(ApiToken.objects.counting().values_list("pk", flat=True)) == {made[None]}
    mine = SignInLink.objects.filter(user=alice)
    assert not mine.open().exists()
    clock(-8 * DAY)
    assert not mine.open().filter(pk=link.pk).exists()
    assert not SignInLink.objects.use_up(link)
