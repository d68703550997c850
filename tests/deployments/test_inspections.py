"""Looking at repositories before a deployment: asked for, done once, ended whatever happens."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from apps import artifacts
from apps.accounts.models import Team, User
from apps.builds import inspecting
from apps.builds.models import Inspection
from apps.core import leases
from apps.core.errors import NotFound, PlatformError, UserError
from apps.core.ids import new_id
from apps.deployments import inspections, wake
from apps.pods import actions as pods
from apps.pods.models import Pod
from apps.sources.hosted import Hosted

pytestmark = pytest.mark.django_db
FLASK = {
    "requirements.txt": "flask==3.0\n",
    ".python-version": "3.11\n",
    "app.py": "from flask import Flask\napp = Flask(__name__)\n",
}
Make = Callable[..., Pod]


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What workers were woken for."""
    found: list[tuple[str, ...]] = []
    monkeypatch.setattr(wake, "wake", lambda *words: found.append(words))
    return found


@pytest.fixture
def make(team: Team, alice: User, tmp_path: Path, woken: list[tuple[str, ...]]) -> Make:
    """A pod whose draft has the app `web`, from a repository with these files."""

    def made(files: dict[str, str], **spec: Any) -> Pod:
        name = f"r{new_id()[-10:]}"
        root = tmp_path / name
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        Hosted(settings.BRAINPOD.state / "repositories").commit_tree(team.slug, name, root, "Begin")
        source = {"repo": f"brainpod:{team.slug}/{name}"} | spec.pop("source", {})
        pod = pods.create_pod(team=team, name=f"p{new_id()[-10:]}", by=alice)
        pods.save_resource(pod=pod, kind="App", name="web", spec={"source": source} | spec, by=alice, create=True)
        return pod

    return made


def looked_at(pod: Pod, **options: Any) -> Inspection:
    row = inspections.inspect(pod=pod, app="web", by=None, **options)
    inspections.INSPECTIONS.run(row.pk)
    row.refresh_from_db()
    assert not list((artifacts.artifacts()._scratch).glob(f"*{row.pk}*")), "nothing is left behind"
    return row


def test_what_is_found_and_where_it_comes_from(make: Make) -> None:
    row = looked_at(make(FLASK | {"Procfile": "web: gunicorn app:app\n"}))
    assert (row.state, row.error) == ("done", "")
    assert len(row.commit) == 40
    assert row.message == "Begin"
    assert row.finished_at is not None
    assert row.plan is not None
    assert (row.plan["stack"], row.plan["framework"]) == ("python", "flask")
    assert row.plan["versions"]["python"] == ["3.11", "from .python-version"]
    assert row.plan["start"] == "gunicorn app:app"
    assert row.plan["origins"]["start"] == "Procfile"
    assert row.plan["origins"]["install"] == "requirements.txt"


def test_settings_win_and_say_so(make: Make) -> None:
    own = {"brainpod.json": '{"build": {"buildCommand": "make"}, "startCommand": "python other.py"}'}
    row = looked_at(make(FLASK | own, startCommand="python mine.py"))
    assert row.plan is not None
    assert (row.plan["start"], row.plan["build"]) == ("python mine.py", ["make"])
    assert (row.plan["origins"]["start"], row.plan["origins"]["build"]) == ("settings", "brainpod.json")


def test_a_failure_has_its_name(make: Make) -> None:
    row = looked_at(make({"README": "nothing"}))
    assert (row.state, row.error_code, row.plan) == ("failed", "no_framework_detected", None)
    assert "package.json" in row.hint
    row = looked_at(make(FLASK, source={"rootDir": "no/such"}))
    assert (row.state, row.error_code) == ("failed", "invalid")
    assert "no/such" in row.error
    row = looked_at(make(FLASK, source={"branch": "no-such"}))
    assert (row.state, row.error_code) == ("failed", "branch_not_found")


def test_what_the_machine_lacks_is_said_beside_the_plan(make: Make) -> None:
    row = looked_at(
        make(
            {
                "mix.exs": "defmodule A.MixProject do\nend\n",
                "Procfile": "web: mix run\n",
                ".tool-versions": "elixir 99.9\n",
            }
        )
    )
    assert row.state == "done"
    assert row.plan is not None
    assert row.plan["stack"] == "elixir"
    assert row.error_code == "missing_toolchain"


def test_the_same_is_looked_at_once(make: Make, woken: list[tuple[str, ...]]) -> None:
    pod = make(FLASK)
    first = inspections.inspect(pod=pod, app="web", by=None)
    assert inspections.inspect(pod=pod, app="web", by=None, again=True) == first, "it is under way"
    assert woken.count((wake.INSPECT, first.pk)) == 1
    inspections.INSPECTIONS.run(first.pk)
    assert inspections.inspect(pod=pod, app="web", by=None) == first, "the answer is there"
    second = inspections.inspect(pod=pod, app="web", by=None, again=True)
    assert second != first


