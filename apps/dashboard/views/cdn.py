"""Which zone of Cloudflare's a pod is behind: set, taken away, purged by hand."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.roles import Role
from apps.cdn import actions
from apps.dashboard.access import Request, pod_page
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.cdn import CloudflareForm
from apps.dashboard.views.pods import settings_page
from apps.deployments import wake
from apps.pods.models import Pod


@pod_page(needs=Role.ADMIN)
@require_http_methods(["POST", "DELETE"])
def cloudflare(request: Request, pod: Pod) -> HttpResponse:
    """POST sets zone and token, DELETE forgets both."""
    if request.method == "DELETE":
        actions.disconnect(pod=pod, by=request.user)
        messages.success(request, "Cloudflare is told of nothing any more, and its token is forgotten.")
        return redirect("pod-settings", pod=pod.name)
    form = CloudflareForm(request.POST)
    if form.is_valid():
        with errors_into(form):
            actions.connect(pod=pod, by=request.user, **form.cleaned_data)
            messages.success(request, "From now on Cloudflare is purged whenever something goes live.")
            return redirect("pod-settings", pod=pod.name)
    return settings_page(request, pod, cloudflare_form=form, status=422)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def purge(request: Request, pod: Pod) -> HttpResponse:
    actions.ask_to_purge(pod=pod, by=request.user)
    wake.wake(wake.PURGE, pod.pk)
    messages.success(request, "Cloudflare is being asked to forget what it keeps of this pod.")
    return redirect("pod-settings", pod=pod.name)
