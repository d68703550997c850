"""Who one is, and pods: listed, made, looked at, deleted."""

from __future__ import annotations

from typing import Annotated, Any

from django.db import transaction
from django.http import HttpResponse
from django.utils.text import slugify
from ninja import Query, Router

from apps.accounts import gate, policies
from apps.accounts.roles import Role
from apps.api import places, schemas
from apps.api.door import Request, operation
from apps.api.revisions_shown import Facts
from apps.core.errors import Detail, Invalid
from apps.core.ids import new_id, short
from apps.deployments import actions as deployments
from apps.pods import actions
from apps.pods.models import Pod

router = Router()
LONGEST = 40


@operation(router, "GET", "/me", answers={200: schemas.User}, tags=("me",))
def get_current_user(request: Request) -> Any:
    """The owner of the token, its policy, and what both come to. What is denied counts more than what is allowed."""
    caller = request.auth
    return {
        "email": caller.user.email,
        "policy": caller.token.policy,
        "permissions": policies.permissions(caller.token.policy),
        "_links": {name: places.link(f"/{path}") for name, path in
                   (("self", "me"), ("pods", "pods"), ("blueprints", "blueprints"), ("clusters", "clusters"))},
    }  # fmt: skip


@operation(router, "GET", "/pods", "pods:read", answers={200: list[schemas.Pod]}, tags=("pods",))
def list_pods(
    request: Request,
    response: HttpResponse,
    limit: Annotated[int | None, Query(ge=1, le=200, description="How many at most; without it, all.")] = None,
    cursor: Annotated[str, Query(max_length=63, description="The x-next-cursor of the page before.")] = "",
) -> Any:
    """The pods of the token's team that its policy lets be read, by name, with their heads and what is live."""
    caller = request.auth
    rows = caller.team.pods.select_related("head__pod", "live__pod").filter(name__gt=cursor).order_by("name")
    found = [pod for pod in rows if caller.may("pods:read", pod.name)]
    if limit is not None and len(found) > limit:
        found = found[:limit]
        response["x-next-cursor"] = found[-1].name
        further = places.query(places.link("/pods"), limit=limit, cursor=found[-1].name)
        response["Link"] = f'<{further["href"]}>; rel="next"'
    facts = Facts.of(found)
    return [facts.pod(pod, owner=caller.role == Role.OWNER) for pod in found]


@operation(
    router, "POST", "/pods", "pods:create", answers={201: schemas.Pod}, role=Role.DEVELOPER, every_pod=True,
    tags=("pods",),
)  # fmt: skip
def create_pod(request: Request, payload: schemas.PodCreateInput | None = None) -> Any:
    """Make an empty pod with an open draft."""
    caller = request.auth
    given = payload or schemas.PodCreateInput()
    try:
        with transaction.atomic():
            pod = actions.create_pod(team=caller.team, name=_name(given), by=caller.user)
            actions.draft(pod=pod, by=caller.user)
    except Invalid as error:
        said = "name" if given.name is not None else "displayName"
        raise Invalid(
            [Detail(said if one.path == "name" else one.path, one.message) for one in error.details]
        ) from None
    return 201, _shown(request, pod)


def _name(given: schemas.PodCreateInput) -> str:
    """What is said, or made of the display name: names of pods are part of host names."""
    if given.name is not None:
        return given.name
    base = slugify(given.displayName or "")[:LONGEST].strip("-_").replace("_", "-")
    if not base or not base[0].isalpha():
        base = f"pod-{base}"[: LONGEST - 9].strip("-") if base else f"pod-{short(new_id())}"
    if Pod.objects.filter(name=base).exists():
        return f"{base[: LONGEST - 9].rstrip('-')}-{short(new_id())}"
    return base


@operation(router, "GET", "/pods/{pod}", "pods:read", answers={200: schemas.Pod}, tags=("pods",))
def get_pod(request: Request, pod: str) -> Any:
    """A pod, its head and what is live."""
    return _shown(request, request.auth.pod(pod))


@operation(
    router, "DELETE", "/pods/{pod}", "pods:delete", answers={202: schemas.Deletion}, role=Role.ADMIN, tags=("pods",)
)
def delete_pod(
    request: Request,
    pod: str,
    confirmation: Annotated[str, Query(max_length=63, description="The pod's name, once more.")] = "",
    children: Annotated[bool, Query(description="Its staging pods too; refused without.")] = False,
) -> Any:
    """Delete a pod and everything it has: instances, disks, databases, secrets and logs, and its previews. With
    `children` it takes `pods:delete` on each of those, and the role admin in it. Not in the public API."""
    caller = request.auth
    found = caller.pod(pod)
    for child in found.children.filter(deleting_at=None) if children else ():
        caller.require("pods:delete", child.name)
        gate.pod_access(caller.user, child, Role.ADMIN)
    deployments.delete_pod(pod=found, confirmation=confirmation, by=caller.user, children=children)
    return 202, {"name": found.name}


def _shown(request: Request, pod: Pod) -> dict[str, Any]:
    return Facts.of([pod]).pod(pod, owner=request.auth.role == Role.OWNER)
