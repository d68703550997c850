"""Pods branched off others: listed, made as staging, promoted; and the previews of a pod."""

from __future__ import annotations

from typing import Annotated, Any

from ninja import Path, Router

from apps.accounts import gate
from apps.accounts.roles import Role
from apps.api import children_schemas as shapes
from apps.api import places
from apps.api.door import Caller, Request, operation
from apps.api.ids import revision_id
from apps.api.revisions_shown import Facts
from apps.backups.seeding import unfilled
from apps.core.errors import Conflict
from apps.deployments import promotion
from apps.pods.children import DatabasePolicy, branch_off, outline
from apps.pods.models import Lineage, Pod
from apps.previews import actions as previews
from apps.previews.models import Preview, PreviewSettings, PreviewState
from apps.previews.places import settings_of as held

router = Router(tags=["children"])
CLOSED_SHOWN = 50  # previews that are closed, the newest
PROMOTIONS = "/pods/{pod}/promotions"
PREVIEWS = "/pods/{pod}/previews"
Number = Annotated[int, Path(ge=1, lt=2**31, description="The id of a preview, as the list has it.")]


@operation(router, "GET", "/pods/{pod}/children", "pods:read", answers={200: list[shapes.Child]})
def list_children(request: Request, pod: str) -> Any:
    """The staging pods and previews branched off a pod that the policy lets be read. Not in the public API."""
    caller = request.auth
    rows = caller.pod(pod).children.select_related("live").order_by("name")
    return [_child(row) for row in rows if caller.may("pods:read", row.name)]


@operation(
    router, "POST", "/pods/{pod}/children", "pods:create", "resources:read", role=Role.DEVELOPER,
    answers={201: shapes.Branched},
)  # fmt: skip
def create_staging_pod(request: Request, pod: str, payload: shapes.StagingInput) -> Any:
    """Branch a staging pod off what is live of a pod, as a draft; nothing of it runs until it is deployed. `leftOut`:
    what of the parent it does not have, and which databases begin empty though they are to be filled. Not in the public
    API."""
    caller = request.auth
    found = caller.pod(pod)
    gate.access(caller.user, caller.team, Role.DEVELOPER)  # as for every pod that is made
    chosen: dict[str, Any] = {"with_secrets": payload.withSecrets, "databases": DatabasePolicy(payload.databases)}
    left = [*outline(found, variables={}, **chosen).left_out]
    left += unfilled(found) if chosen["databases"] == DatabasePolicy.SEEDED else []
    child = branch_off(found, lineage=Lineage.STAGING, name=payload.name, by=caller.user, **chosen)
    shown = Facts.of([child]).pod(child, owner=caller.role == Role.OWNER)
    return 201, {"pod": shown, "leftOut": [{"path": one.path, "message": one.message} for one in left]}


@operation(
    router, "GET", PROMOTIONS, "revisions:read", role=Role.DEVELOPER, answers={200: shapes.Offers}
)  # fmt: skip
def get_promotion(request: Request, pod: str) -> Any:
    """What of a staging pod can be promoted to its parent. It takes `revisions:read` on the parent too. Not in the
    public API."""
    found = promotion.offers(_staging(request.auth, pod, "revisions:read"))
    return {
        "parent": found.parent.name,
        "version": found.revision.version,
        "apps": [
            {"app": one.app, "commit": one.build.commit if one.build else "", "possible": not one.why, "why": one.why,
             "there": one.there}
            for one in found.apps
        ],
        "deployedAlong": [{"kind": one.kind, "name": one.name, "change": one.change} for one in found.along],
        "_links": {"pod": places.pod(pod), "parent": places.pod(found.parent.name)},
    }  # fmt: skip


@operation(
    router, "POST", PROMOTIONS, "revisions:read", "resources:write", role=Role.DEVELOPER,
    answers={201: shapes.Promoted},
)  # fmt: skip
def promote_pod(request: Request, pod: str, payload: shapes.PromotionInput) -> Any:
    """Put what `version`, live in a staging pod, has built of `apps` into the draft of its parent, which is then
    deployed as always: nothing is built. It takes `resources:write` on the parent too. Not in the public API."""
    child = _staging(request.auth, pod, "revisions:read", "resources:write")
    row = promotion.promote(child=child, apps=payload.apps, version=payload.version, by=request.auth.user)
    links = {"pod": places.pod(row.pod.name), "revision": places.revision(row.pod.name, row.pk)}
    return 201, {"parent": row.pod.name, "revisionId": revision_id(row.pk), "_links": links}


