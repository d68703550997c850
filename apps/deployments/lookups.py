"""Deploying the newest commit of an app's branch: asked for by people, asked of the git host by a worker.

A row is ended in the transaction that starts its deployment: it leads to one, or to none and says why, and never to
two.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from apps import sources
from apps.audit import trail
from apps.builds.inputs import has_source
from apps.connections.access import access
from apps.core import room
from apps.core.errors import Conflict, NotFound, UserError
from apps.core.failpoints import failpoint
from apps.core.leases import Lease, LeaseLost
from apps.deployments import actions
from apps.deployments import wake as workers
from apps.deployments.errands import Errands
from apps.deployments.events import changed
from apps.deployments.models import Lookup, Trigger
from apps.pods.models import Pod

if TYPE_CHECKING:
    from apps.accounts.models import User

DEADLINE = datetime.timedelta(minutes=10)  # waiting for a worker included
KEPT = 50  # lookups of one pod


@transaction.atomic
def deploy_latest(*, pod: Pod, app: str, by: User | None) -> Lookup:
    """Have the newest commit of the app's branch deployed soon; the lookup under way, if there is one.

    Raises NotFound for what is no app with a repository in what is deployed, Conflict("pod_deleting"), and
    UserError("no_room").
    """
    room.check()  # at once, rather than after the host was asked
    pod = Pod.objects.select_for_update(of=("self",)).select_related("live", "head").get(pk=pod.pk)
    if pod.deleting_at:
        raise Conflict("pod_deleting", f"{pod.name} is being deleted.", "Nothing in it can be deployed any more.")
    repo, branch = _source(pod, app)
    if found := pod.lookups.filter(app=app, state="asking").first():
        return found
    made = Lookup.objects.create(
        pod=pod, app=app, repo=repo, branch=branch, actor=by, deadline=timezone.now() + DEADLINE
    )  # fmt: skip
    trail.note("deployment.latest", by=by, about=made, name=pod.name, part=app)
    for old in pod.lookups.exclude(state="asking").order_by("-id")[KEPT:]:
        old.delete()
    changed(pod.pk)
    workers.wake(workers.LOOK_UP, made.pk)
    return made


def _source(pod: Pod, app: str) -> tuple[str, str]:
    """The repository and branch of `app` in what will be live next."""
    base = actions.revision_under_way(pod) or pod.live or pod.head
    resource = base.snapshot().get(app) if base else None
    if resource is None or not has_source(resource):
        raise NotFound(f"app {app} with a repository in what is deployed")
    return resource.spec["source"]["repo"], resource.spec["source"].get("branch", "")


def _work(row: Lookup, lease: Lease) -> None:
    with access(row.pod.team, row.repo) as way:
        commit = sources.source().resolve(row.repo, row.branch, credential=way.credential)
    failpoint("lookup.answered", row.pod_id)
    _deploy(row, lease, commit)


@transaction.atomic
def _deploy(row: Lookup, lease: Lease, commit: str) -> None:
    """Start the deployment and end the lookup, both or neither. Raises what deploy_commits raises, LeaseLost."""
    pod = Pod.objects.select_for_update(of=("self",)).select_related("live", "head").get(pk=row.pod_id)
    if _source(pod, row.app) != (row.repo, row.branch):
        words = f"{row.app} was given another repository or branch meanwhile."
        raise Conflict("source_changed", words, "Deploy the latest commit again.")
    made = actions.deploy_commits(
        pod=pod, commits={row.app: commit}, trigger=Trigger.MANUAL, by=row.actor, summary=""
    )  # fmt: skip
    if not LOOKUPS.end(row, lease, "deployed", deployment=made):
        raise LeaseLost
    failpoint("lookup.ending", row.pod_id)


LOOKUPS = Errands(
    Lookup,
    task=workers.LOOK_UP,
    work=_work,
    at_once=2,
    late=UserError(
        "lookup_deadline",
        "The git host was not asked for the newest commit in time.",
        "Deploy the latest commit again.",
    ),
    broken=("The platform failed while asking the git host.", "Try again."),
)
