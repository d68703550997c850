"""What was announced, written down for the git host, in the transaction of the change itself."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from apps.builds.models import Build
from apps.connections.models import Connection
from apps.connections.remote.client import speaker
from apps.core.announce import Announcement
from apps.deployments.models import STAGES, Deployment
from apps.deployments.wake import wake
from apps.pods.models import Lineage, Pod
from apps.reporting.models import CLOSED, Kind, Report

SEND = "reporting.send"
STATES = {
    "deployment.started": "pending",
    "deployment.success": "success",
    "deployment.rolled_back": "success",
    "deployment.failed": "failure",
    "deployment.cancelled": "error",
}


def take(told: Announcement) -> None:
    """A status for each app that a deployment builds, and a comment for a preview; nothing where no host takes any."""
    if told.event in STATES:
        _statuses(told)
        _previewed(told)
    elif told.event.startswith("preview."):
        _preview(told)


def _statuses(told: Announcement) -> None:
    if not Connection.objects.filter(team__pods=told.pod_id).exists():
        return
    rows = Deployment.objects.select_related("pod__parent", "revision")
    row = rows.filter(pk=told.data["deployment"]["id"]).first()
    if row is None:
        return
    state = STATES[told.event]
    specs = {name: one.spec for name, one in row.revision.snapshot().items() if one.kind == "App"}
    made = set(_made(row).values_list("pk", flat=True))
    for build in _own(row):
        repo = specs.get(build.app, {}).get("source", {}).get("repo", "")
        about = repo, build.commit, _context(row.pod, build.app)
        is_told = build.pk in made or (state == "success" and _is_left(row.pod, *about))
        if is_told and speaker(row.pod.team_id, repo):
            _put(row.pod, Kind.STATUS, *about, told.words, _address(told.page), state=state)


def _own(row: Deployment) -> QuerySet[Build]:
    """Of a preview only what is built from the pull request: the rest is at commits that are live in its parent."""
    builds = Build.objects.filter(revision=row.revision).exclude(commit="")
    apps = Pod.objects.filter(pk=row.pod_id).values_list("preview__apps", flat=True).first()
    return builds if apps is None else builds.filter(app__in=apps)


def _made(row: Deployment) -> QuerySet[Build]:
    """What the deployment has to build, or has built: of other apps there was an artifact when it began.

    What was built by a try before this one, or on another machine, is skipped later; that it was begun stays.
    """
    begun = row.stages.filter(stage=STAGES[0], started_at__isnull=False)
    return Build.objects.filter(Q(artifact=None) | Q(app__in=begun.values("app")), revision=row.revision)


def _is_left(pod: Pod, repository: str, commit: str, context: str) -> bool:
    """Whether a deployment that built the commit did not go live: one that has not to may make it good."""
    rows = Report.objects.filter(pod=pod, kind=Kind.STATUS, repository=repository, subject=commit, key=context[:200])
    return rows.exclude(state="success").exists()


def _context(pod: Pod, app: str) -> str:
    """The same for all previews of a pod: hosts can require a status of each pull request by its name only."""
    if pod.lineage == Lineage.PREVIEW and pod.parent:
        return f"brainpod/{pod.parent.name}/{app} (preview)"
    return f"brainpod/{pod.name}/{app}"


def _preview(told: Announcement) -> None:
    """`repository` without its scheme, `number`, and `preview`, the name of its pod."""
    pod = Pod.objects.get(pk=told.pod_id)
    repository = f"https://{told.data['repository']}"
    if speaker(pod.team_id, repository):
        key, state = f"preview {told.data['preview']}", CLOSED if told.event == "preview.closed" else ""
        address = _address(told.page)
        _put(pod, Kind.COMMENT, repository, str(told.data["number"]), key, told.words, address, state=state)


def _previewed(told: Announcement) -> None:
    """The comment of a preview says how its deployment went, and where it answers; not once the preview is closed."""
    pod = Pod.objects.get(pk=told.pod_id)
    if pod.deleting_at:
        return
    rows = Report.objects.filter(kind=Kind.COMMENT, key=f"preview {pod.name}", pod__team=pod.team_id)
    row = rows.select_for_update(of=("self",)).order_by("-changed_at").first()  # it may be closed just now
    if row and row.state != CLOSED:
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
