"""Staging pods: branched off a pod's live revision, and promoted to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from apps.accounts import gate
from apps.accounts.roles import Role
from apps.backups.seeding import unfilled
from apps.core.errors import Detail, Invalid, NotFound
from apps.dashboard.access import Request, pod_page
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.children import PromotionForm, StagingForm
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render, wants_fragment
from apps.deployments.promotion import offers, promote
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
def _named(form: forms.Form) -> Iterator[None]:
    """What is wrong with a resource says with which."""
    try:
        yield
    except Invalid as error:
        told = [it if it.path in form.fields else Detail("", f"{it.path}: {it.message}") for it in error.details]
        raise Invalid(told) from None


def _page(request: Request, pod: Pod, form: StagingForm, *, status: int = 200) -> HttpResponse:
    chosen = form.data if form.is_bound else form.initial
    known = chosen.get("databases") in DatabasePolicy.values
    databases = DatabasePolicy(chosen["databases"]) if known else DatabasePolicy.EMPTY
    found = outline(pod, variables={}, with_secrets=bool(chosen.get("with_secrets")), databases=databases)
    left = [*found.left_out, *(unfilled(pod) if databases == DatabasePolicy.SEEDED else ())]
    context = frame(pod, request.access) | {"form": form, "left_out": left}
    return render(request, "pods/staging.html", context, fragment="pods/_left_out.html", status=status)


@pod_page(needs=Role.DEVELOPER)
@require_http_methods(["GET", "HEAD", "POST"])
def promotion(request: Request, pod: Pod) -> HttpResponse:
    """What of a staging pod can be promoted; posting puts the chosen apps into the parent's draft."""
    if pod.lineage != Lineage.STAGING:
        raise NotFound("staging pod of this name")
    found = offers(pod)
    gate.pod_access(request.user, found.parent, Role.DEVELOPER)
    form = PromotionForm(request.POST if request.method == "POST" else None, offers=found)
    if form.is_bound and form.is_valid():
        with errors_into(form, codes={"nothing_to_promote": None, "stale_plan": None}), _named(form):
            promote(child=pod, by=request.user, **form.cleaned_data)
            messages.success(request, f"It is in the draft of {found.parent.name}: look at it, and deploy.")
            return redirect("draft", pod=found.parent.name)
    context = frame(pod, request.access) | {"form": form, "offers": found}
    return render(request, "pods/promotion.html", context, status=422 if form.is_bound else 200)
