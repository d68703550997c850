"""Which deployments go on now: those given a builder go on there, what needs none goes on at any worker."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from apps.builds import fleet
from apps.deployments import dispatch, wake
from apps.deployments.models import OPEN_STATES, Deployment


def may_begin(deployment: Deployment) -> bool:
    """Whether this process is to go on with it now; if another is, that one has been told."""
    here = fleet.here()
    if deployment.cancel_at is None and dispatch.needs_builder(deployment):
        if not (here and deployment.builder_id == here.pk):
            dispatch.assign(here=deployment.pk if here else "")
            deployment.refresh_from_db()
        return here is not None and deployment.builder_id == here.pk
    if here and here.dedicated:
        wake.wake(wake.RUN, deployment.pk)
        return False
    return has_room(deployment)


def has_room(deployment: Deployment) -> bool:
    """Whether one more may be worked on without a builder.

    A rollback does not wait until builds have ended: there is a process for one more than are built at once, and yet
    another for the duties.
    """
    others = Deployment.objects.filter(state__in=OPEN_STATES, leased_until__isnull=False).exclude(pk=deployment.pk)
    return sum(other.held for other in others.only("leased_until", "holder")) <= settings.BRAINPOD.workers


def unattended() -> Iterator[str]:
    """The deployments that could go on without being given a builder, and that nobody alive works on; oldest first."""
    rows = Deployment.objects.filter(state__in=OPEN_STATES, pod__deleting_at=None).annotate(unbuilt=dispatch.UNBUILT)
    busy = {row.pod_id for row in rows if row.state != "waiting"}
    for row in rows.order_by("id"):
        if row.held or (row.state == "waiting" and row.pod_id in busy):
            continue
        if row.cancel_at or row.built_at or not row.unbuilt:
            yield row.pk


def wake_next() -> None:
    """Have those go on that may, now that one has ended."""
    dispatch.assign()
    for _, pk in zip(range(settings.BRAINPOD.workers + 1), unattended(), strict=False):
        wake.wake(wake.RUN, pk)
