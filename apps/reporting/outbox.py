"""What was announced, written down for the git host, in the transaction of the change itself."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from apps.builds.models import Build
from apps.connections.models import Connection
from apps.connections.remote.client import speaker
from apps.core.announce import Announcement
from apps.deployments.models import Deployment
from apps.deployments.wake import wake
from apps.pods.models import Pod
from apps.reporting.models import Kind, Report

SEND = "reporting.send"
STATES = {
    "deployment.started": "pending",
    "deployment.success": "success",
    "deployment.rolled_back": "success",
    "deployment.failed": "failure",
    "deployment.cancelled": "error",
}


def take(told: Announcement) -> None:
    """A status for each app that a deployment built, and a comment for a preview; nothing where no host takes any."""
    if told.event in STATES:
        _statuses(told)
        _previewed(told)
    elif told.event.startswith("preview."):
        _preview(told)


def _statuses(told: Announcement) -> None:
    if not Connection.objects.filter(team__pods=told.pod_id).exists():
        return
    row = Deployment.objects.select_related("pod", "revision").filter(pk=told.data["deployment"]["id"]).first()
    if row is None:
        return
    specs = {name: one.spec for name, one in row.revision.snapshot().items() if one.kind == "App"}
    for build in Build.objects.filter(revision=row.revision).exclude(commit=""):
        repo = specs.get(build.app, {}).get("source", {}).get("repo", "")
        if speaker(row.pod.team_id, repo):
            _put(
                row.pod, Kind.STATUS, repo, build.commit, f"brainpod/{row.pod.name}/{build.app}", told.words,
                _address(told.page), state=STATES[told.event],
            )  # fmt: skip


def _preview(told: Announcement) -> None:
    """`repository` without its scheme, `number`, and `preview`, the name of its pod."""
    pod = Pod.objects.get(pk=told.pod_id)
    repository = f"https://{told.data['repository']}"
    if speaker(pod.team_id, repository):
        key = f"preview {told.data['preview']}"
        _put(pod, Kind.COMMENT, repository, str(told.data["number"]), key, told.words, _address(told.page))


def _previewed(told: Announcement) -> None:
    """The comment of a preview says how its deployment went, and where it answers."""
    pod = Pod.objects.get(pk=told.pod_id)
    rows = Report.objects.filter(kind=Kind.COMMENT, key=f"preview {pod.name}", pod__team=pod.team_id)
    if row := rows.order_by("-changed_at").first():
        hosts = [f"https://{host}" for host in sorted(pod.hosts.values_list("host", flat=True))[:5]]
        words = "\n\n".join([told.words, *(hosts if STATES[told.event] == "success" else [])])
        _put(row.pod, Kind.COMMENT, row.repository, row.subject, row.key, words, _address(told.page))


def _put(pod: Pod, kind: Kind, repository: str, subject: str, key: str, words: str, url: str, **more: Any) -> None:
    now = timezone.now()
    fields = {
        "words": words[:2000],
        "url": url[:500],
        "next_at": now,
        "changed_at": now,
        "tries": 0,
        "failed": "",
    } | more
    row, made = Report.objects.get_or_create(
        pod=pod, kind=kind, repository=repository, subject=subject, key=key[:200], defaults=fields
    )
    if not made:
        Report.objects.filter(pk=row.pk).update(**fields, serial=F("serial") + 1)
    wake(SEND)


def _address(page: tuple[str, ...]) -> str:
    return settings.BRAINPOD.public_address + reverse(page[0], args=page[1:])
