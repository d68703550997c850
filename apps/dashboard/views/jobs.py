"""Jobs of apps: posting a run runs one now; each run has a page with its log."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.roles import Role
from apps.core.errors import NotFound
from apps.dashboard.access import Request, pod_page
from apps.dashboard.job_pages import run_context
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render, wants_fragment
from apps.deployments.jobs import actions
from apps.deployments.models import JobRun
from apps.logs.history import respond
from apps.pods.models import Pod


def run_of(pod: Pod, id: str) -> JobRun:
    found = pod.job_runs.select_related("actor", "revision", "cancelled_by", "pod").filter(pk=id).first()
    if found is None:
        raise NotFound("such run of a job in this pod")
    return found


@pod_page(needs=Role.DEVELOPER)
@require_POST
def job_runs(request: Request, pod: Pod, name: str, job: str) -> HttpResponse:
    """Runs the job now."""
    run = actions.run_now(pod=pod, app=name, job=job, by=request.user)
    return redirect("job-run", pod=pod.name, run=run.pk)


@pod_page()
@require_safe
def job_run(request: Request, pod: Pod, run: str) -> HttpResponse:
    found = run_of(pod, run)
    context = frame(pod, request.access) | run_context(pod, found, page=not wants_fragment(request))
    return render(request, "jobs/run.html", context, fragment="jobs/_run.html")


@pod_page(needs=Role.DEVELOPER)
@require_POST
def job_run_cancellation(request: Request, pod: Pod, run: str) -> HttpResponse:
    actions.cancel_run(run=run_of(pod, run), by=request.user)
    messages.success(request, "The run is being ended.")
    return redirect("job-run", pod=pod.name, run=run)


@pod_page()
@require_safe
def job_run_log(request: Request, pod: Pod, run: str) -> HttpResponseBase:
    return respond(request, run_of(pod, run).stream)
