"""Infrastructure services, for operators: listed, added, looked at, changed, started and stopped, removed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.core.errors import NotFound
from apps.dashboard import metrics_page, service_pages
from apps.dashboard.access import Request, staff_page
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.services import NEW, RemovalForm, change_form
from apps.dashboard.render import render, wants_fragment
from apps.infrastructure import actions, declaration, lifecycle, listing, practices, sharing
from apps.infrastructure.models import Allotment, Service, ServiceEvent
from apps.logs import history

EVENTS = 20
DONE = {"start": "started", "stop": "stopped", "restart": "restarted", "update": "updated and restarted"}
REFUSED = {"name_taken": "name"} | dict.fromkeys(
    ("service_refused", "service_unreachable", "service_without_credentials", "server_missing")
)
_ADD: dict[str, Callable[..., Service]] = {"managed": actions.add_managed, "external": actions.add_external}


@staff_page
@require_safe
def services(request: Request) -> HttpResponse:
    context: dict[str, Any] = {"rows": service_pages.rows()}
    if not wants_fragment(request):
        context |= {"file": declaration.path(), "refused": service_pages.refused(), **service_pages.networks_shown()}
    return render(request, "services/list.html", context, fragment="services/_services.html")


@staff_page
@require_safe
def service_practices(request: Request) -> HttpResponse:
    return render(request, "services/practices.html", {"practices": practices.every()})


@staff_page
@require_http_methods(["GET", "HEAD", "POST"])
def service_new(request: Request, how: str) -> HttpResponse:
    if how not in NEW:
        raise NotFound("such kind of service")
    form = NEW[how](request.POST or None)
    if request.method == "POST" and form.is_valid():
        with errors_into(form, codes=REFUSED):
            made = _ADD[how](by=request.user, **_given(form))
            messages.success(request, f"{made.name} was added.")
            return redirect("service", name=made.name)
    return render(request, "services/new.html", {"form": form, "how": how}, status=422 if form.errors else 200)


@staff_page
@require_http_methods(["GET", "HEAD", "POST"])
def service(request: Request, name: str) -> HttpResponse:
    """POST changes it."""
    found = listing.named(name)
    form = change_form(found, request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if form is None or form.is_valid():
            with errors_into(form, codes=REFUSED) if form else nullcontext():
                actions.change(found, by=request.user, **(_given(form) if form else {}))
                messages.success(request, f"{name} was changed.")
                return redirect("service", name=name)
        found = listing.named(name)
    return _page(request, found, status=422 if form and form.errors else 200, form=form)


@staff_page
@require_POST
def service_lifecycle(request: Request, name: str) -> HttpResponse:
    """`action`: start, stop, restart or update."""
    verb = request.POST.get("action", "")
    if verb not in lifecycle.VERBS:
        raise NotFound("such action")
    found = listing.named(name)
    lifecycle.VERBS[verb](found, request.user)
    messages.success(request, f"{name} was {DONE[verb]}.")
    return redirect("service", name=name)


@staff_page
@require_POST
def service_deletion(request: Request, name: str) -> HttpResponse:
    """`confirm`: its name."""
    found = listing.named(name)
    form = RemovalForm(request.POST)
    if form.is_valid():
        with errors_into(form, codes=REFUSED):
            actions.remove(found, confirm=form.cleaned_data["confirm"], by=request.user)
            messages.success(request, f"{name} was removed.")
            return redirect("services")
    return _page(request, found, status=422, form=change_form(found), removal=form)


@staff_page
@require_POST
def service_database(request: Request, name: str, pk: int) -> HttpResponse:
    """Drops what a pod has no more, with its data. `confirm`: what it is called there."""
    row = Allotment.objects.select_related("service").filter(service__name=name, pk=pk).first()
    if row is None:
        raise NotFound("such database there")
    form = RemovalForm(request.POST)
    if form.is_valid():
        with errors_into(form, codes=REFUSED):
            sharing.drop(row, confirm=form.cleaned_data["confirm"], by=request.user)
            messages.success(request, f"{row.database} was dropped.")
            return redirect("service", name=name)
    found = listing.named(name)
    return _page(request, found, status=422, form=change_form(found), dropping=row.pk, drop_form=form)


@staff_page
@require_safe
def service_log(request: Request, name: str) -> HttpResponse | StreamingHttpResponse:
    found = listing.named(name)
    if not found.stream:
        raise NotFound("log of it yet")
    return history.respond(request, found.stream)


@staff_page
@require_safe
def service_metrics(request: Request, name: str) -> JsonResponse:
    """`?range=` as with an app's; shapes and units: apps/metrics/charts.py."""
    found = listing.named(name)
    if not _charted(found):
        raise NotFound("figures of it")
    return JsonResponse(metrics_page.of_service(found, request.GET.get("range", "1h")))


def _charted(service: Service) -> bool:
    return service.managed and service.is_server and not service.built_in


def _page(request: Request, found: Service, *, status: int = 200, **given: Any) -> HttpResponse:
    (row,) = service_pages.rows([found])
    context = {
        "service": found,
        "row": row,
        "events": ServiceEvent.objects.filter(service=found.name).select_related("actor")[:EVENTS],
        "removal": RemovalForm(),
        "drop_form": RemovalForm(),
        "allotments": found.allotments.all() if found.pk else [],
        "lines": lifecycle.logs(found, 200) if found.built_in else [],
        "log": history.initial(found.stream) if found.stream else None,
    }
    if _charted(found):
        context |= {"charts": True} | metrics_page.service_context(found, request.GET.get("range", ""))
    return render(request, "services/service.html", context | given, status=status)


def _given(form: forms.Form) -> dict[str, Any]:
    """Without numbers that were left out: the action has what is usual."""
    return {name: value for name, value in form.cleaned_data.items() if value is not None}
