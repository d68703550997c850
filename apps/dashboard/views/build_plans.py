"""What will be built of an app: looking at it, having it looked at again, and remedies for what was found."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts import gate
from apps.accounts.roles import Role
from apps.core.errors import NotFound
from apps.dashboard.access import Request, pod_page
from apps.dashboard.build_plans import apply_plan_remedy
from apps.dashboard.build_plans import build_plan as plan_of
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render, wants_fragment
from apps.dashboard.resource_pages import resource_of
from apps.deployments import inspections
from apps.pods.models import Pod


@pod_page()
@require_http_methods(["GET", "HEAD", "POST"])
def build_plan(request: Request, pod: Pod, name: str) -> HttpResponse:
    """The card; posting has the repository looked at (`again`: though an answer is there)."""
    resource, around = resource_of(pod, name)
    if request.method == "POST":
        gate.require(request.access.role, Role.DEVELOPER)
        inspections.inspect(pod=pod, app=name, by=request.user, again="again" in request.POST)
    shown = plan_of(pod, resource, around)
    if shown is None:
        raise NotFound("such app with a repository in this pod")
    if not wants_fragment(request):
        return redirect(reverse("resource", args=[pod.name, name]) + "?tab=configuration")
    context = frame(pod, request.access) | {"build_plan": shown, "named": "named" in request.GET}
    return render(request, "builds/_plan.html", context)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def build_plan_remedy(request: Request, pod: Pod, name: str) -> HttpResponse:
    """Puts a remedy (`fix`: its number) into the draft, and shows the draft."""
    resource, _ = resource_of(pod, name)
    changed = apply_plan_remedy(pod, resource, request.POST.get("fix", ""), by=request.user)
    if changed:
        inspections.inspect_soon(pod=pod, app=name, by=request.user)
    messages.success(request, "The remedy is in the draft." if changed else "The draft has this remedy already.")
    return redirect("draft", pod=pod.name)
