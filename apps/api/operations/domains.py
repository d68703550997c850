"""The domains of a route: how they stand, added to the draft and taken out of it, looked up again."""

from __future__ import annotations

from typing import Any

from ninja import Router

from apps.accounts.roles import Role
from apps.api import places, running_schemas
from apps.api.door import Request, operation
from apps.api.revisions_shown import head_of, route_of, snapshot_of
from apps.core.errors import Detail, Invalid, NotFound
from apps.dashboard.domain_card import Domain, domain_card
from apps.deployments import domains
from apps.pods import actions
from apps.pods.models import Pod, Resource

router = Router(tags=["domains"])
ALL = "/pods/{pod}/routes/{route}/domains"
ONE = f"{ALL}/{{domain}}"


@operation(router, "GET", ALL, "domains:read", answers={200: running_schemas.DomainList})
def list_domains(request: Request, pod: str, route: str) -> Any:
    """The domains of a route, live or in the draft: how each stands, and the records to make. Not in the public API."""
    found = request.auth.pod(pod)
    return _listed(found, route_of(found, route))


@operation(router, "POST", ALL, "domains:write", role=Role.DEVELOPER, answers={201: running_schemas.Domain})
def add_domain(request: Request, pod: str, route: str, payload: running_schemas.DomainInput) -> Any:
    """Put a domain into the draft: it answers once it is proven and deployed. Not in the public API."""
    found = request.auth.pod(pod)
    resource = route_of(found, route)
    before = list(resource.spec.get("domains", ()))
    try:
        _save(request, found, resource, [*before, payload.domain.strip()])
    except Invalid as error:
        ours = [Detail("domain" if one.path.startswith("domains") else one.path, one.message) for one in error.details]
        raise Invalid(ours) from None
    new = next(host for host in route_of(found, route).spec["domains"] if host not in before)
    return 201, _one(found, route_of(found, route), new)


@operation(router, "DELETE", ONE, "domains:write", role=Role.DEVELOPER, answers={200: running_schemas.DomainList})
def remove_domain(request: Request, pod: str, route: str, domain: str) -> Any:
    """Take a domain out of the draft. Not in the public API."""
    found = request.auth.pod(pod)
    resource = route_of(found, route)
    kept = [host for host in resource.spec.get("domains", ()) if host != domain]
    if len(kept) == len(resource.spec.get("domains", ())):
        raise NotFound("such domain in the draft of this route")
    _save(request, found, resource, kept)
    return _listed(found, route_of(found, route))


@operation(router, "POST", f"{ONE}/check", "domains:write", role=Role.DEVELOPER, answers={202: running_schemas.Domain})
def check_domain(request: Request, pod: str, route: str, domain: str) -> Any:
    """Have the DNS of a domain looked up again, soon. Not in the public API."""
    found = request.auth.pod(pod)
    resource = route_of(found, route)
    _one(found, resource, domain)
    domains.ask(pod=found, host=domain, by=request.auth.user)
    return 202, _one(found, resource, domain)


def _save(request: Request, pod: Pod, route: Resource, hosts: list[str]) -> None:
    actions.save_resource(
        pod=pod, kind="Route", name=route.name, spec=route.spec | {"domains": hosts}, by=request.auth.user,
        create=False, seen=route.token,
    )  # fmt: skip


def _listed(pod: Pod, route: Resource) -> dict[str, Any]:
    here = places.pod(pod.name, "routes", route.name, "domains")
    return {"items": [_shown(pod, route, one) for one in _domains(pod, route)],
            "_links": {"self": here, "pod": places.pod(pod.name)}}  # fmt: skip


def _domains(pod: Pod, route: Resource) -> tuple[Domain, ...]:
    card = domain_card(pod, route, snapshot_of(head_of(pod)))
    return card.domains if card else ()


def _one(pod: Pod, route: Resource, host: str) -> dict[str, Any]:
    found = next((one for one in _domains(pod, route) if one.host == host), None)
    if found is None:
        raise NotFound("such domain of this route")
    return _shown(pod, route, found)


def _shown(pod: Pod, route: Resource, domain: Domain) -> dict[str, Any]:
    here = places.pod(pod.name, "routes", route.name, "domains", domain.host)
    return {
        "host": domain.host,
        "state": domain.state,
        "says": domain.says,
        "change": domain.change,
        "looking": domain.looking,
        "checkedAt": domain.checked_at,
        "records": [
            {"type": one.kind, "name": one.name, "value": one.value, "does": one.does,
             "found": None if one.found is None else list(one.found), "right": one.right}
            for one in domain.records
        ],
        "_links": {
            "self": here,
            "route": places.resource(pod.name, "Route", route.name),
            "check": {"href": f"{here['href']}/check"},
        },
    }  # fmt: skip
