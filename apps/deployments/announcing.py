"""What is announced (apps/core/announce.py) of deployments, apps, domains and certificates: the words and figures.

All of it is called in the transaction of the change.
"""

from __future__ import annotations

from typing import Any

from apps.certificates.models import Certificate
from apps.core.announce import announce
from apps.deployments.models import STAGE_TITLES, STAGES, AppControl, Deployment, Trigger, Workload
from apps.pods.domains.settling import Event
from apps.pods.models import Pod

BUILDING = STAGES[:6]


def deployment_began(row: Deployment) -> None:
    _deployment("deployment.started", row, f"{row.revision} of {row.pod} is being deployed.")


def deployment_degraded(row: Deployment, why: str) -> None:
    words = f"{row.revision} of {row.pod} is not healthy within its window, and still being tried: {why}"
    _deployment("deployment.degraded", row, words)


def deployment_ended(row: Deployment) -> None:
    """By its state. A failed build is announced by itself, before the deployment that it fails."""
    if row.state == "ready" and row.trigger == Trigger.ROLLBACK:
        _deployment("deployment.rolled_back", row, f"{row.pod} was rolled back: {row.revision} is live.")
    elif row.state == "ready":
        _deployment("deployment.success", row, f"{row.revision} of {row.pod} is live.")
    elif row.state == "failed":
        build = row.stages.filter(state="failed", stage__in=BUILDING).first()
        if build is not None:
            words = f"{build.app} of {row.pod} was not built ({STAGE_TITLES[build.stage]}): {row.error}"
            _deployment("build.failed", row, words, app=build.app, stage=build.stage)
        _deployment("deployment.failed", row, f"{row.revision} of {row.pod} was not deployed: {row.error}")
    elif row.state == "cancelled":
        _deployment("deployment.cancelled", row, f"The deployment of {row.revision} of {row.pod} was cancelled.")


def _deployment(event: str, row: Deployment, words: str, **more: Any) -> None:
    about: dict[str, Any] = {
        "id": row.pk, "revision": row.revision.version, "summary": row.revision.summary, "state": row.state,
        "trigger": row.trigger, "actor": row.actor.name if row.actor else None,
        "created_at": _moment(row.created_at), "started_at": _moment(row.started_at),
        "finished_at": _moment(row.finished_at), "error": None,
    }  # fmt: skip
    if row.error_code:
        about["error"] = {"code": row.error_code, "message": row.error, "hint": row.hint}
    page = ("deployment", row.pod.name, row.pk)
    announce(event, pod_id=row.pod_id, words=words, page=page, deployment=about, **more)


def _moment(at: Any) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None


def regulated(control: AppControl, event: str, words: str) -> None:
    """Asleep, awake, or another number of instances. `control` as it was: the row has the count."""
    count = AppControl.objects.filter(pk=control.pk).values_list("count", flat=True).first()
    _app(control.pod, event, control.app, words, instances=count)


def crashing(workload: Workload, ends: int, reason: str) -> None:
    """`ends`: how often the instance ended by itself within the last hour."""
    revision = workload.revision.version
    _app(
        workload.pod, "app.crashing", workload.app, f"it keeps crashing. {reason}",
        instance=str(workload), crashes=ends, revision=revision,
    )  # fmt: skip


def _app(pod: Pod, event: str, app: str, words: str, **more: Any) -> None:
    page = ("resource", pod.name, app)
    announce(event, pod_id=pod.pk, words=f"{app} of {pod}: {words}", page=page, app=app, **more)


def domain(event: Event) -> None:
    """What became of a custom domain of a pod."""
    pod = Pod.objects.get(pk=event.pod_id)
    page = ("resource", pod.name, event.route) if event.route else ("pod", pod.name)
    announce(
        f"domain.{event.change}", pod_id=pod.pk, words=event.words, page=page, domain=event.host, route=event.route
    )


def certificate(event: str, row: Certificate, words: str) -> None:
    """The platform's own are the operators' and no team's."""
    if row.hostname is None:
        return
    pod = row.hostname.pod
    announce(
        event, pod_id=pod.pk, words=words, page=("certificate", pod.name, row.host), domain=row.host,
        route=row.hostname.route, issuer=row.issuer, expires_at=_moment(row.not_after),
    )  # fmt: skip