@operation(router, "GET", PREVIEWS, "pods:read", answers={200: list[shapes.Preview]})
def list_previews(request: Request, pod: str) -> Any:
    """The pull requests of a pod that have previews or wait for one, the newest activity first, and those closed
    lately. Not in the public API."""
    rows = Preview.objects.filter(parent=request.auth.pod(pod)).select_related("pod")
    closed = rows.filter(state=PreviewState.CLOSED)[:CLOSED_SHOWN]
    return [_preview(row) for row in (*rows.exclude(state=PreviewState.CLOSED), *closed)]


@operation(
    router, "POST", f"{PREVIEWS}/{{preview}}/approve", "revisions:deploy", role=Role.DEVELOPER,
    answers={202: shapes.Preview},
)  # fmt: skip
def approve_preview(request: Request, pod: str, preview: Number, payload: shapes.ApprovalInput) -> Any:
    """Let one commit of a pull request from a fork be built and run: the one that was read. Not in the public API."""
    parent = request.auth.pod(pod)
    return 202, _preview(previews.approve(parent=parent, pk=preview, sha=payload.commit, by=request.auth.user))


@operation(
    router, "POST", f"{PREVIEWS}/{{preview}}/close", "revisions:deploy", role=Role.DEVELOPER,
    answers={202: shapes.Preview},
)  # fmt: skip
def close_preview(request: Request, pod: str, preview: Number) -> Any:
    """Remove a preview and everything of it; the next commit of its pull request opens it again. Not in the public
    API."""
    return 202, _preview(previews.close(parent=request.auth.pod(pod), pk=preview, by=request.auth.user))


@operation(
    router, "POST", f"{PREVIEWS}/{{preview}}/redeploy", "revisions:deploy", role=Role.DEVELOPER,
    answers={202: shapes.Preview},
)  # fmt: skip
def redeploy_preview(request: Request, pod: str, preview: Number) -> Any:
    """Try again what was refused, deploy once more what is there, or open what was closed while its pull request is
    not. Not in the public API."""
    return 202, _preview(previews.redeploy(parent=request.auth.pod(pod), pk=preview, by=request.auth.user))


@operation(
    router, "POST", f"{PREVIEWS}/{{preview}}/wake", "revisions:deploy", role=Role.DEVELOPER,
    answers={202: shapes.Preview},
)  # fmt: skip
def wake_preview(request: Request, pod: str, preview: Number) -> Any:
    """Start the apps of a preview that sleep or are stopped. Not in the public API."""
    return 202, _preview(previews.wake(parent=request.auth.pod(pod), pk=preview, by=request.auth.user))


@operation(router, "GET", "/pods/{pod}/preview-settings", "pods:read", answers={200: shapes.PreviewSettings})
def get_preview_settings(request: Request, pod: str) -> Any:
    """What holds for the previews of a pod; those of one where nobody has decided are off. Not in the public API."""
    return _settings(held(request.auth.pod(pod)))


@operation(
    router, "PUT", "/pods/{pod}/preview-settings", "resources:write", role=Role.DEVELOPER,
    answers={200: shapes.PreviewSettings},
)  # fmt: skip
def replace_preview_settings(request: Request, pod: str, payload: shapes.PreviewSettingsInput) -> Any:
    """Decide what holds for the previews of a pod from now on. Switching them off closes those there are. Not in the
    public API."""
    return _settings(previews.set_settings(pod=request.auth.pod(pod), by=request.auth.user, **payload.model_dump()))


def _staging(caller: Caller, name: str, *actions: str) -> Pod:
    """The staging pod, whose parent its person and its policy let be changed as well."""
    child = caller.pod(name)
    if child.parent is None or child.lineage != Lineage.STAGING:
        raise Conflict("not_staging", f"{child.name} is no staging pod.", "Promote from a staging pod.")
    for action in actions:
        caller.require(action, child.parent.name)
    gate.pod_access(caller.user, child.parent, Role.DEVELOPER)
    return child


def _child(row: Pod) -> dict[str, Any]:
    return {
        "name": row.name,
        "lineage": row.lineage,
        "version": row.live.version if row.live else None,
        "deleting": row.deleting_at is not None,
        "createdAt": row.created_at,
        "_links": {"self": places.pod(row.name)},
    }


def _preview(row: Preview) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "repository": row.repository,
        "number": row.number,
        "title": row.title,
        "fork": row.is_fork,
        "state": row.state,
        "waitsFor": row.why,
        "commit": row.head_sha,
        "deployedCommit": row.deployed_sha,
        "error": row.error,
        "ended": row.ended,
        "activeAt": row.active_at,
        "_links": {"pod": places.pod(row.pod.name) if row.pod else None},
    }


def _settings(row: PreviewSettings) -> dict[str, Any]:
    return {
        "enabled": row.enabled,
        "limit": row.limit,
        "days": row.days,
        "sleep": row.sleep,
        "databases": row.databases,
        "bases": row.bases,
        "variables": row.variables,
        "_links": {"pod": places.pod(row.pod.name)},
    }
