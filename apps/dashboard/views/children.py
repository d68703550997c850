"""Staging pods: branched off a pod's live revision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from apps.accounts import gate
from apps.accounts.roles import Role
from apps.core.errors import Detail, Invalid
from apps.dashboard.access import Request, pod_page
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.children import StagingForm
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render, wants_fragment
from apps.pods.children import DatabasePolicy, branch_off, outline
from apps.pods.models import Lineage, Pod

_TAKEN = {"name_taken": "name", "host_taken": "name"}


@pod_page(needs=Role.DEVELOPER)
@require_http_methods(["GET", "HEAD", "POST"])
def staging(request: Request, pod: Pod) -> HttpResponse:
    """The form, and in a fragment what the child would not have; posting makes the child with its draft."""
    gate.access(request.user, pod.team, Role.DEVELOPER)  # as for every pod that is made
    if request.method != "POST":
        initial = {"name": f"{pod.name[:32]}-staging", "with_secrets": True, "databases": DatabasePolicy.EMPTY}
        return _page(request, pod, StagingForm(request.GET if wants_fragment(request) else None, initial=initial))
    form = StagingForm(request.POST)
    if form.is_valid():
        with errors_into(form, codes=_TAKEN), _named(form):
            child = branch_off(pod, lineage=Lineage.STAGING, by=request.user, **form.cleaned_data)
            messages.success(request, f"{child.name} is a draft: look at it, and deploy.")
            return redirect("draft", pod=child.name)
    return _page(request, pod, form, status=422)


@contextmanager
def _named(form: StagingForm) -> Iterator[None]:
    """What is wrong with a resource says with which."""
    try:
        yield
    except Invalid as error:
        told = [it if it.path in form.fields else Detail("", f"{it.path}: {it.message}") for it in error.details]
        raise Invalid(told, code=error.code) from None


def _page(request: Request, pod: Pod, form: StagingForm, *, status: int = 200) -> HttpResponse:
    chosen = form.data if form.is_bound else form.initial
    known = chosen.get("databases") in DatabasePolicy.values
    left = outline(
        pod, variables={}, with_secrets=bool(chosen.get("with_secrets")),
        databases=DatabasePolicy(chosen["databases"]) if known else DatabasePolicy.EMPTY,
    ).left_out  # fmt: skip
    context = frame(pod, request.access) | {"form": form, "left_out": left}
    return render(request, "pods/staging.html", context, fragment="pods/_left_out.html", status=status)
