"""The plan: each line with its consequence, and a token that goes stale with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given

from apps.accounts.models import User
from apps.core.errors import Conflict
from apps.pods import actions
from apps.pods.diff import diff
from apps.pods.models import Pod, Resource, Revision, Snapshot
from apps.pods.plan import Plan, check_token, make_plan
from apps.pods.validation import problems
from tests.pods.conftest import go_live
from tests.pods.specs import APP, RULES, SNAPSHOTS, app, env, snapshot

NONE: frozenset[str] = frozenset()
WEB = frozenset({"web"})


def _revision(number: int | None, made: Snapshot, engine: str = "") -> Revision:
    pod = SimpleNamespace(name="shop")
    found = SimpleNamespace(pk=number or 0, version=number, engine=engine, pod=pod, snapshot=lambda: made)
    return cast("Revision", found)


def _plan(
    before: Snapshot | None,
    after: Snapshot,
    stored: frozenset[str] = NONE,
    *,
    to: int | None = None,
    engines: tuple[str, str] = ("", ""),
) -> Plan:
    live = None if before is None else _revision(5, before, engines[0])
    pod = cast("Pod", SimpleNamespace(pk="p", live=live, live_id=live and 5))
    return make_plan(pod, _revision(to, after, engines[1]), stored=stored)


def _line(plan: Plan, name: str) -> tuple[str, str]:
    (line,) = (line for line in plan.lines if line.name == name)
    return line.action, line.consequence


@pytest.fixture
def all_engines(settings: Any) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, engines="process,docker,nomad", docker_host="unix:///no")


def test_a_move_restarts_or_rebuilds_what_runs_and_leaves_the_rest(all_engines: None) -> None:
    made = snapshot(web=("App", APP), site=("App", {**APP, "type": "static"}), front=("Route", RULES))
    both = frozenset({"web", "site"})
    assert _plan(made, made, both, engines=("process", "")).changes == (), "the default by its name is no move"
    for stored, consequence in (
        (both, ("restart", "starts web anew on Docker, no downtime")),
        (frozenset({"site"}), ("rebuild", "rebuilds web for Docker from main, then restarts it, no downtime")),
    ):
        plan = _plan(made, made, stored, engines=("", "docker"))
        assert _line(plan, "shop") == ("update", "moves shop from processes on this host to Docker")
        assert _line(plan, "web") == consequence
        assert _line(plan, "site")[0] == "no-op"
    assert len({_plan(None, made, engines=("", name)).token for name in ("", "docker")}) == 2


def test_disks_stay_where_their_engine_is(all_engines: None) -> None:
    made = snapshot(web=("App", {**APP, "mounts": [{"path": "/data", "disk": "data"}]}), data=("Disk", {}))
    assert not _plan(made, made, WEB, engines=("process", "docker")).problems
    assert not _plan(None, made, engines=("", "nomad")).problems
    for way in (("process", "nomad"), ("nomad", "docker")):
        (problem,) = _plan(made, made, WEB, engines=way).problems
        assert problem.path == "engine"
        assert problem.message.startswith("What is on disk data cannot go from ")
    without = snapshot(web=("App", APP))
    assert not _plan(without, made, WEB, engines=("process", "nomad")).problems, "a disk that is new has nothing on it"


def test_a_daemon_elsewhere_has_no_disks(settings: Any) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, engines="docker", docker_host="tcp://far:2376")
    made = snapshot(web=("App", {**APP, "mounts": [{"path": "/data", "disk": "data"}]}), data=("Disk", {}))
    (problem,) = _plan(None, made, engines=("", "docker")).problems
    assert problem.message == "Docker has no disks here: data would have no place."


def test_an_engine_that_is_no_longer_offered_is_a_problem() -> None:
    made = snapshot(web=("App", APP))
    (problem,) = _plan(made, made, WEB, engines=("", "docker")).problems
    assert problem.message == "Docker is not offered here any more: choose processes on this host."


def test_the_first_deploy_makes_everything() -> None:
    made = snapshot(web=("App", APP), front=("Route", RULES), data=("Disk", {}))
    made["front"].spec["hostname"] = "shop.localhost"
    plan = _plan(None, made)
    assert [(line.action, line.consequence) for line in plan.lines] == [
        ("create", "makes the empty disk data of 5 GB"),
        ("create", "builds web from main, then starts it"),
        ("create", "traffic of shop.localhost goes to web"),
    ]


def test_an_app_is_rebuilt_restarted_or_left_alone() -> None:
    before, after = snapshot(web=("App", APP)), snapshot(web=("App", app(env=env(A="1"))))
    assert _line(_plan(before, before, WEB), "web") == ("no-op", "no change")
    assert _line(_plan(before, after, WEB), "web") == ("restart", "restarts web, no downtime")
    assert _line(_plan(before, after), "web") == ("rebuild", "rebuilds web from main, then restarts it, no downtime")
    assert _line(_plan(before, snapshot(web=("App", app(replicas=3))), WEB), "web")[0] == "update"
    assert _line(_plan(before, snapshot(web=("App", app(healthCheckTimeout=9))), WEB), "web")[0] == "update"


def test_a_disk_costs_a_pause() -> None:
    mounts = [{"path": "/data", "disk": "data"}]
    before = snapshot(web=("App", app(mounts=mounts)), data=("Disk", {}))
    after = snapshot(web=("App", app(mounts=mounts, startCommand="x")), data=("Disk", {}))
    assert _line(_plan(before, after, WEB), "web")[1] == "restarts web with a short pause: its disk has one writer"


@pytest.mark.parametrize(
    "changed", [{"variables": env(A="2")}, {"variables": env(A="1"), "secrets": {"KEY": 1}}, {"files": {"f": "2"}}]
)
def test_a_config_restarts_the_apps_it_is_attached_to(changed: dict[str, Any]) -> None:
    spec = app(configs=["settings"], mounts=[{"path": "/f", "config": "settings", "file": "f"}])
    apps: dict[str, Any] = {"web": ("App", spec), "api": ("App", APP)}
    old = {"variables": env(A="1"), "files": {"f": "1"}}
    before, after = (snapshot(**apps, settings=("Config", config)) for config in (old, {"files": {"f": "1"}} | changed))
    plan = _plan(before, after, frozenset({"web", "api"}))
    assert _line(plan, "settings") == ("update", "changes settings; web will have it")
    assert _line(plan, "web")[0] == "restart"
    assert _line(plan, "api")[0] == "no-op"


def test_what_goes_is_destroyed_and_only_disks_are_destructive() -> None:
    before = snapshot(web=("App", APP), front=("Route", RULES), data=("Disk", {}), settings=("Config", {}))
    plan = _plan(before, {})
    assert {line.action for line in plan.lines} == {"destroy"}
    assert [line.consequence for line in plan.destructive] == ["destroys disk data and everything on it"]


def test_routes_say_where_traffic_goes() -> None:
    apps: dict[str, Any] = {"web": ("App", APP), "api": ("App", APP)}
    before = snapshot(**apps, front=("Route", RULES))
    for change, words in (
        ({"rules": [{"app": "api"}]}, "traffic of shop.localhost moves to api"),
        (RULES | {"maintenance": True}, "shop.localhost answers with the maintenance page"),
        (RULES | {"enabled": False}, "shop.localhost answers 403: the route is disabled"),
        (RULES | {"timeout": 5}, "shop.localhost has new limits, no downtime"),
    ):
        after = snapshot(**apps, front=("Route", change))
        before["front"].spec["hostname"] = after["front"].spec["hostname"] = "shop.localhost"
        assert _line(_plan(before, after, frozenset(apps)), "front") == ("update", words)


def test_a_rollback_says_what_it_cannot_bring_back() -> None:
    before = snapshot(web=("App", APP), data=("Disk", {"size": 9}))
    plan = _plan(before, snapshot(web=("App", APP), data=("Disk", {"size": 5}), old=("Disk", {})), WEB, to=3)
    assert len(plan.notes) == 3
    assert "disk data stays as it is now" in plan.notes[0]
    assert "old is made anew and empty" in plan.notes[1]
    assert "Migrations" in plan.notes[2]
    assert _line(plan, "data") == ("no-op", "disk data keeps its 9 GB: a disk never shrinks")
    assert _plan(before, before, WEB, to=6).notes == ()


@given(SNAPSHOTS, SNAPSHOTS)
def test_every_difference_has_a_line_and_nothing_else_acts(before: Snapshot, after: Snapshot) -> None:
    plan = _plan(before, after, frozenset(after))
    if problems(after):
        assert plan.lines == ()
        assert plan.problems
        return
    names = {line.name for line in plan.lines}
    assert names == before.keys() | after.keys()
    assert {line.name for line in plan.destructive} == {
        n for n, r in before.items() if r.kind == "Disk" and (n not in after or after[n].kind != "Disk")
    }
    acting = {line.name for line in plan.changes}
    different = {change.name for change in diff(before, after)}
    shrinking = {n for n in different if n in after and after[n].kind == "Disk"}
    assert different - shrinking <= acting


@pytest.mark.django_db
def test_a_plan_goes_stale_with_what_it_was_made_of(live: Pod, save: Callable[..., Resource], alice: User) -> None:
    save("App", "web", app(startCommand="run"), create=False)
    draft = live.draft
    assert draft
    token = make_plan(live, draft, stored=WEB).token
    assert check_token(live, draft, token, stored=WEB).token == token
    with pytest.raises(Conflict, match="has changed"):
        check_token(live, draft, token, stored=NONE)
    save("App", "web", app(startCommand="run again"), create=False)
    with pytest.raises(Conflict):
        check_token(live, draft, token, stored=WEB)
    token = make_plan(live, draft, stored=WEB).token
    revision = actions.pin_commit(pod=live, commits={"web": "a" * 40}, by=alice, summary="push")
    Pod.objects.filter(pk=live.pk).update(live=revision, head=revision)
    live.refresh_from_db()
    with pytest.raises(Conflict):
        check_token(live, draft, token, stored=WEB)
    assert go_live(live, alice).live
