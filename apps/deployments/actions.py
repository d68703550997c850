"""What people and hooks do with deployments. Every action inserts or moves rows; workers do the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.utils import timezone

from apps.audit import trail
from apps.builds.actions import carry_builds
from apps.builds.stored import stored_apps
from apps.core import room
from apps.core.errors import Conflict, Detail, Invalid, NotFound
from apps.core.states import move
from apps.deployments import wake as workers
from apps.deployments.events import changed
from apps.deployments.models import DEPLOYMENT_MOVES, OPEN_STATES, Deployment, Trigger
from apps.pods import actions as pods
from apps.pods import plan as plans
from apps.pods.domains import claims
from apps.pods.models import Lineage, Pod, Revision

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)


@transaction.atomic
def deploy_draft(*, pod: Pod, summary: str, token: str, confirmed: bool, by: User | None) -> Deployment:
    """Seal the draft and deploy it, exactly as the plan with `token` said.

    Raises Conflict("nothing_to_deploy" | "stale_plan"), Invalid naming `confirmed` when something would be destroyed
    and nobody agreed, Invalid with the draft's problems.
    """
    pod = _locked(pod)
    draft = pod.draft
    if draft is None:
        raise Conflict("nothing_to_deploy", "The draft has no changes.", "Change a resource first.")
    stored = stored_apps(draft)
    plan = plans.check_token(pod, draft, token, stored=stored)
    _check_confirmed(plan, confirmed)
    revision = pods.seal(pod=pod, summary=summary, by=by)
    return start(pod=pod, revision=revision, trigger=Trigger.MANUAL, by=by)


@transaction.atomic
def deploy_revision(
    *, pod: Pod, revision: Revision, by: User | None, token: str = "", confirmed: bool = False
) -> Deployment:
    """Deploy a sealed revision again: a rollback if a newer one is live, else a redeploy.

    `token`: of the plan that was read, if one was. Raises Conflict("stale_plan") when it says something else now,
    Invalid with the revision's problems, and naming `confirmed` when something would be destroyed and nobody agreed.
    """
    pod = _locked(pod)
    if revision.pod_id != pod.pk or revision.is_draft:
        raise NotFound("such revision of this pod")
    stored = stored_apps(revision)
    if token:
        plan = plans.check_token(pod, revision, token, stored=stored)
    else:
        plan = plans.make_plan(pod, revision, stored=stored)
    if plan.problems:
        raise Invalid(plan.problems)
    _check_confirmed(plan, confirmed)
    rollback = pod.live is not None and (pod.live.version or 0) > (revision.version or 0)
    return start(pod=pod, revision=revision, trigger=Trigger.ROLLBACK if rollback else Trigger.REDEPLOY, by=by)


@transaction.atomic
def deploy_commits(
    *, pod: Pod, commits: Mapping[str, str], trigger: Trigger, by: User | None, summary: str
) -> Deployment:
    """Deploy the live revision, or the one on its way to be live, with other commits.

    Nobody's draft ships by accident, and nothing that somebody has just deployed is taken back.
    """
    pod = _locked(pod)
    summary = summary or ", ".join(f"{app} at {sha[:7]}" for app, sha in commits.items())
    revision = pods.pin_commit(pod=pod, commits=commits, by=by, summary=summary[:200], base=revision_under_way(pod))
    return start(pod=pod, revision=revision, trigger=trigger, by=by)


def revision_under_way(pod: Pod) -> Revision | None:
    """What will be live when all deployments that wait or run have ended well; None when there are none."""
    wanted = pod.deployments.filter(state__in=OPEN_STATES, cancel_at=None)
    row = wanted.select_related("revision").order_by("-id").first()
    return row.revision if row else None


@transaction.atomic
def start(*, pod: Pod, revision: Revision, trigger: Trigger, by: User | None) -> Deployment:
    """Queue a deployment; one that was still waiting is replaced by it. Raises UserError("no_room")."""
    if pod.deleting_at:
        raise Conflict("pod_deleting", f"{pod.name} is being deleted.", "Nothing in it can be deployed any more.")
    carry_builds(revision=revision)
    if revision.builds.filter(artifact=None).exists():
        room.check()
    claims.claim_all(pod, revision)
    for waiting in pod.deployments.filter(state="waiting"):
        _end_waiting(waiting, "Replaced by a newer deployment before it began.")
    deployment = Deployment.objects.create(pod=pod, revision=revision, trigger=trigger, actor=by)
    Pod.objects.filter(pk=pod.pk).update(head=revision)
    trail.note("deployment.make", by=by, about=deployment, name=pod.name, trigger=trigger, version=revision.version)
    changed(pod.pk, deployment.pk)
    workers.wake(workers.RUN, deployment.pk)
    log.info("deployment_made", deployment=deployment.pk, pod=pod.name, trigger=str(trigger))
    return deployment


@transaction.atomic
def cancel(*, deployment: Deployment, by: User | None) -> None:
    """Ask for a deployment to be cancelled; one under way stops within seconds and only its own work is undone.

    Raises Conflict("too_late_to_cancel") once traffic has moved or it has ended.
    """
    now = timezone.now()
    trail.note("deployment.cancel", by=by, about=deployment, name=deployment.pod.name)
    if deployment.state == "waiting":
        Deployment.objects.filter(pk=deployment.pk).update(cancelled_by=by, cancel_at=now)
        if _end_waiting(deployment, ""):
            return
    asked = Deployment.objects.filter(pk=deployment.pk, state__in=OPEN_STATES, switched_at=None).update(
        cancel_at=now, cancelled_by=by
    )
    if not asked:
        raise Conflict("too_late_to_cancel", "This deployment has already gone live or ended.", "Roll back instead.")
    changed(deployment.pod_id, deployment.pk)


@transaction.atomic
def delete_pod(*, pod: Pod, confirmation: str, by: User | None, children: bool = False) -> None:
    """Delete a pod and everything it has: workloads, disks, secrets, logs; its previews too, its other children if
    `children`.

    Raises Invalid naming `confirmation`, Conflict("has_children") naming those that nobody agreed to delete. That `by`
    may delete the children too is for the caller to know.
    """
    if confirmation.strip() != pod.name:
        raise Invalid([Detail("confirmation", f"Type the pod's name, {pod.name}, to delete it and its data.")])
    pod = _locked(pod)
    left = list(pod.children.filter(deleting_at=None))
    if not children and (kept := [child for child in left if child.lineage != Lineage.PREVIEW]):
        names = ", ".join(child.name for child in kept)
        raise Conflict("has_children", f"{pod.name} has children: {names}.", "Delete them first, or along with it.")
    for child in left:
        delete_pod(pod=child, confirmation=child.name, by=by)
    Pod.objects.filter(pk=pod.pk, deleting_at=None).update(deleting_at=timezone.now())
    trail.note("pod.delete", by=by, about=pod)
    for deployment in pod.deployments.filter(state__in=OPEN_STATES):
        if deployment.state != "waiting" or not _end_waiting(deployment, "The pod was deleted."):
            Deployment.objects.filter(pk=deployment.pk).update(cancel_at=timezone.now(), cancelled_by=by)
    changed(pod.pk)
    workers.wake(workers.TEAR_DOWN, pod.pk)


def _check_confirmed(plan: plans.Plan, confirmed: bool) -> None:
    if plan.destructive and not confirmed:
        raise Invalid([Detail("confirmed", "This deployment destroys data: tick the box to agree.")])


def _end_waiting(deployment: Deployment, why: str) -> bool:
    changed(deployment.pod_id, deployment.pk)
    return move(
        deployment,
        "cancelled",
        table=DEPLOYMENT_MOVES,
        where={"state": "waiting"},
        error=why,
        finished_at=timezone.now(),
    )


def _locked(pod: Pod) -> Pod:
    """The pod, read again under its lock. Raises NotFound when it has gone meanwhile."""
    locked = Pod.objects.select_for_update().filter(pk=pod.pk).first()
    if locked is None:
        raise NotFound(f"pod {pod.name}")
    return locked
