"""What will be built, as it is shown before a deployment: waiting, found, failed, or what the last build did."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.builds import inspecting
from apps.builds.inputs import inputs
from apps.builds.models import Build, Inspection
from apps.deployments import inspections
from apps.pods.models import Pod
from tests.dashboard.pages.conftest import APP, HOSTILE

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
PLAN: dict[str, Any] = {
    "stack": "python", "framework": "flask", "kind": "web", "manager": "pip", "title": "flask, python 3.11, pip",
    "versions": {"python": ["3.11", "from .python-version"]}, "install": ["pip install -r requirements.txt"],
    "build": ["make"], "start": "gunicorn app:app", "caches": ["/layers/cache/pip"], "notes": ["A note."],
    "origins": {"start": "Procfile", "build": "settings"},
}  # fmt: skip


def address(pod: Pod, name: str = "web") -> str:
    return reverse("build-plan", args=[pod.name, name])


def card(client: Client, pod: Pod) -> str:
    answer = client.get(address(pod), headers=HTMX)
    assert answer.status_code == 200
    return answer.content.decode()


def inspected(pod: Pod, **fields: Any) -> Inspection:
    revision = pod.draft or pod.live
    assert revision is not None
    given = inspecting.fields(revision.snapshot()["web"]) | {"deadline": timezone.now()} | fields
    return pod.inspections.create(**given)


@pytest.fixture
def pod(live_pod: Pod, bobs: Client) -> Pod:
    """The live pod with a changed `web` in its draft, saved through the page."""
    form = {"source.repo": APP["source"]["repo"], "source.branch": "main", "build.buildCommand": "make", "type": "web"}
    form |= {"instance": "1x", "replicas": "1", "healthCheckPath": "/", "healthCheckTimeout": "60"}
    answer = bobs.post(reverse("resource", args=[live_pod.name, "web"]), form)
    assert answer.status_code == 302, answer.content.decode()
    return Pod.objects.get(pk=live_pod.pk)


def test_saving_an_app_has_its_repository_looked_at(pod: Pod, bobs: Client) -> None:
    row = pod.inspections.get()
    assert (row.state, row.repo, row.branch) == ("waiting", APP["source"]["repo"], "main")
    assert row.overrides["build"] == "make"
    shown = card(bobs, pod)
    assert f"Looking at {row.repo}, branch main" in shown
    assert "Look again" not in shown, "it is being looked at"


def test_the_plan_is_on_the_review_and_beside_the_form(pod: Pod, bobs: Client, veras: Client) -> None:
    pod.inspections.update(state="done", plan=PLAN, commit="c" * 40, message="Begin", finished_at=timezone.now())
    review = reverse("draft", args=[pod.name])
    configuration = reverse("resource", args=[pod.name, "web"]) + "?tab=configuration"
    for client in (bobs, veras):
        for page in (review, configuration):
            shown = client.get(page).content.decode()
            for words in (
                "Python (flask)", "3.11", "from .python-version", "pip install -r requirements.txt", "usual for pip",
                "make", "your settings", "gunicorn app:app", "from Procfile", "A note.", "ccccccc", "Begin",
                "#field_build.buildCommand", "#field_startCommand",
            ):  # fmt: skip
                assert words in shown, (page, words)
            assert ("Look again" in shown) is (client is bobs)


def test_what_is_missing_is_said_beside_the_plan(pod: Pod, bobs: Client) -> None:
    words = {"error_code": "missing_toolchain", "error": "elixir is not on this machine.", "hint": "Install elixir."}
    pod.inspections.update(state="done", plan=PLAN, **words)
    shown = card(bobs, pod)
    assert "the build would fail" in shown
    assert "elixir is not on this machine." in shown
    assert "gunicorn app:app" in shown


def test_a_failure_has_its_remedies(pod: Pod, bobs: Client, veras: Client) -> None:
    error = "Python and Node.js both describe an app here."
    pod.inspections.update(state="failed", error_code="multiple_builders_matched", error=error, hint="Choose.")
    shown = card(bobs, pod)
    assert "Two stacks are in one directory" in shown
    assert error in shown
    assert "Build it as Python</button>" in shown
    assert "Build it as Python</button>" not in card(veras, pod)
    remedy = reverse("build-plan-remedy", args=[pod.name, "web"])
    assert veras.post(remedy, {"fix": "0"}).status_code == 403
    answer = bobs.post(remedy, {"fix": "0"})
    assert (answer.status_code, answer["Location"]) == (302, reverse("draft", args=[pod.name]))
    assert pod.draft is not None
    assert pod.draft.snapshot()["web"].spec["build"]["framework"] == "python"
    newest = pod.inspections.first()
    assert newest is not None
    assert newest.is_open, "with the remedy it is looked at again"


@pytest.mark.parametrize("number", ["9", "-1", "", "x", "٠"])
def test_there_is_no_such_remedy(number: str, pod: Pod, bobs: Client) -> None:
    remedy = reverse("build-plan-remedy", args=[pod.name, "web"])
    assert bobs.post(remedy, {"fix": "0"}).status_code == 404, "nothing failed"
    pod.inspections.update(state="failed", error_code="multiple_builders_matched", error="Two.")
    assert bobs.post(remedy, {"fix": number}).status_code == 404


def test_look_again(pod: Pod, bobs: Client, veras: Client) -> None:
    pod.inspections.update(state="done", plan=PLAN)
    assert bobs.post(address(pod), headers=HTMX).status_code == 200
    assert pod.inspections.count() == 1
    shown = bobs.post(address(pod), {"again": "1"}, headers=HTMX).content.decode()
    assert "Looking at" in shown
    assert pod.inspections.count() == 2
    assert veras.post(address(pod), {"again": "1"}).status_code == 403
    answer = bobs.post(address(pod), {"again": "1"})
    assert answer["Location"] == reverse("resource", args=[pod.name, "web"]) + "?tab=configuration"


def test_too_often_is_a_toast(pod: Pod, bobs: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspections, "MOST", 1)
    pod.inspections.update(state="done", plan=PLAN)
    answer = bobs.post(address(pod), {"again": "1"}, headers=HTMX)
    assert (answer.status_code, answer["HX-Reswap"]) == (429, "none")


def test_other_settings_than_those_looked_at_are_not_known(pod: Pod, bobs: Client, veras: Client) -> None:
    pod.inspections.update(state="done", plan=PLAN, inputs="other")
    shown = card(bobs, pod)
    assert "gunicorn" not in shown
    assert 'hx-trigger="load, submit"' in shown, "whoever may has it looked at by being here"
    shown = card(veras, pod)
    assert 'hx-trigger="load' not in shown
    assert "developers of the team can" in shown


def test_what_was_built_is_shown_as_it_was(live_pod: Pod, bobs: Client) -> None:
    assert live_pod.live is not None
    snapshot = live_pod.live.snapshot()
    plan = {key: value for key, value in PLAN.items() if key not in ("origins", "title")}
    given = {"plan": plan, "commit": "d" * 40, "built_at": timezone.now(), "inputs": inputs(snapshot, "web")}
    Build.objects.create(revision=live_pod.live, app="web", **given)
    shown = card(bobs, live_pod)
    assert "As the build of" in shown
    assert "gunicorn app:app" in shown
    inspected(live_pod, state="done", plan=PLAN | {"start": "newer start"})
    assert "newer start" in card(bobs, live_pod)
    Build.objects.update(inputs="other")
    live_pod.inspections.all().delete()
    assert "gunicorn" not in card(bobs, live_pod)


def test_what_a_repository_says_is_text(pod: Pod, bobs: Client) -> None:
    hostile = PLAN | {"start": HOSTILE, "notes": [HOSTILE], "origins": {"start": HOSTILE}, "framework": HOSTILE}
    pod.inspections.update(state="done", plan=hostile, message=HOSTILE, error=HOSTILE, error_code="x", hint=HOSTILE)
    assert HOSTILE not in card(bobs, pod)
    assert HOSTILE not in bobs.get(reverse("draft", args=[pod.name])).content.decode()


def test_what_is_not_built_has_no_plan(live_pod: Pod, bobs: Client) -> None:
    for name in ("settings", "front", "nothing"):
        assert bobs.get(address(live_pod, name)).status_code == 404
        assert bobs.post(address(live_pod, name)).status_code == 404


def test_plans_of_few_words_are_shown(live_pod: Pod, bobs: Client) -> None:
    row = inspected(live_pod, state="done", plan={})
    for plan in (
        {"stack": "docker", "kind": "web"},
        {"stack": "static", "kind": "static", "output": "."},
        {"stack": "go"},
    ):
        Inspection.objects.filter(pk=row.pk).update(plan=plan)
        assert str(plan["stack"]).lower() in card(bobs, live_pod).lower()
