"""Who is given which builder, and why the others wait."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from django.utils import timezone

from apps.builds import usage
from apps.builds.models import Builder, BuildRun
from apps.core import holders
from apps.core.ids import new_id
from apps.core.leases import acquire
from apps.deployments import actions, dispatch, pipeline, queue
from apps.deployments.models import Deployment
from apps.pods import actions as pods
from tests.people import make_team

pytestmark = pytest.mark.django_db

APP = {"source": {"repo": "https://git.example.com/team/shop.git"}, "instance": ".25x"}


@pytest.fixture(autouse=True)
def elsewhere(settings):
    """This process builds nothing: what is given out is told to others."""
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, builds=False)


def builder(name, *, region="local", capacity=2, **fields) -> Builder:
    given = {"seen_at": timezone.now(), "holder": holders.me(), **fields}
    return Builder.objects.create(name=name, region=region, capacity=capacity, **given)


def deployment(team, region="local") -> Deployment:
    pod = pods.create_pod(team=team, name=f"p-{new_id()[-8:]}", by=None)
    pods.save_resource(pod=pod, kind="App", name="web", spec=APP, by=None, create=True)
    type(pod).objects.filter(pk=pod.pk).update(region=region)
    pod.refresh_from_db()
    return actions.start(pod=pod, revision=pods.seal(pod=pod, summary="", by=None), trigger="manual", by=None)


def on_plan(team, name):
    team.plan = name
    team.save()
    return team


def state(row: Deployment) -> tuple[str | None, str]:
    row.refresh_from_db()
    return (row.builder.name if row.builder else None, row.waits_for)


def places(rows: list[Deployment]) -> dict[str, int]:
    """Those that wait for a builder, by their place in the queue."""
    return {row.pk: dispatch.ahead(row) + 1 for row in rows if row.waits_for}


def end(row: Deployment) -> None:
    Deployment.objects.filter(pk=row.pk).update(state="failed", leased_until=None)


def test_the_least_loaded_of_the_region_builds(team):
    builder("small", capacity=1)
    builder("large", capacity=4)
    builder("far", region="fra1", capacity=100)
    rows = [deployment(team) for _ in range(5)]
    dispatch.assign()
    assert [state(row)[0] for row in rows] == ["large", "small", "large", "large", "large"]


def test_each_region_has_its_own(team):
    builder("near", capacity=1)
    builder("far", region="fra1", capacity=1)
    rows = [deployment(team, region) for region in ("fra1", "local", "fra1", "nyc3")]
    dispatch.assign()
    assert [state(row) for row in rows] == [("far", ""), ("near", ""), (None, "builder"), (None, "region")]


@pytest.mark.parametrize(
    "gone",
    [
        {"seen_at": None},
        {"seen_at": timezone.now() - datetime.timedelta(minutes=1)},
        {"draining": True},
        {"holder": holders.me().rpartition(":")[0] + ":1"},
    ],
    ids=["left", "silent", "drained", "dead"],
)
def test_who_is_not_there_gets_nothing(team, gone):
    builder("away", **gone)
    row = deployment(team)
    assert dispatch.assign() == []
    assert state(row) == (None, "region")
    Builder.objects.update(seen_at=timezone.now(), draining=False, holder=holders.me())
    assert dispatch.assign() == [row]


def test_a_team_builds_as_many_at_once_as_its_plan_has_slots(team):
    builder("one", capacity=10)
    rows = [deployment(on_plan(team, "free")) for _ in range(3)]
    dispatch.assign()
    assert [state(row) for row in rows] == [("one", ""), (None, "slot"), (None, "slot")]
    assert places(rows) == {rows[1].pk: 1, rows[2].pk: 2}
    end(rows[0])
    dispatch.assign()
    assert [state(row) for row in rows[1:]] == [("one", ""), (None, "slot")]
    assert places(rows) == {rows[2].pk: 1}


def test_a_slot_is_free_once_everything_is_built(team):
    """What is released where it was built keeps its place there, but not its team's slot."""
    builder("one", capacity=10)
    first, second = (deployment(on_plan(team, "free")) for _ in range(2))
    dispatch.assign()
    Deployment.objects.filter(pk=first.pk).update(state="pending", built_at=timezone.now())
    dispatch.assign()
    assert state(second) == ("one", "")


@pytest.mark.parametrize(("dedicated", "expected"), [(True, ("one", "")), (False, (None, "builder"))])
def test_releasing_takes_room_only_where_it_happens(team, dedicated, expected):
    builder("one", capacity=1, dedicated=dedicated)
    first, second = deployment(team), deployment(team)
    dispatch.assign()
    Deployment.objects.filter(pk=first.pk).update(state="pending", built_at=timezone.now())
    acquire(first)
    dispatch.assign()
    assert state(second) == expected


def test_the_team_with_the_least_under_way_is_next(team):
    other = make_team("other")
    one = builder("one", capacity=2)
    rows = [deployment(team), deployment(team), deployment(team), deployment(other)]
    dispatch.assign()
    assert [state(row)[0] for row in rows] == ["one", None, None, "one"]
    Builder.objects.filter(pk=one.pk).update(capacity=3)
    dispatch.assign()
    assert state(rows[1])[0] == "one"


