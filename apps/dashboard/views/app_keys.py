"""The keys that clients of an MCP server need: made, shown once, ended."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.roles import Role
from apps.dashboard.access import Request, pod_page
from apps.dashboard.render import render
from apps.dashboard.resource_pages import resource_of
from apps.deployments import keys
from apps.pods.models import Pod


@pod_page(needs=Role.DEVELOPER)
@require_POST
def app_keys(request: Request, pod: Pod, name: str) -> HttpResponse:
    """Makes a key and shows it beside what is refreshed by itself: a POST, so that no cache or history keeps it."""
    found, _ = resource_of(pod, name)
    key = keys.make_key(pod=pod, app=found.name, by=request.user)
    return render(request, "resources/_new_key.html", {"resource": found, "key": key})


@pod_page(needs=Role.DEVELOPER)
@require_http_methods(["DELETE"])
def app_key(request: Request, pod: Pod, name: str, key: str) -> HttpResponse:
    found, _ = resource_of(pod, name)
    keys.end_key(pod=pod, app=found.name, name=key, by=request.user)
    messages.success(request, "That key counts no longer.")
    return redirect("resource", pod=pod.name, name=found.name)
