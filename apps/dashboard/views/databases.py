"""The passwords of a pod's databases: shown once asked for, and replaced."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from apps.accounts.roles import Role
from apps.dashboard.access import Request, pod_page
from apps.dashboard.database_card import ways
from apps.dashboard.render import render
from apps.dashboard.resource_pages import resource_of
from apps.deployments import passwords
from apps.pods.models import Pod

SECRET = (".uri}", ".password}")  # the references that stand for something with the password in it


@pod_page(needs=Role.DEVELOPER)
@require_POST
def database_password(request: Request, pod: Pod, name: str) -> HttpResponse:
    """Shows it: a POST, so that no cache or history keeps it."""
    access = passwords.reveal(pod=pod, name=name, by=request.user)
    found, _ = resource_of(pod, name)
    secret = [(reference, value) for reference, value in ways(name, access) if reference.endswith(SECRET)]
    context = {"pod": pod, "resource": found, "ways": secret}
    return render(request, "resources/_database_password.html", context)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def database_rotation(request: Request, pod: Pod, name: str) -> HttpResponse:
    made = passwords.rotate(pod=pod, name=name, by=request.user)
    messages.success(request, f"{name} is getting new passwords.")
    return redirect("deployment", pod=pod.name, deployment=made.pk)