def test_used_minutes_wait_for_the_next_month(team):
    builder("one")
    start = usage.month(timezone.now())
    spent = {"team": on_plan(team, "free"), "pod_name": "p", "app": "web", "builder": "one"}
    row = BuildRun.objects.create(**spent, started_at=start, finished_at=start + datetime.timedelta(minutes=100))
    waiting = deployment(team)
    dispatch.assign()
    assert state(waiting) == (None, "minutes")
    row.started_at -= datetime.timedelta(days=3)  # the month before
    row.save()
    dispatch.assign()
    assert state(waiting) == ("one", "")


def test_overage_is_counted_where_the_plan_says_so(team):
    builder("one")
    start = usage.month(timezone.now())
    lasted = datetime.timedelta(minutes=5000)
    BuildRun.objects.create(
        team=on_plan(team, "pro"), pod_name="p", app="web", builder="one", started_at=start, finished_at=start + lasted
    )
    row = deployment(team)
    dispatch.assign()
    assert state(row) == ("one", "")
    assert usage.used(team) == lasted


def test_a_lost_builder_gives_back_what_it_had(team):
    lost = builder("a-lost")
    row = deployment(team)
    dispatch.assign()
    assert state(row)[0] == "a-lost"
    builder("b-other")
    Builder.objects.filter(pk=lost.pk).update(seen_at=timezone.now() - datetime.timedelta(minutes=1))
    assert dispatch.assign() == [row]
    assert state(row)[0] == "b-other"


@pytest.mark.parametrize("lacking", ["slot", "minutes"])
def test_what_lost_its_builder_on_the_way_goes_on_with_the_slot_and_the_minutes_it_had(team, lacking):
    first = builder("a-first", capacity=1)
    on_plan(team, "free")
    row, next_one = deployment(team), deployment(team)
    dispatch.assign()
    Deployment.objects.filter(pk=row.pk).update(state="pending")
    Builder.objects.filter(pk=first.pk).update(seen_at=None)
    builder("b-second", capacity=10)
    if lacking == "slot":
        Deployment.objects.filter(pk=next_one.pk).update(state="pending", builder=None)
    else:
        start = usage.month(timezone.now())
        spent = {"started_at": start, "finished_at": start + datetime.timedelta(minutes=100)}
        BuildRun.objects.create(team=team, pod_name="p", app="web", builder="one", **spent)
    dispatch.assign()
    assert state(row) == ("b-second", "")
    assert state(next_one) == (("b-second", "") if lacking == "slot" else (None, "slot"))


def test_who_works_on_it_keeps_it(team):
    """A builder that cannot be heard may still hold the lease: nobody else is told until that ends."""
    one = builder("one")
    row = deployment(team)
    dispatch.assign()
    Deployment.objects.filter(pk=row.pk).update(state="pending")
    assert acquire(row)
    builder("two")
    Builder.objects.filter(pk=one.pk).update(seen_at=None)
    assert dispatch.assign() == []
    Deployment.objects.filter(pk=row.pk).update(leased_until=timezone.now() - datetime.timedelta(seconds=1))
    assert dispatch.assign() == [row]
    assert state(row)[0] == "two"


def test_a_message_that_was_lost_is_sent_again(team):
    builder("one")
    row = deployment(team)
    assert dispatch.assign() == [row]
    assert dispatch.assign() == []
    Deployment.objects.filter(pk=row.pk).update(assigned_at=timezone.now() - dispatch.BEGIN)
    assert dispatch.assign() == [row]


def test_what_a_builder_was_told_before_it_was_killed_is_told_again(team):
    one = builder("one")
    row = deployment(team)
    assert dispatch.assign() == [row]
    Builder.objects.filter(pk=one.pk).update(started_at=timezone.now())  # it is back
    assert dispatch.assign() == [row]
    assert dispatch.assign() == []


@pytest.mark.skipif(not holders.me(), reason="this system has no /proc")
def test_what_a_killed_process_had_begun_is_told_again(team):
    builder("one")
    row = deployment(team)
    assert dispatch.assign() == [row]
    assert acquire(row)
    assert dispatch.assign() == []
    Deployment.objects.filter(pk=row.pk).update(holder=holders.me().rpartition(":")[0] + ":1")
    assert dispatch.assign() == [row]
    assert dispatch.assign() == []


def test_a_builder_begins_only_what_it_was_given(team, settings):
    """An old message, after the deployment was given to another."""
    builder("other")
    row = deployment(team)
    dispatch.assign()
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, builds=True, builder="mine")
    pipeline.run(row.pk)
    row.refresh_from_db()
    assert (row.state, row.fence, row.builder.name) == ("waiting", 0, "other")


def test_what_needs_no_build_needs_no_builder(team):
    row = deployment(team)
    row.revision.builds.all().delete()
    assert queue.may_begin(row)
    assert row.pk in set(queue.unattended())
    assert dispatch.assign() == []


def test_cancelling_frees_the_slot(team):
    builder("one")
    first, second = (deployment(on_plan(team, "free")) for _ in range(2))
    dispatch.assign()
    actions.cancel(deployment=first, by=None)
    first.refresh_from_db()
    assert first.state == "cancelled"
    dispatch.assign()
    assert state(second) == ("one", "")


def test_a_queue_is_left_in_order(team):
    """Twenty builds on two slots: never more than two at once, each once, first come first served."""
    builder("one", capacity=2)
    rows = [deployment(team) for _ in range(20)]
    begun: list[str] = []
    under_way: list[Deployment] = []
    while len(begun) < 20 or under_way:
        given = dispatch.assign()
        begun += [row.pk for row in given]
        under_way += given
        assert 0 < len(under_way) <= 2
        end(under_way.pop(0))
    assert begun == [row.pk for row in rows]
