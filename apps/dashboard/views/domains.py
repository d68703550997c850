"""The domains of a route: added to the draft, taken out of it, looked up again."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.roles import Role
from apps.core.errors import Invalid, NotFound
from apps.dashboard.access import Request, pod_page
from apps.dashboard.domain_card import domain_card
from apps.dashboard.forms import sentence
from apps.dashboard.pod_map import shown_snapshot
from apps.dashboard.render import render
from apps.deployments import domains
from apps.dns.names import shown
from apps.pods import actions
from apps.pods.models import Pod, Resource


@pod_page(needs=Role.DEVELOPER)
@require_POST
def route_domains(request: Request, pod: Pod, name: str) -> HttpResponse:
    """Adds one; a name that will not do is answered with the card and why."""
    route = _route(pod, name)
    typed = request.POST.get("domain", "").strip()
    try:
        _save(request, pod, route, [*route.spec.get("domains", ()), typed])
    except Invalid as error:
        card = domain_card(
            pod, route, shown_snapshot(pod), typed=typed, errors=[sentence(d.message) for d in error.details]
        )
        context: dict[str, Any] = {"pod": pod, "resource": route, "domains": card, "may_change": True}
        return render(request, "resources/_domains.html", context, status=422)
    messages.success(request, f"{typed} is in the draft. It answers once it is proven and deployed.")
    return redirect("resource", pod=pod.name, name=name)


@pod_page(needs=Role.DEVELOPER)
@require_http_methods(["DELETE"])
def route_domain(request: Request, pod: Pod, name: str, host: str) -> HttpResponse:
    """Takes one out of the draft."""
    route = _route(pod, name)
    kept = [domain for domain in route.spec.get("domains", ()) if domain != host]
    if len(kept) == len(route.spec.get("domains", ())):
        raise NotFound("such domain in the draft of this route")
    _save(request, pod, route, kept)
    messages.success(request, f"{shown(host)} is out of the draft.")
    return redirect("resource", pod=pod.name, name=name)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def domain_checks(request: Request, pod: Pod, name: str, host: str) -> HttpResponse:
    """Asks for a look at the DNS, which a worker takes; the page hears of it."""
    route = _route(pod, name)
    domains.ask(pod=pod, host=host, by=request.user)
    context = {
        "pod": pod,
        "resource": route,
        "domains": domain_card(pod, route, shown_snapshot(pod)),
        "may_change": True,
    }
    return render(request, "resources/_domains.html", context)


def _route(pod: Pod, name: str) -> Resource:
    """The route as editors see it; one that is live and goes with the draft, too. Raises NotFound."""
    found = shown_snapshot(pod).get(name) or (pod.live.snapshot().get(name) if pod.live else None)
    if found is None or found.kind != "Route":
        raise NotFound("such route in this pod")
    return found


def _save(request: Request, pod: Pod, route: Resource, hosts: list[str]) -> None:
    actions.save_resource(
        pod=pod, kind="Route", name=route.name, spec=route.spec | {"domains": hosts}, by=request.user, create=False,
        seen=route.token,
    )  # fmt: skip
