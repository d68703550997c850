"""Who may read which log, and what is masked in what an app writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.core.masking import Mask
from apps.deployments.hidden import hidden
from apps.deployments.models import Deployment, JobRun, Workload
from apps.engines.base import Handle
from apps.infrastructure import credentials as service_passwords
from apps.infrastructure.models import Service
from apps.pods.models import Pod

if TYPE_CHECKING:
    from apps.accounts.models import User


def may_read(user: User, stream: str) -> bool:
    """Whether `user` is in the team whose deployment, workload or job writes `stream`; operators read services'."""
    kind, _, key = stream.partition(":")
    model = {"deployment": Deployment, "workload": Workload, "jobrun": JobRun}.get(kind)
    if model is None or not user.is_authenticated:
        return False
    if kind == "workload" and user.is_staff and Service.objects.filter(run=key).exists():
        return True
    return model._default_manager.filter(pk=key, pod__in=Pod.objects.visible_to(user)).exists()


def runtime_mask(workload_id: str) -> Mask:
    """The secret values `workload_id` was started with. Raises Unavailable with the secret store."""
    workload = Workload.objects.select_related("revision").filter(pk=workload_id).first()
    if workload is None:
        service = Service.objects.filter(run=workload_id).first() if workload_id else None
        return Mask(list(service_passwords.all_of(service)) if service else [])
    return Mask(hidden(workload.revision, workload.app))


def runtime_handle(workload_id: str) -> Handle | None:
    """The engine's handle of a workload; None for one nobody knows (any more)."""
    handle = Workload.objects.filter(pk=workload_id).values_list("handle", flat=True).first()
    if handle is None and workload_id:
        handle = Service.objects.filter(run=workload_id).values_list("handle", flat=True).first()
    return handle or None
