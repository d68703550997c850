"""Deploying the newest commit: the host is asked by a worker, and what it says is deployed once."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from apps import sources
from apps.accounts.models import Team, User
from apps.core import leases
from apps.core.errors import Conflict, NotFound, PlatformError
from apps.core.ids import new_id
from apps.deployments import lookups, wake
from apps.deployments.models import Deployment, Lookup
from apps.pods import actions as pods
from apps.pods.models import Pod, Revision
from apps.sources.hosted import Hosted
from tests.people import make_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    monkeypatch.setattr(wake, "wake", lambda *words, **_: found.append(words))
    return found


@pytest.fixture
def commit(tmp_path: Path) -> Callable[[Pod, str], str]:
    """A commit to the repository of the pod's app; its id."""

    def made(pod: Pod, says: str) -> str:
        (tmp_path / "index.html").write_text(says)
        hosted = Hosted(settings.BRAINPOD.state / "repositories")
        return hosted.commit_tree(pod.team.slug, pod.name, tmp_path, says)

    return made


def live_pod(team: Team, by: User, branch: str = "") -> Pod:
    """A pod whose revision is live, with the app `web` of a hosted repository of its own, and a disk."""
    pod = pods.create_pod(team=team, name=f"p{new_id()[-10:]}", by=by)
    source = {"repo": f"brainpod:{team.slug}/{pod.name}", "branch": branch}
    pods.save_resource(pod=pod, kind="App", name="web", spec={"source": source, "type": "static"}, by=by, create=True)
    pods.save_resource(pod=pod, kind="Disk", name="data", spec={}, by=by, create=True)
    pod.refresh_from_db()
    Pod.objects.filter(pk=pod.pk).update(live=pods.seal(pod=pod, summary="", by=by))
    pod.refresh_from_db()
    return pod


@pytest.fixture
def pod(team: Team, alice: User, woken: list[tuple[str, ...]]) -> Pod:
    return live_pod(team, alice)


def looked_up(pod: Pod, by: User | None = None) -> Lookup:
    row = lookups.deploy_latest(pod=pod, app="web", by=by)
    lookups.LOOKUPS.run(row.pk)
    row.refresh_from_db()
    return row


def pinned(revision: Revision) -> str:
    return str(revision.snapshot()["web"].spec["source"]["commit"])


def test_the_newest_commit_is_deployed_once(
    pod: Pod, commit: Callable[[Pod, str], str], alice: User, woken: list[tuple[str, ...]]
) -> None:
    commit(pod, "first")
    sha = commit(pod, "second")
    row = lookups.deploy_latest(pod=pod, app="web", by=alice)
    assert (row.state, woken) == ("asking", [(wake.LOOK_UP, row.pk)])
    for _ in range(3):  # whoever is woken how often
        lookups.LOOKUPS.run(row.pk)
    row.refresh_from_db()
    made = Deployment.objects.get()
    assert (row.state, row.deployment, row.error) == ("deployed", made, "")
    assert row.finished_at is not None
    assert (made.trigger, made.actor, pinned(made.revision)) == ("manual", alice, sha)
    assert made.revision.summary == f"web at {sha[:7]}"


def test_who_asks_twice_gets_one(pod: Pod, commit: Callable[[Pod, str], str], alice: User) -> None:
    commit(pod, "first")
    first = lookups.deploy_latest(pod=pod, app="web", by=alice)
    assert lookups.deploy_latest(pod=pod, app="web", by=None) == first
    lookups.LOOKUPS.run(first.pk)
    assert lookups.deploy_latest(pod=pod, app="web", by=alice) != first


def test_what_the_host_refuses_is_said(pod: Pod, commit: Callable[[Pod, str], str]) -> None:
    row = looked_up(pod)
    assert (row.state, row.error_code) == ("failed", "repository_not_found")
    assert row.hint
    commit(pod, "first")
    assert looked_up(pod).state == "deployed"
    Deployment.objects.update(state="ready")
    Pod.objects.filter(pk=pod.pk).update(live=Deployment.objects.get().revision)
    row = looked_up(pod)
    assert (row.state, row.error_code) == ("failed", "nothing_to_deploy")
    assert Deployment.objects.count() == 1


def test_a_branch_that_is_not_there(team: Team, alice: User, woken: object, commit: Callable[[Pod, str], str]) -> None:
    pod = live_pod(team, alice, branch="no-such")
    commit(pod, "first")
    row = looked_up(pod)
    assert (row.state, row.error_code, row.branch) == ("failed", "branch_not_found", "no-such")


