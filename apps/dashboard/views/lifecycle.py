"""Stop, start and restart, of one app or of all apps of a pod: no deployment, nothing is built."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from apps.accounts.roles import Role
from apps.core.errors import Detail, Invalid
from apps.dashboard.access import Request, pod_page
from apps.deployments import lifecycle
from apps.pods.models import Pod

DONE = {"stop": "is being stopped", "start": "is being started", "restart": "is being restarted"}


def _action(request: Request) -> str:
    action = request.POST.get("action", "")
    if action not in lifecycle.ACTIONS:
        raise Invalid([Detail("action", f"must be one of {', '.join(lifecycle.ACTIONS)}.")])
    return action


@pod_page(needs=Role.DEVELOPER)
@require_POST
def app_lifecycle(request: Request, pod: Pod, name: str) -> HttpResponse:
    action = _action(request)
    lifecycle.ACTIONS[action](pod=pod, app=name, by=request.user)
    messages.success(request, f"{name} {DONE[action]}.")
    return redirect("resource", pod=pod.name, name=name)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def pod_lifecycle(request: Request, pod: Pod) -> HttpResponse:
    action = _action(request)
    apps = lifecycle.for_pod(action, pod=pod, by=request.user)
    words = DONE[action] if len(apps) == 1 else DONE[action].replace("is", "are", 1)
    messages.success(request, f"{', '.join(apps)} {words}.")
    return redirect("pod", pod=pod.name)
