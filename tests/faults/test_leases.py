"""Who holds a lease, and when another may have it."""

from __future__ import annotations

import datetime
import subprocess
import sys

import pytest
from django.utils import timezone

from apps.core import holders
from apps.core.ids import new_id
from apps.core.leases import LeaseLost, acquire, kept
from apps.deployments.models import Duty

needs_proc = pytest.mark.skipif(not holders.me(), reason="this system has no /proc")


@needs_proc
def test_a_process_that_ended_is_gone() -> None:
    command = [sys.executable, "-c", "from apps.core import holders; print(holders.me(), flush=True); input()"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    holder = child.stdout.readline().strip()
    assert not holders.gone(holder)
    child.communicate("\n")
    assert holders.gone(holder)


@needs_proc
def test_a_number_that_is_another_process_now() -> None:
    before, _, start = holders.me().rpartition(":")
    assert holders.gone(f"{before}:{int(start) - 1}")
    assert not holders.gone(f"{before}:{start}")


@needs_proc
def test_nothing_is_concluded_about_another_host() -> None:
    _, boot, namespace, process, _ = holders.me().split(":")
    assert not holders.gone(f":another-boot:{namespace}:{process}:1")
    assert not holders.gone(f"another-machine:another-boot:{namespace}:{process}:1")
    assert not holders.gone(f"another-machine:{boot}:{namespace}:{process}:1")
    assert not holders.gone(f":{boot}:1:{process}:1")


@needs_proc
def test_what_ran_before_this_machine_was_started_again_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    _, boot, namespace, process, start = holders.me().split(":")
    monkeypatch.setattr(holders, "_host", lambda: f"0123456789abcdef:{boot}:{namespace}")
    assert not holders.gone(f"0123456789abcdef:{boot}:{namespace}:{process}:{start}")
    assert holders.gone(f"0123456789abcdef:another-boot:{namespace}:{process}:{start}")
    assert not holders.gone(f"fedcba9876543210:another-boot:{namespace}:{process}:{start}")


def test_containers_of_one_image_are_not_one_machine() -> None:
    assert holders._machine("4026532000") == ""


@pytest.mark.parametrize("holder", ["", "x", "a:b:c:d", ":::"])
def test_what_is_no_holder_is_not_gone(holder: str) -> None:
    assert not holders.gone(holder)


def _duty() -> Duty:
    return Duty.objects.create(name=f"duty-{new_id()}")


@pytest.mark.django_db
def test_a_lease_of_the_living_is_respected() -> None:
    row = _duty()
    assert acquire(row)
    assert row.held
    assert acquire(row) is None


@pytest.mark.django_db
@needs_proc
def test_a_lease_of_the_dead_is_taken_over() -> None:
    """Before its term has passed, and whoever it was taken from can write nothing."""
    row = _duty()
    lease = acquire(row)
    assert lease
    dead = holders.me().rpartition(":")[0] + ":1"
    Duty.objects.filter(pk=row.pk).update(holder=dead)
    row.refresh_from_db()
    assert not row.held
    second = acquire(row)
    assert second
    assert second.fence == lease.fence + 1
    with pytest.raises(LeaseLost):
        lease.renew()


@pytest.mark.django_db
def test_a_lease_ends_with_its_term_and_with_its_release() -> None:
    row = _duty()
    first = acquire(row)
    assert first
    Duty.objects.filter(pk=row.pk).update(leased_until=timezone.now() - datetime.timedelta(seconds=1))
    second = acquire(row)
    assert second
    second.release()
    assert acquire(row)


@pytest.mark.django_db(transaction=True)
def test_a_kept_lease_is_given_back() -> None:
    row = _duty()
    lease = acquire(row)
    assert lease
    with kept(lease):
        assert acquire(row) is None
    assert acquire(row)
