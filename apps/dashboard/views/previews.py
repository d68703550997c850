"""The previews of a pod: what there is of its pull requests, and what holds for them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.roles import Role
from apps.dashboard import preview_pages
from apps.dashboard.access import Request, pod_page
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.previews import PreviewsForm
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render
from apps.pods.models import Pod
from apps.previews import actions


@pod_page()
@require_safe
def previews(request: Request, pod: Pod) -> HttpResponse:
    return _page(request, pod, None)


def _page(request: Request, pod: Pod, form: PreviewsForm | None, status: int = 200) -> HttpResponse:
    shown = preview_pages.context(pod, request.user)
    context = frame(pod, request.access) | shown | {"form": form or PreviewsForm.of(shown["held"])}
    return render(request, "previews/previews.html", context, fragment="previews/_previews.html", status=status)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def preview_settings(request: Request, pod: Pod) -> HttpResponse:
    form = PreviewsForm(request.POST)
    if form.is_valid():
        with errors_into(form, codes={"preview_of_child": None}):
            actions.set_settings(pod=pod, by=request.user, **form.values)
            messages.success(request, f"This holds for the previews of {pod.name} from now on.")
            return redirect("previews", pod=pod.name)
    return _page(request, pod, form, status=422)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def preview_approval(request: Request, pod: Pod, preview: int) -> HttpResponse:
    """Of the commit that the page showed."""
    row = actions.approve(parent=pod, pk=preview, sha=request.POST.get("sha", ""), by=request.user)
    messages.success(request, f"{row.head_sha[:7]} is approved; the next commit is asked about again.")
    return redirect("previews", pod=pod.name)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def preview_closing(request: Request, pod: Pod, preview: int) -> HttpResponse:
    row = actions.close(parent=pod, pk=preview, by=request.user)
    messages.success(request, f"{row.name} is closed. The next commit of its pull request opens it again.")
    return redirect("previews", pod=pod.name)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def preview_deployments(request: Request, pod: Pod, preview: int) -> HttpResponse:
    row = actions.redeploy(parent=pod, pk=preview, by=request.user)
    messages.success(request, f"{row.name} is deployed again." if not row.why else f"{row.name} waits.")
    return redirect("previews", pod=pod.name)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def preview_waking(request: Request, pod: Pod, preview: int) -> HttpResponse:
    row = actions.wake(parent=pod, pk=preview, by=request.user)
    messages.success(request, f"{row.name} is being started.")
    return redirect("previews", pod=pod.name)
