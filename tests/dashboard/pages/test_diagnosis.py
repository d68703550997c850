"""A failed deployment says why, shows the line, and has a button that puts the remedy into the draft."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import unquote_plus

import pytest
from django.test import Client
from django.urls import reverse

from apps.deployments.models import STAGE_TITLES, STAGES, Deployment
from apps.logs import store
from apps.logs.lines import Line, encode
from apps.logs.live import Entry
from apps.pods.models import Pod
from tests.dashboard.pages.conftest import HOSTILE, deploy, seal, stages, whole

pytestmark = pytest.mark.django_db

OUTPUT = ["$ npm ci", "npm error code EINTEGRITY", "npm error sha512-AAAA integrity checksum failed"]


def fail(pod: Pod, stage: str, code: str, output: list[str], **fields: Any) -> Deployment:
    """The pod's second revision failed in `stage` of web, and its log says `output`."""
    revision = seal(pod, 2, whole(f"{pod.name}.localhost"), live=False)
    given = {"error": "A download is not what it was.", "hint": "Try it without.", "error_code": code} | fields
    deployment = deploy(revision, state="failed", **given)
    stages(deployment, "web", ["passed"] * STAGES.index(stage) + ["failed"])
    section = f"{STAGE_TITLES[stage]} · web"
    said = [*output, f"{deployment.error} {deployment.hint}"]
    lines = [Line(number, 1_700_000_000_000, section, "info", text) for number, text in enumerate(said, 1)]
    taken = store.take(deployment.stream)
    store.append(deployment.stream, taken.fence, [Entry(1, len(lines), 0, encode(lines))])
    return deployment


def page(client: Client, deployment: Deployment) -> str:
    answer = client.get(reverse("deployment", args=[deployment.pod.name, deployment.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def press(client: Client, deployment: Deployment, number: object = 0) -> Any:
    return client.post(reverse("remedy", args=[deployment.pod.name, deployment.pk]), {"fix": str(number)})


def drafted(pod: Pod) -> dict[str, Any]:
    pod = Pod.objects.get(pk=pod.pk)
    assert pod.draft
    found: dict[str, Any] = pod.draft.resources.get(name="web").spec
    return found


def test_the_page_says_why_shows_the_line_and_offers_the_remedy(live_pod: Pod, bobs: Client) -> None:
    shown = page(bobs, fail(live_pod, "install", "integrity_mismatch", OUTPUT))
    assert "A download is not what the lockfile says" in shown
    assert "npm error code EINTEGRITY</code></a>" in shown
    assert "log-search=npm error code EINTEGRITY" in unquote_plus(html.unescape(shown))
    assert "Build once without the cache." in shown
    assert "Build without the cache</button>" in shown


def test_the_button_puts_the_remedy_into_the_draft(live_pod: Pod, bobs: Client) -> None:
    deployment = fail(live_pod, "install", "integrity_mismatch", OUTPUT)
    answer = press(bobs, deployment)
    assert answer["Location"] == reverse("draft", args=[live_pod.name])
    spec = drafted(live_pod)
    assert spec["build"]["cache"] is False
    assert spec["configs"] == ["settings"]
    review = bobs.get(answer["Location"]).content.decode()
    assert "The remedy is in the draft." in review
    assert "build.cache" in review
    assert "Build without the cache</button>" not in page(bobs, deployment), "the draft has it already"
    assert press(bobs, deployment)["Location"] == answer["Location"]
    assert drafted(live_pod) == spec


def test_a_variable_is_added_to_the_others(live_pod: Pod, bobs: Client) -> None:
    said = ["FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"]
    press(bobs, fail(live_pod, "build", "out_of_memory", said))
    assert {"name": "NODE_OPTIONS", "value": "--max-old-space-size=3072"} in drafted(live_pod)["env"]


def test_who_may_only_read_sees_why_and_no_button(live_pod: Pod, veras: Client) -> None:
    deployment = fail(live_pod, "install", "integrity_mismatch", OUTPUT)
    shown = page(veras, deployment)
    assert "A download is not what the lockfile says" in shown
    assert "Build without the cache" not in shown
    assert press(veras, deployment).status_code == 403
    assert Pod.objects.get(pk=live_pod.pk).draft is None


@pytest.mark.parametrize("number", ["9", "-1", "", "x", "٠", "0" * 5000])
def test_there_is_no_such_remedy(number: str, live_pod: Pod, bobs: Client) -> None:
    deployment = fail(live_pod, "install", "integrity_mismatch", OUTPUT)
    assert press(bobs, deployment, number).status_code == 404
    assert Pod.objects.get(pk=live_pod.pk).draft is None


def test_an_app_that_is_gone_has_no_remedy(live_pod: Pod, bobs: Client) -> None:
    deployment = fail(live_pod, "install", "integrity_mismatch", OUTPUT)
    assert bobs.post(reverse("resource-deletion", args=[live_pod.name, "front"])).status_code == 302
    assert bobs.post(reverse("resource-deletion", args=[live_pod.name, "web"])).status_code == 302
    assert "Build without the cache" not in page(bobs, deployment)
    assert press(bobs, deployment).status_code == 404


def test_a_code_the_catalogue_does_not_have(live_pod: Pod, bobs: Client) -> None:
    deployment = fail(live_pod, "secrets", "secret_missing", ["The secret A is not in the store."])
    assert 'id="diagnosis"' not in page(bobs, deployment)
    assert press(bobs, deployment).status_code == 404


def test_a_line_is_shown_as_it_is(live_pod: Pod, bobs: Client) -> None:
    shown = page(bobs, fail(live_pod, "build", "module_not_found", [f"Cannot find module 'a' {HOSTILE}"]))
    assert HOSTILE not in shown
    assert "Cannot find module" in shown


def test_an_unknown_failure_shows_the_last_line_that_says_anything(live_pod: Pod, bobs: Client) -> None:
    said = ["rendering", "price list: no currency", "npm error code 5"]
    shown = page(bobs, fail(live_pod, "build", "build_failed", said))
    assert "price list: no currency</code></a>" in shown


def test_where_only_the_error_says_it_the_error_is_the_line(live_pod: Pod, bobs: Client) -> None:
    words = "web was not healthy within 60 s: / answered 404."
    deployment = fail(live_pod, "health", "health_check_status", ["web | GET / 404"], error=words)
    shown = page(bobs, deployment)
    assert f"{words} Try it without.</code></a>" in shown
    assert "Check /health</button>" in shown
    press(bobs, deployment, 1)
    assert drafted(live_pod)["healthCheckPath"] == "/health"


def test_a_deployment_that_is_well_has_none(live_pod: Pod, bobs: Client) -> None:
    deployment = live_pod.deployments.get()
    assert 'id="diagnosis"' not in page(bobs, deployment)
    assert press(bobs, deployment).status_code == 404
