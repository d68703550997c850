"""Backups: listed, made, looked at, restored. What is in one is downloaded in the dashboard alone."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpResponse
from ninja import Query, Router

from apps.accounts.roles import Role
from apps.api import places, running_schemas
from apps.api.door import Request, operation
from apps.backups import actions
from apps.backups.models import Backup, Restore
from apps.core.errors import NotFound
from apps.pods.models import Pod

router = Router(tags=["backups"])
ALL = "/pods/{pod}/backups"
ONE = f"{ALL}/{{backup}}"
RESTORES = 50  # of one backup, the newest


@operation(router, "GET", ALL, "backups:read", answers={200: running_schemas.BackupList})
def list_backups(
    request: Request,
    response: HttpResponse,
    pod: str,
    resource: Annotated[str, Query(max_length=63, description="The name of a database or a disk.")] = "",
    cursor: Annotated[str, Query(max_length=16, description="The x-next-cursor of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> Any:
    """The backups of a pod, the newest first. Not in the public API."""
    found = request.auth.pod(pod)
    rows = found.backups.order_by("-id")
    rows = rows.filter(name=resource) if resource else rows
    page = list((rows.filter(id__lt=cursor) if cursor else rows)[: limit + 1])
    here, further = places.pod(found.name, "backups"), None
    said = {"resource": resource or None, "limit": limit}
    if len(page) > limit:
        page = page[:limit]
        response["x-next-cursor"] = page[-1].pk
        further = places.query(here, **said, cursor=page[-1].pk)
        response["Link"] = f'<{further["href"]}>; rel="next"'
    links = {"self": places.query(here, **said, cursor=cursor or None), "next": further}
    return {"items": [_shown(row, found) for row in page], "_links": links}


@operation(router, "POST", ALL, "backups:create", role=Role.DEVELOPER, answers={202: running_schemas.Backup})
def create_backup(request: Request, pod: str, payload: running_schemas.BackupInput) -> Any:
    """Have a database or a disk of what is live backed up, soon. Not in the public API."""
    found = request.auth.pod(pod)
    return 202, _shown(actions.back_up(pod=found, name=payload.resource, by=request.auth.user), found)


@operation(router, "GET", ONE, "backups:read", answers={200: running_schemas.BackupDetail})
def get_backup(request: Request, pod: str, backup: str) -> Any:
    """A backup, and what was restored of it. Not in the public API."""
    found = request.auth.pod(pod)
    row = _backup(found, backup)
    restores = [_restore(one) for one in row.restores.order_by("-id")[:RESTORES]]
    return _shown(row, found) | {"restores": restores}


@operation(
    router, "POST", f"{ONE}/restore", "backups:restore", role=Role.DEVELOPER, answers={202: running_schemas.Restore}
)
def restore_backup(request: Request, pod: str, backup: str, payload: running_schemas.RestoreInput) -> Any:
    """Have `target` become what the backup is: what is in it is replaced, and `confirmation` has to be its name. How
    far it is: in the backup. Not in the public API."""
    row = _backup(request.auth.pod(pod), backup)
    made = actions.restore(
        backup=row, target=payload.target, confirmation=payload.confirmation, by=request.auth.user
    )  # fmt: skip
    return 202, _restore(made)


def _backup(pod: Pod, id: str) -> Backup:
    found = pod.backups.select_related("pod__live").filter(pk=id).first()
    if found is None:
        raise NotFound("such backup in this pod")
    return found


def _shown(row: Backup, pod: Pod) -> dict[str, Any]:
    return {
        "id": row.pk,
        "resource": row.name,
        "kind": row.kind,
        "trigger": row.trigger,
        "state": row.state,
        "error": row.error,
        "size": row.size,
        "createdAt": row.created_at,
        "finishedAt": row.finished_at,
        "provenAt": row.proven_at,
        "_links": {"self": places.pod(pod.name, "backups", row.pk), "pod": places.pod(pod.name)},
    }


def _restore(row: Restore) -> dict[str, Any]:
    return {
        "id": row.pk,
        "backup": row.backup_id,
        "target": row.target,
        "purpose": row.purpose,
        "state": row.state,
        "step": row.step,
        "error": row.error,
        "createdAt": row.created_at,
        "finishedAt": row.finished_at,
    }