def test_other_settings_are_another_question(make: Make, alice: User) -> None:
    pod = make(FLASK)
    first = inspections.inspect(pod=pod, app="web", by=None)
    assert pod.draft is not None
    spec = pod.draft.snapshot()["web"].spec
    for change, asks in (({"healthCheckPath": "/up"}, False), ({"startCommand": "python app.py"}, True)):
        pods.save_resource(pod=pod, kind="App", name="web", spec=spec | change, by=alice, create=False)
        assert (inspections.inspect(pod=pod, app="web", by=None) != first) is asks


def test_a_pod_is_looked_at_so_often_and_no_more(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspections, "MOST", 2)
    pod = make(FLASK)
    for _ in range(2):
        looked_at(pod, again=True)
    with pytest.raises(UserError) as caught:
        inspections.inspect(pod=pod, app="web", by=None, again=True)
    assert (caught.value.code, caught.value.status) == ("too_many_inspections", 429)
    inspections.inspect_soon(pod=pod, app="web", by=None)
    pod.inspections.update(created_at=timezone.now() - datetime.timedelta(hours=1))
    assert inspections.inspect(pod=pod, app="web", by=None, again=True).is_open


def test_old_ones_are_forgotten(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspections, "KEPT", 2)
    pod = make({"README": ""})
    for _ in range(4):
        last = looked_at(pod, again=True)
    assert pod.inspections.count() == 3
    assert last in pod.inspections.all()


def test_one_at_a_time_and_the_next_is_woken(make: Make, woken: list[tuple[str, ...]]) -> None:
    busy = inspections.inspect(pod=make(FLASK), app="web", by=None)
    waits = inspections.inspect(pod=make(FLASK), app="web", by=None)
    lease = leases.acquire(busy)
    assert lease is not None
    inspections.INSPECTIONS.run(waits.pk)
    waits.refresh_from_db()
    assert waits.state == "waiting"
    lease.release()
    woken.clear()
    inspections.INSPECTIONS.run(busy.pk)
    assert woken == [(wake.INSPECT, waits.pk)]


def test_what_nobody_works_on_is_woken_and_ends_at_its_deadline(make: Make, woken: list[tuple[str, ...]]) -> None:
    row = inspections.inspect(pod=make(FLASK), app="web", by=None)
    woken.clear()
    inspections.tend()
    assert woken == [(wake.INSPECT, row.pk)]
    Inspection.objects.update(deadline=timezone.now() - datetime.timedelta(seconds=1), state="running")
    inspections.tend()
    row.refresh_from_db()
    assert (row.state, row.error_code) == ("failed", "inspection_deadline")
    inspections.INSPECTIONS.run(row.pk)
    row.refresh_from_db()
    assert row.state == "failed", "an ended one is not begun again"


def test_a_worker_that_lost_its_lease_writes_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    look = inspecting.look

    def slow(row: Inspection, room: Any) -> Any:
        Inspection.objects.filter(pk=row.pk).update(fence=F("fence") + 1)  # somebody took it over
        return look(row, room)

    monkeypatch.setattr(inspecting, "look", slow)
    row = looked_at(make(FLASK))
    assert (row.state, row.plan) == ("running", None)


def test_one_that_takes_too_long_is_ended(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspections, "SECONDS", -1.0)
    row = looked_at(make(FLASK))
    assert (row.state, row.error_code) == ("failed", "source_timeout")


@pytest.mark.parametrize("error", [PlatformError("edge_away", "It is away."), RuntimeError("a mistake")])
def test_what_the_platform_is_to_blame_for_has_a_number(
    error: Exception, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(inspecting, "look", broken)
    row = looked_at(make(FLASK))
    assert row.state == "failed"
    assert row.error_code in ("edge_away", "internal_error")
    assert "a mistake" not in row.error


def test_a_pod_that_goes_meanwhile(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pod = make(FLASK)
    row = inspections.inspect(pod=pod, app="web", by=None)
    monkeypatch.setattr(inspecting, "look", lambda *_: Inspection.objects.all().delete() and (None, {}))
    monkeypatch.setattr(inspecting, "lacking", lambda *_: None)
    inspections.INSPECTIONS.run(row.pk)
    assert not pod.inspections.exists()


def test_only_apps_with_a_repository(make: Make, alice: User) -> None:
    pod = make(FLASK)
    pods.save_resource(pod=pod, kind="Config", name="settings", spec={}, by=alice, create=True)
    for name in ("settings", "nothing"):
        with pytest.raises(NotFound):
            inspections.inspect(pod=pod, app=name, by=alice)
    Pod.objects.filter(pk=pod.pk).update(deleting_at=timezone.now())
    with pytest.raises(NotFound):
        inspections.inspect(pod=pod, app="web", by=alice)
