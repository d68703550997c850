"""The review of a draft: what it changes, what deploying it will do, and Deploy."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.roles import Role
from apps.builds.stored import stored_apps
from apps.dashboard.access import Request, pod_page
from apps.dashboard.build_plans import build_plans
from apps.dashboard.changes import review
from apps.dashboard.forms.pods import DeployForm
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render
from apps.pods import actions
from apps.pods.models import Pod


def review_page(request: Request, pod: Pod, form: DeployForm | None = None, *, status: int = 200) -> HttpResponse:
    """The review with a fresh plan; `form` keeps the message that was typed."""
    draft = pod.draft
    stored = stored_apps(draft) if draft else frozenset()
    found = review(pod, draft, stored) if draft else None
    form = form or DeployForm(initial={"summary": draft.summary if draft else ""})
    context: dict[str, Any] = frame(pod, request.access) | {"review": found, "form": form}
    if draft:
        context["promotions"] = draft.promotions.select_related("build__revision__pod")
        context["stored"] = stored
        context["build_plans"] = build_plans(pod, draft.snapshot(), stored)
    return render(request, "draft/draft.html", context, fragment="draft/_draft.html", status=status)


@pod_page()
@require_safe
def draft(request: Request, pod: Pod) -> HttpResponse:
    return review_page(request, pod)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def draft_discard(request: Request, pod: Pod) -> HttpResponse:
    actions.discard_draft(pod=pod, by=request.user)
    messages.success(request, "The draft was discarded.")
    return redirect("pod", pod=pod.name)
