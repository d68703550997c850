"""The webhook of a pod: made, its secret shown and replaced, from the panel in the pod's settings."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.roles import Role
from apps.dashboard.access import Request, pod_page
from apps.dashboard.render import render
from apps.hooks import actions
from apps.pods.models import Pod


@pod_page(needs=Role.DEVELOPER)
@require_POST
def webhook(request: Request, pod: Pod) -> HttpResponse:
    actions.make_webhook(pod=pod, by=request.user)
    messages.success(request, "The webhook is ready: paste its address and secret into your git host.")
    return redirect("pod-settings", pod=pod.name)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def webhook_secret(request: Request, pod: Pod) -> HttpResponse:
    """The secret in place of its mask. A POST: no cache or history keeps it, and each showing is logged."""
    return render(request, "pods/_webhook_secret.html", {"secret": actions.read_key(pod=pod, by=request.user)})


@pod_page(needs=Role.DEVELOPER)
@require_http_methods(["POST", "DELETE"])
def webhook_rotation(request: Request, pod: Pod) -> HttpResponse:
    """POST makes a new secret beside the old one, DELETE ends the old one."""
    if request.method == "DELETE":
        actions.end_old_key(pod=pod, by=request.user)
        messages.success(request, "Only the new secret counts now.")
    else:
        actions.rotate_key(pod=pod, by=request.user)
        messages.success(request, "There is a new secret; the old one counts for 24 hours more.")
    return redirect("pod-settings", pod=pod.name)
