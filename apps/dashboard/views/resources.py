"""The resources of a pod's draft: making, changing and taking one out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts import gate
from apps.accounts.roles import Role
from apps.builds.caching import opening
from apps.core.errors import Conflict, Detail, Invalid
from apps.dashboard import metrics_page, push_card, request_page
from apps.dashboard.access import Request, pod_page
from apps.dashboard.build_plans import build_plan
from apps.dashboard.deployment_pages import page_of_deployments
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render
from apps.dashboard.repository_pages import pickers
from apps.dashboard.resource_forms import ResourceForm
from apps.dashboard.resource_pages import (
    edit_context,
    edit_form,
    kind_of,
    new_form,
    resource_context,
    resource_of,
    tab_of,
)
from apps.deployments import inspections
from apps.deployments.kept_answers import forget
from apps.pods import actions, kinds
from apps.pods.kinds.app_form import PUSH
from apps.pods.kinds.database import NEW_DISK, USUAL_SIZE
from apps.pods.models import Pod, Resource


@pod_page(needs=Role.DEVELOPER)
@require_safe
def resource_kinds(request: Request, pod: Pod) -> HttpResponse:
    return render(request, "resources/kinds.html", frame(pod, request.access) | {"kinds": kinds.every()})


@pod_page(needs=Role.DEVELOPER)
@require_http_methods(["GET", "HEAD", "POST"])
def resource_new(request: Request, pod: Pod, kind: str) -> HttpResponse:
    form = new_form(pod, kind_of(kind))
    status = 200
    if request.method == "POST":
        form.name = request.POST.get("name", "").strip()
        status = _save(request, pod, form, create=True)
        if status == 200:
            if form.aside(PUSH):
                return redirect("resource", pod=pod.name, name=form.name)
            return redirect("pod", pod=pod.name)
    elif form.kind.name == "App" and (repo := request.GET.get("repo", "")[:1000]):
        form.spec.setdefault("source", {})["repo"] = repo
    context = frame(pod, request.access) | {"form": form, "kind": form.kind}
    context["pickers"] = pickers(pod) if form.kind.name == "App" else []
    return render(request, "resources/new.html", context, status=status)


def _save(request: Request, pod: Pod, form: ResourceForm, *, create: bool) -> int:
    """Read the form and save it. 200 once it is saved; else the status to answer with, the errors are in the form."""
    form.read(request.POST)
    try:
        push_card.choose(form, pod)
    except Invalid as error:
        form.refuse(error.details)
        return 422
    arguments: dict[str, Any] = {"name": form.name, "spec": form.result, "secrets": form.secrets or None}
    seen = None if create else request.POST.get("seen") or None
    try:
        if form.kind.server and not (form.spec.get("disk") or form.spec.get("server")):
            arguments["size"] = form.aside(NEW_DISK) or USUAL_SIZE
            del arguments["secrets"]
            save: Callable[..., Resource] = actions.save_with_disk
        else:
            save = actions.save_resource
        save(pod=pod, kind=form.kind.name, by=request.user, create=create, seen=seen, **arguments)
    except Invalid as error:
        form.refuse(error.details)
        return 422
    except Conflict as error:
        form.refuse([Detail("name" if error.code == "name_taken" else "", str(error))])
        return error.status
    if form.kind.name == "App":
        inspections.inspect_soon(pod=pod, app=form.name, by=request.user)
    messages.success(request, f"{form.name} is in the draft.")
    return 200


@pod_page()
@require_http_methods(["GET", "HEAD", "POST"])
def resource(request: Request, pod: Pod, name: str) -> HttpResponse:
    """Reading is for everybody in the team, posting for those who may change."""
    if request.method == "POST":
        gate.require(request.access.role, Role.DEVELOPER)
        return _change(request, pod, name)
    found, around = resource_of(pod, name)
    tab = tab_of(found, request.GET.get("tab", ""))
    context = frame(pod, request.access) | resource_context(pod, found, around, request.GET.dict()) | {"part": tab}
    if tab == "configuration":
        form = edit_form(pod, found, around)
        form.refuse(context["wrong"])
        context |= edit_context(pod, found, form)
        context |= {"build_plan": build_plan(pod, found, around) if name in around else None}
    if tab == "deployments":
        context |= page_of_deployments(pod, request.GET, app=name)
    if tab == "metrics":
        context |= metrics_page.context(pod, found, request.GET.get("range", ""))
    if tab == "requests":
        context |= request_page.context(pod, found, request.GET.dict())
    return render(request, "resources/resource.html", context, fragment=f"resources/_{tab}.html")


def _change(request: Request, pod: Pod, name: str) -> HttpResponse:
    found, around = resource_of(pod, name)
    form = edit_form(pod, found, around)
    status = _save(request, pod, form, create=False)
    if status == 200:
        return redirect("resource", pod=pod.name, name=name)
    context = frame(pod, request.access) | resource_context(pod, found, around, {})
    context |= edit_context(pod, found, form)
    context |= {"build_plan": build_plan(pod, found, around) if name in around else None}
    return render(request, "resources/resource.html", context, status=status)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def resource_deletion(request: Request, pod: Pod, name: str) -> HttpResponse:
    found, _ = resource_of(pod, name)
    if found.kind == "Disk" and request.POST.get("confirmation", "").strip() != name:
        raise Invalid([Detail("confirmation", f"must be the disk's name, {name}: everything on it is destroyed.")])
    actions.delete_resource(pod=pod, name=name, by=request.user)
    messages.success(request, f"{name} goes with the next deployment. Until then it stays as it is.")
    return redirect("pod", pod=pod.name)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def kept_answers(request: Request, pod: Pod) -> HttpResponse:
    """Has the edge forget them."""
    forget(pod=pod, by=request.user)
    messages.success(request, "What the edge kept is forgotten: the next requests are answered by the apps.")
    return redirect("pod", pod=pod.name)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def build_cache(request: Request, pod: Pod, name: str) -> HttpResponse:
    """Clears it."""
    found, _ = resource_of(pod, name)
    opening.clear(pod=pod, app=found.name, by=request.user)
    messages.success(request, f"The build cache of {found.name} is cleared: its next build begins with nothing.")
    return redirect(f"{reverse('resource', args=[pod.name, found.name])}?tab=configuration")
