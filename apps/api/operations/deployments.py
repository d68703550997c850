"""Deployments: listed, looked at with their stages and builds, cancelled; and what was written on the way."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpResponse
from ninja import Query, Router

from apps.accounts.roles import Role
from apps.api import logs, places, running_schemas
from apps.api.door import Request, operation
from apps.api.operations.images import image_of
from apps.core.errors import NotFound
from apps.deployments import actions
from apps.deployments.models import STAGES, Deployment
from apps.pods.models import Pod

router = Router(tags=["deployments"])
ONE = "/pods/{pod}/deployments/{deployment}"
State = Literal["waiting", "pending", "degraded", "ready", "failed", "cancelled"]


@operation(router, "GET", "/pods/{pod}/deployments", "deployments:read", answers={200: running_schemas.DeploymentList})
def list_deployments(
    request: Request,
    response: HttpResponse,
    pod: str,
    state: Annotated[State | None, Query()] = None,
    cursor: Annotated[str, Query(max_length=16, description="The x-next-cursor of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> Any:
    """A pod's deployments, the newest first. Not in the public API."""
    found = request.auth.pod(pod)
    rows = found.deployments.select_related("revision", "actor").order_by("-id")
    rows = rows.filter(state=state) if state else rows
    page = list((rows.filter(id__lt=cursor) if cursor else rows)[: limit + 1])
    here, further = places.pod(found.name, "deployments"), None
    if len(page) > limit:
        page = page[:limit]
        response["x-next-cursor"] = page[-1].pk
        further = places.query(here, state=state, limit=limit, cursor=page[-1].pk)
        response["Link"] = f'<{further["href"]}>; rel="next"'
    links = {"self": places.query(here, state=state, limit=limit, cursor=cursor or None), "next": further}
    return {"items": [_shown(row, found) for row in page], "_links": links}


@operation(router, "GET", ONE, "deployments:read", answers={200: running_schemas.DeploymentDetail})
def get_deployment(request: Request, pod: str, deployment: str) -> Any:
    """A deployment with its stages, app by app, and what was built for it. Not in the public API."""
    found = request.auth.pod(pod)
    return _detail(_deployment(found, deployment), found)


@operation(
    router, "POST", f"{ONE}/cancel", "revisions:deploy", role=Role.DEVELOPER,
    answers={202: running_schemas.DeploymentDetail},
)  # fmt: skip
def cancel_deployment(request: Request, pod: str, deployment: str) -> Any:
    """Have a deployment cancelled: what runs stays as it is. Refused once it is live or over. Not in the public API."""
    found = request.auth.pod(pod)
    row = _deployment(found, deployment)
    actions.cancel(deployment=row, by=request.auth.user)
    return 202, _detail(_deployment(found, deployment), found)


@operation(router, "GET", f"{ONE}/log", "logs:read", answers={200: running_schemas.Log}, text="text/plain")
def get_deployment_log(
    request: Request,
    response: HttpResponse,
    pod: str,
    deployment: str,
    format: logs.Format = "json",
    search: logs.Search = "",
    cursor: logs.Cursor = "",
    limit: logs.Limit = 1000,
) -> Any:
    """What was written while an app was built and started, the oldest line first. Not in the public API."""
    found = request.auth.pod(pod)
    row = _deployment(found, deployment)
    here = places.pod(found.name, "deployments", row.pk, "log")
    return logs.answer(response, row.stream, here, logs.Asked(format, search, cursor, limit))


def _deployment(pod: Pod, id: str) -> Deployment:
    rows = pod.deployments.select_related("revision", "actor", "pod")
    found = rows.filter(pk=id).first()
    if found is None:
        raise NotFound("such deployment of this pod")
    return found


def _shown(row: Deployment, pod: Pod) -> dict[str, Any]:
    return {
        "id": row.pk,
        "state": row.state,
        "trigger": row.trigger,
        "version": row.revision.version,
        "summary": row.revision.summary,
        "actor": row.actor.email if row.actor else None,
        "createdAt": row.created_at,
        "startedAt": row.started_at,
        "switchedAt": row.switched_at,
        "finishedAt": row.finished_at,
        "cancelling": row.is_open and row.cancel_at is not None,
        "error": row.error,
        "hint": row.hint,
        "_links": {
            "self": places.pod(pod.name, "deployments", row.pk),
            "pod": places.pod(pod.name),
            "revision": places.revision(pod.name, row.revision_id),
            "log": places.pod(pod.name, "deployments", row.pk, "log"),
        },
    }


def _detail(row: Deployment, pod: Pod) -> dict[str, Any]:
    stages = sorted(row.stages.all(), key=lambda one: (one.app, STAGES.index(one.stage)))
    return _shown(row, pod) | {
        "stages": [
            {"app": one.app, "stage": one.stage, "state": one.state, "startedAt": one.started_at,
             "finishedAt": one.finished_at, "note": one.note}
            for one in stages
        ],
        "builds": [
            {"app": one.app, "commit": one.commit, "message": one.message, "author": one.author,
             "image": image_of(pod, one) if one.artifact_id else None, "builtAt": one.built_at}
            for one in row.revision.builds.select_related("artifact", "revision").order_by("app")
        ],
    }  # fmt: skip
