"""Deployments: posting one deploys the draft, a revision, or the newest commit of an app."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts import gate
from apps.accounts.roles import Role
from apps.core.errors import Conflict, NotFound, UserError
from apps.dashboard.access import Request, pod_page
from apps.dashboard.deployment_pages import deployment_context, page_of_deployments
from apps.dashboard.diagnosis import apply_remedy
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.pods import DeployForm, RollbackForm
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render, wants_fragment
from apps.dashboard.timeline import failed_step
from apps.dashboard.views.draft import review_page
from apps.dashboard.views.revisions import revision_of, revision_page
from apps.deployments import actions, lookups
from apps.deployments.models import Deployment
from apps.pods.models import Pod


def deployment_of(pod: Pod, id: str) -> Deployment:
    found = pod.deployments.select_related("revision", "actor", "pod").filter(pk=id).first()
    if found is None:
        raise NotFound("such deployment of this pod")
    return found


@pod_page()
@require_http_methods(["GET", "HEAD", "POST"])
def deployments(request: Request, pod: Pod) -> HttpResponse:
    """Reading is for everybody in the team, posting for those who may change."""
    if request.method == "POST":
        gate.require(request.access.role, Role.DEVELOPER)
        return _deploy(request, pod)
    context = frame(pod, request.access) | page_of_deployments(pod, request.GET)
    return render(request, "deployments/deployments.html", context, fragment="deployments/_deployments.html")


def _deploy(request: Request, pod: Pod) -> HttpResponse:
    if "draft" in request.POST:
        return _deploy_draft(request, pod)
    if "revision" in request.POST:
        return _deploy_revision(request, pod)
    if "latest" in request.POST:
        lookup = lookups.deploy_latest(pod=pod, app=request.POST["latest"], by=request.user)
        return redirect("lookup", pod=pod.name, lookup=lookup.pk)
    raise UserError("nothing_chosen", "Say what to deploy: draft, revision or latest.", "Go back and choose one.")


def _deploy_revision(request: Request, pod: Pod) -> HttpResponse:
    """Without a token nobody has read a plan (a redeploy); it still destroys nothing without `confirmed`."""
    revision = revision_of(pod, request.POST["revision"])
    form = RollbackForm(request.POST)
    status = 422
    if form.is_valid():
        try:
            with errors_into(form):
                made = actions.deploy_revision(pod=pod, revision=revision, by=request.user, **form.cleaned_data)
                return redirect("deployment", pod=pod.name, deployment=made.pk)
        except Conflict as error:
            form.add_error(None, str(error))
            status = error.status
    return revision_page(request, pod, revision, form, status=status)


def _deploy_draft(request: Request, pod: Pod) -> HttpResponse:
    form = DeployForm(request.POST)
    if not form.is_valid():
        return review_page(request, pod, form, status=422)
    try:
        with errors_into(form):
            made = actions.deploy_draft(pod=pod, by=request.user, **form.cleaned_data)
            return redirect("deployment", pod=pod.name, deployment=made.pk)
    except Conflict as error:
        messages.warning(request, str(error))
        return review_page(request, pod, form, status=error.status)
    return review_page(request, pod, form, status=422)


@pod_page()
@require_safe
def deployment(request: Request, pod: Pod, deployment: str) -> HttpResponse:
    found = deployment_of(pod, deployment)
    context = frame(pod, request.access) | deployment_context(pod, found, page=not wants_fragment(request))
    return render(request, "deployments/deployment.html", context, fragment="deployments/_deployment.html")


@pod_page()
@require_safe
def lookup(request: Request, pod: Pod, lookup: str) -> HttpResponse:
    """Whoever waits for the newest commit of an app is led on to its deployment."""
    found = pod.lookups.select_related("actor").filter(pk=lookup).first()
    if found is None:
        raise NotFound("such lookup of a commit in this pod")
    if found.deployment_id:
        return redirect("deployment", pod=pod.name, deployment=found.deployment_id)
    context = frame(pod, request.access) | {"lookup": found}
    return render(request, "deployments/lookup.html", context, fragment="deployments/_lookup.html")


@pod_page(needs=Role.DEVELOPER)
@require_POST
def cancellation(request: Request, pod: Pod, deployment: str) -> HttpResponse:
    actions.cancel(deployment=deployment_of(pod, deployment), by=request.user)
    return redirect("deployment", pod=pod.name, deployment=deployment)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def remedy(request: Request, pod: Pod, deployment: str) -> HttpResponse:
    """Puts a remedy for what failed (`fix`: its number) into the draft, and shows the draft."""
    found = deployment_of(pod, deployment)
    changed = apply_remedy(found, failed_step(found.stages.all()), request.POST.get("fix", ""), by=request.user)
    messages.success(request, "The remedy is in the draft." if changed else "The draft has this remedy already.")
    return redirect("draft", pod=pod.name)
