"""Jobs and keys on the pages: what is shown, run, cancelled, made, and edited in rows."""

from __future__ import annotations

import re

from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.core.ids import new_id
from apps.deployments.jobs.follow import follow
from apps.deployments.models import AppControl, JobRun
from apps.pods.keys import counting, digest
from apps.pods.models import Pod
from tests.dashboard.pages.conftest import APP, HOSTILE, make_pod, seal, spec

JOB = {"name": "nightly", "schedule": "0 3 * * *", "command": f"echo {HOSTILE}", "timeZone": "Europe/Vienna"}


def with_jobs(pod: Pod) -> str:
    """A pod whose app `tools` has a job and asks for a key; the address of its page."""
    revision = seal(pod, 1, {"tools": ("App", spec("App", **APP | {"type": "mcp", "mcpKey": True, "jobs": [JOB]}))})
    follow(pod.pk, revision)
    return f"/pods/{pod.name}/resources/tools/"


def test_the_card_says_when_and_how_it_went(team: object, alices: Client, veras: Client) -> None:
    pod = make_pod(team)  # type: ignore[arg-type]
    page = with_jobs(pod)
    text = alices.get(page).content.decode()
    assert "at 03:00 every day, Europe/Vienna" in text
    assert "none yet" in text
    assert HOSTILE not in text
    run = JobRun.objects.create(
        pod=pod, app="tools", job="nightly", state="failed", reason="It ended with exit code 3.",
        scheduled_for=timezone.now(), started_at=timezone.now(), finished_at=timezone.now(), exit_code=3,
    )  # fmt: skip
    text = veras.get(page).content.decode()
    assert "It ended with exit code 3." in text
    assert f"/pods/{pod.name}/job-runs/{run.pk}/" in text
    assert "Run now" not in text
    shown = veras.get(f"/pods/{pod.name}/job-runs/{run.pk}/").content.decode()
    assert "exit code 3" in shown
    assert run.stream in shown
    assert "cancellation" not in shown


def test_the_card_of_a_stopped_app_says_that_its_jobs_are_left_out(team: object, alices: Client) -> None:
    pod = make_pod(team)  # type: ignore[arg-type]
    page = with_jobs(pod)
    assert "not while stopped" not in alices.get(page).content.decode()
    AppControl.objects.create(pod=pod, app="tools", stopped_at=timezone.now())
    text = alices.get(page).content.decode()
    assert "its jobs are left out until it is started" in text
    assert "not while stopped" in text
    assert "Run now" in text


def test_a_run_is_started_and_cancelled_by_its_buttons(team: object, alices: Client, alice: User) -> None:
    pod = make_pod(team)  # type: ignore[arg-type]
    page = with_jobs(pod)
    answer = alices.post(f"{page}jobs/nightly/runs/")
    run = JobRun.objects.get(pod=pod)
    assert answer["Location"] == f"/pods/{pod.name}/job-runs/{run.pk}/"
    assert (run.state, run.actor) == ("waiting", alice)
    again = alices.post(f"{page}jobs/nightly/runs/")
    assert again.status_code == 409
    assert "running already" in again.content.decode()
    alices.post(f"/pods/{pod.name}/job-runs/{run.pk}/cancellation/")
    run.refresh_from_db()
    assert (run.state, run.cancelled_by) == ("cancelled", alice)


def test_a_run_of_another_pod_is_not_found(team: object, alices: Client) -> None:
    pod, other = make_pod(team), make_pod(team)  # type: ignore[arg-type]
    run = JobRun.objects.create(pod=other, app="web", job="nightly")
    assert alices.get(f"/pods/{pod.name}/job-runs/{run.pk}/").status_code == 404
    assert alices.post(f"/pods/{pod.name}/job-runs/{run.pk}/cancellation/").status_code == 404


def test_a_key_is_shown_once_and_only_its_digest_is_kept(team: object, alices: Client) -> None:
    pod = make_pod(team)  # type: ignore[arg-type]
    page = with_jobs(pod)
    assert "every request is answered 401" in alices.get(page).content.decode()
    made = alices.post(f"{page}keys/")
    (key,) = set(re.findall(r"bpk_[0-9a-z]{8}_[\w-]{43}", made.content.decode()))
    assert "no-store" in made["Cache-Control"]
    (row,) = counting().filter(pod=pod)
    assert row.digest == digest(pod.pk, "tools", key)
    assert key not in alices.get(page).content.decode()
    alices.post(f"{page}keys/")
    assert [each.ends_at is None for each in counting().filter(pod=pod)] == [True, False]
    alices.delete(f"{page}keys/{row.name}/")
    assert [each.name != row.name for each in counting().filter(pod=pod)] == [True]


def test_jobs_are_edited_in_rows(team: object, alices: Client) -> None:
    pod = make_pod(team)  # type: ignore[arg-type]
    page = with_jobs(pod)
    form = {
        "name": "tools", "type": "worker", "source.repo": APP["source"]["repo"], "instance": "1x", "replicas": "1",
        "jobs.0.name": "nightly", "jobs.0.schedule": "0 4 * * *", "jobs.0.command": "true", "jobs.0.enabled": "on",
        "jobs.1.name": "", "jobs.1.schedule": "", "jobs.1.command": "", "jobs.1.enabled": "on",
        "jobs.2.name": "often", "jobs.2.schedule": "@hourly", "jobs.2.command": "true", "jobs.2.timeout": "60",
        "jobs.2.overlap": "replace",
    }  # fmt: skip
    answer = alices.post(page, form)
    assert answer.status_code == 302, answer.content.decode()
    assert pod.draft is not None
    first, second = pod.draft.snapshot()["tools"].spec["jobs"]
    assert (first["schedule"], first["enabled"], first["timeout"]) == ("0 4 * * *", True, 3600)
    assert (second["timeout"], second["overlap"], second["enabled"]) == (60, "replace", False)
    wrong = alices.post(page, form | {"jobs.0.schedule": "at four", "jobs.2.timeout": "long"})
    assert wrong.status_code == 422
    text = wrong.content.decode()
    assert "jobs.0.schedule-errors" in text
    assert "jobs.1.timeout-errors" in text


def test_ids_of_others_say_nothing(team: object, alices: Client) -> None:
    pod = make_pod(team)  # type: ignore[arg-type]
    assert alices.get(f"/pods/{pod.name}/job-runs/{new_id()}/").status_code == 404
