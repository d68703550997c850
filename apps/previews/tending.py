"""Every 15 seconds: what is due is done, what nobody touched for long is closed, what is nobody's is removed."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apps.deployments import actions as deployments
from apps.pods.models import Lineage, Pod
from apps.previews import places, wake
from apps.previews.models import Preview, PreviewState

FORGOTTEN = timedelta(hours=1)  # a copy whose preview has not been written down that long after belongs to none


def tend() -> None:
    if not Preview.objects.exists() and not Pod.objects.filter(lineage=Lineage.PREVIEW).exists():
        return  # few have previews, and what follows is most of what an idle worker would do
    for pk in Preview.objects.exclude(state=PreviewState.CLOSED).order_by("id").values_list("pk", flat=True):
        _look(pk)
    for pk in Preview.objects.due().values_list("pk", flat=True):
        wake.wake_for(pk)
    alone = Pod.objects.filter(lineage=Lineage.PREVIEW, preview=None, deleting_at=None)
    for pod in alone.filter(created_at__lt=timezone.now() - FORGOTTEN):
        deployments.delete_pod(pod=pod, confirmation=pod.name, by=None)


@transaction.atomic
def _look(pk: int) -> None:
    """Close the preview if it is past its time, or its pod was deleted on the pod's own page."""
    seen = Preview.objects.filter(pk=pk).values_list("parent_id", flat=True).first()
    parent = places.lock(seen) if seen else None
    row = Preview.objects.select_related("parent", "pod").filter(pk=pk).exclude(state=PreviewState.CLOSED).first()
    if parent is None or row is None:
        return
    days = places.settings_of(parent).days
    if row.active_at < timezone.now() - timedelta(days=days):
        places.close(row, f"Nothing happened to it for {days} day{'' if days == 1 else 's'}.", by=None)
    elif row.deployed_sha and (row.pod is None or row.pod.deleting_at):
        places.close(row, "Its pod was deleted.", by=None)
