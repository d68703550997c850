"""From a draft to what runs: the plan, deploy, redeploy, and a rollback to any sealed revision."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from django.db import transaction
from ninja import Query, Router

from apps.accounts.roles import Role
from apps.api import places, schemas
from apps.api.door import Request, operation
from apps.api.ids import parse_revision, revision_id
from apps.api.operations.resources import revision_of
from apps.api.revisions_shown import Facts, head_of
from apps.builds.stored import stored_apps
from apps.core.errors import Conflict, Invalid, NotFound
from apps.deployments import actions
from apps.deployments.models import OPEN_STATES, Deployment
from apps.pods import plan as plans
from apps.pods.models import Pod, Revision

router = Router(tags=["deploying"])
AT_ONCE = 2  # requests of a process that wait; a process has few threads, and pages need them too
PAUSE = 0.25  # seconds
_waiting = threading.BoundedSemaphore(AT_ONCE)
Watch = Annotated[int | None, Query(ge=1, le=20, description="Seconds to wait for the end of the deployment.")]
DONE: dict[int, Any] = {200: schemas.DeploymentAccepted, 202: schemas.DeploymentAccepted}


@operation(router, "POST", "/pods/{pod}/deploy", "revisions:deploy", role=Role.DEVELOPER, answers=DONE)
def deploy_pod(request: Request, pod: str, payload: schemas.DeployInput | None = None, watch: Watch = None) -> Any:
    """Deploy the draft. Where something would be destroyed, `confirmed` has to be true; with `plan`, the token of a
    plan that was read, only if it still holds. 202 while it is under way."""
    found = request.auth.pod(pod)
    given = payload or schemas.DeployInput()
    with transaction.atomic(), _destroying():
        draft = found.draft
        token = given.plan if given.plan is not None else _plan(found, draft).token if draft else ""
        made = actions.deploy_draft(
            pod=found, summary=given.summary, token=token, confirmed=given.confirmed, by=request.auth.user
        )
    return _accepted(found, made, watch)


@operation(router, "POST", "/pods/{pod}/redeploy", "revisions:deploy", role=Role.DEVELOPER, answers=DONE)
def redeploy_pod(request: Request, pod: str, watch: Watch = None) -> Any:
    """Deploy once more what was deployed last, whether it went well or not. A draft is not part of it."""
    found = request.auth.pod(pod)
    if found.head is None:
        raise Conflict("nothing_to_deploy", "Nothing of this pod was deployed yet.", "Deploy the draft first.")
    with _destroying():
        made = actions.deploy_revision(pod=found, revision=found.head, by=request.auth.user)
    return _accepted(found, made, watch)


@operation(
    router, "POST", "/pods/{pod}/revisions/{revision}/deploy", "revisions:deploy", role=Role.DEVELOPER, answers=DONE
)
def deploy_revision(
    request: Request, pod: str, revision: str, payload: schemas.RollbackInput | None = None, watch: Watch = None
) -> Any:
    """Deploy a sealed revision again: a rollback, if a newer one is live. Not in the public API."""
    found = request.auth.pod(pod)
    row = revision_of(found, parse_revision(revision))
    given = payload or schemas.RollbackInput()
    if row.is_draft:
        raise NotFound("such sealed revision of this pod")
    with _destroying():
        made = actions.deploy_revision(
            pod=found, revision=row, by=request.auth.user, token=given.plan or "", confirmed=given.confirmed
        )
    return _accepted(found, made, watch)


@operation(router, "GET", "/pods/{pod}/plan", "revisions:read", answers={200: schemas.Plan})
def get_plan(
    request: Request,
    pod: str,
    revision: Annotated[str, Query(max_length=36, description="A sealed one instead of the head.")] = "",
) -> Any:
    """What deploying the head, or another revision, would do, line by line. Not in the public API."""
    found = request.auth.pod(pod)
    row = revision_of(found, parse_revision(revision)) if revision else head_of(found)
    if row.pk is None:
        raise Conflict("nothing_to_deploy", "There is no draft.", "Change something first.")
    plan = _plan(found, row)
    return {
        "revisionId": revision_id(row.pk),
        "token": plan.token,
        "lines": [
            {"kind": line.kind, "name": line.name, "action": line.action, "consequence": line.consequence,
             "destructive": line.destructive}
            for line in plan.lines
        ],
        "problems": [{"path": one.path, "message": one.message} for one in plan.problems],
        "warnings": [{"path": one.path, "message": one.message} for one in plan.warnings],
        "notes": list(plan.notes),
        "_links": {"pod": places.pod(found.name), "revision": places.revision(found.name, row.pk)},
    }  # fmt: skip


def _plan(pod: Pod, row: Revision) -> plans.Plan:
    return plans.make_plan(pod, row, stored=stored_apps(row))


@contextmanager
def _destroying() -> Iterator[None]:
    """A deployment that would destroy something and was not confirmed is a state that forbids it, not bad input."""
    try:
        yield
    except Invalid as error:
        if [one.path for one in error.details] != ["confirmed"]:
            raise
        raise Conflict(
            "not_confirmed", "This deployment destroys data.", "Read the plan, and send confirmed with true."
        ) from None


def _accepted(pod: Pod, deployment: Deployment, watch: int | None) -> tuple[int, dict[str, Any]]:
    if watch:
        _wait(deployment, watch)
    row = deployment.revision
    facts = Facts.of([pod], [row])
    open_ = Deployment.objects.filter(pk=deployment.pk, state__in=OPEN_STATES).exists()
    return 202 if open_ else 200, {
        "revisionId": revision_id(row.pk),
        "state": facts.state(row),
        "error": facts.error(row),
        "_links": {"pod": places.pod(pod.name), "revision": places.revision(pod.name, row.pk)},
    }


def _wait(deployment: Deployment, seconds: int) -> None:
    """Until it has ended, `seconds` at most; not at all while enough others of this process wait."""
    if not _waiting.acquire(blocking=False):
        return
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not Deployment.objects.filter(pk=deployment.pk, state__in=OPEN_STATES).exists():
                return
            time.sleep(PAUSE)
    finally:
        _waiting.release()