@pytest.mark.parametrize("error", [PlatformError("vault_away", "It is away."), RuntimeError("a mistake")])
def test_what_the_platform_is_to_blame_for_has_a_number(
    error: Exception, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise error

    monkeypatch.setattr(sources, "source", broken)
    row = looked_up(pod)
    assert row.state == "failed"
    assert row.error_code in ("vault_away", "internal_error")
    assert "a mistake" not in row.error


def test_a_worker_that_died_is_made_up_for(
    pod: Pod, commit: Callable[[Pod, str], str], woken: list[tuple[str, ...]]
) -> None:
    """Its lease ends with it; what it did not end is done again, from the beginning."""
    sha = commit(pod, "first")
    row = lookups.deploy_latest(pod=pod, app="web", by=None)
    lease = leases.acquire(row)
    assert lease is not None
    woken.clear()
    lookups.LOOKUPS.tend()
    lookups.LOOKUPS.run(row.pk)
    assert (woken, Deployment.objects.count()) == ([], 0)
    Lookup.objects.update(leased_until=timezone.now() - datetime.timedelta(seconds=1))
    lookups.LOOKUPS.tend()
    assert woken == [(wake.LOOK_UP, row.pk)]
    lookups.LOOKUPS.run(row.pk)
    assert pinned(Deployment.objects.get().revision) == sha


def test_whoever_lost_its_lease_deploys_nothing(
    pod: Pod, commit: Callable[[Pod, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deployment goes with the end of the row, or not at all."""
    commit(pod, "first")
    source = sources.source()

    class Slow:
        def resolve(self, *words: str, **given: object) -> str:
            Lookup.objects.update(fence=F("fence") + 1)  # somebody took it over
            return source.resolve(*words)

    monkeypatch.setattr(sources, "source", Slow)
    row = looked_up(pod)
    assert row.state == "asking"
    assert not Deployment.objects.exists()
    assert pod.revisions.count() == 1


def test_another_repository_meanwhile(
    pod: Pod, commit: Callable[[Pod, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(pod, "first")
    source = sources.source()

    class Slow:
        def resolve(self, *words: str, **given: object) -> str:
            app = pod.live.resources.get(name="web")
            app.spec = app.spec | {"source": app.spec["source"] | {"branch": "other"}}
            app.save()
            return source.resolve(*words)

    monkeypatch.setattr(sources, "source", Slow)
    row = looked_up(pod)
    assert (row.state, row.error_code) == ("failed", "source_changed")
    assert not Deployment.objects.exists()


def test_a_slow_host_holds_up_its_own_team_alone(
    pod: Pod, alice: User, commit: Callable[[Pod, str], str], woken: list[tuple[str, ...]]
) -> None:
    rows = [lookups.deploy_latest(pod=pod, app="web", by=None)]
    for team in (pod.team, make_team(f"t{new_id()[-8:]}"), make_team(f"t{new_id()[-8:]}")):
        other = live_pod(team, alice)
        commit(other, "first")
        rows.append(lookups.deploy_latest(pod=other, app="web", by=None))
    slow = leases.acquire(rows[0])
    assert slow is not None
    for row in rows[1:]:
        lookups.LOOKUPS.run(row.pk)
        row.refresh_from_db()
    assert [row.state for row in rows] == ["asking", "asking", "deployed", "deployed"]
    slow.release()
    woken.clear()
    lookups.LOOKUPS.run(rows[0].pk)
    assert (wake.LOOK_UP, rows[1].pk) in woken


def test_it_ends_at_its_deadline(pod: Pod) -> None:
    row = lookups.deploy_latest(pod=pod, app="web", by=None)
    Lookup.objects.update(deadline=timezone.now() - datetime.timedelta(seconds=1))
    lookups.LOOKUPS.tend()
    row.refresh_from_db()
    assert (row.state, row.error_code) == ("failed", "lookup_deadline")
    lookups.LOOKUPS.run(row.pk)
    assert not Deployment.objects.exists()


def test_only_apps_with_a_repository_and_pods_that_stay(pod: Pod) -> None:
    for name in ("data", "nothing"):
        with pytest.raises(NotFound):
            lookups.deploy_latest(pod=pod, app=name, by=None)
    row = lookups.deploy_latest(pod=pod, app="web", by=None)
    Pod.objects.filter(pk=pod.pk).update(deleting_at=timezone.now())
    with pytest.raises(Conflict):
        lookups.deploy_latest(pod=pod, app="web", by=None)
    lookups.LOOKUPS.run(row.pk)
    row.refresh_from_db()
    assert row.is_open
    assert not Deployment.objects.exists()


def test_old_ones_are_forgotten(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "KEPT", 2)
    for _ in range(4):
        last = looked_up(pod)
    assert pod.lookups.count() == 3
    assert last in pod.lookups.all()
