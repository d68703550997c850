"""Bringing a preview's pod to what its row says: made, at the newest commit that may run, or removed.

The row is what is wanted; whoever is woken twice, late or never finds there what is left to do. The pod is made in two
steps, each whole or not there: the copy of what is live in the parent, and its first deployment.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction

from apps import sources
from apps.builds.models import Build
from apps.connections.access import access
from apps.core.errors import Conflict, PlatformError, UserError
from apps.deployments import actions as deployments
from apps.deployments.duties import duty
from apps.deployments.models import Trigger
from apps.pods import actions as pods
from apps.pods.children import DatabasePolicy, branch_off
from apps.pods.models import Lineage, Pod, Resource
from apps.previews import places
from apps.previews.models import Preview, PreviewState

log = structlog.get_logger(__name__)
WHOLE = (40, 64)  # characters of a commit's id; Bitbucket gives the first of them
TRIES = 5  # changes of the row that are gone on with at once


def settle(preview_id: int) -> None:
    """Do what is due for one preview.

    What a user has to mend is kept as its `error`; what the platform has to, is tried again when previews are tended.
    """
    with duty(f"preview:{preview_id}") as lease:
        for _ in range(TRIES if lease else 0):
            row = (
                Preview.objects.due().select_related("parent__team", "pod", "approved_by").filter(pk=preview_id).first()
            )
            if row is None or not _step(row):
                return


def _step(row: Preview) -> bool:
    """False when nothing was reached."""
    try:
        if row.state == PreviewState.CLOSED:
            _remove(row)
        elif row.pod is None:
            _make(row)
        else:
            _deploy(row)
    except UserError as error:
        still = Preview.objects.filter(pk=row.pk, state=row.state, head_sha=row.head_sha)
        still.update(error=f"{error}"[:500])
        log.info("preview_refused", preview=row.pk, error=str(error))
        return False
    except PlatformError as error:
        log.warning("preview_put_off", preview=row.pk, error=str(error))
        return False
    return True


def _remove(row: Preview) -> None:
    if row.pod:
        deployments.delete_pod(pod=row.pod, confirmation=row.pod.name, by=None)


def _make(row: Preview) -> None:
    """Copy what is live in the parent. A copy whose row was not written before the worker died is taken up."""
    made = Pod.objects.filter(parent=row.parent, lineage=Lineage.PREVIEW, name=row.name, preview=None)
    copy = made.filter(deleting_at=None).first()
    if copy and copy.draft is None:  # the worker died while it was being copied
        deployments.delete_pod(pod=copy, confirmation=copy.name, by=None)
        copy = None
    copy = copy or _copied(row)
    if copy is None:
        return
    with transaction.atomic():
        parent = places.lock(row.parent_id)
        still = Preview.objects.filter(pk=row.pk, state=PreviewState.OPEN, pod=None, name=row.name)
        if parent is None or not still.update(pod=copy):
            deployments.delete_pod(pod=copy, confirmation=copy.name, by=None)


def _copied(row: Preview) -> Pod | None:
    """None when somebody took the name meanwhile: there is another one then."""
    settings = places.settings_of(row.parent)
    databases = DatabasePolicy(settings.databases)
    try:
        return branch_off(
            row.parent,
            lineage=Lineage.PREVIEW,
            name=row.name,
            by=row.approved_by,
            variables=settings.variables,
            with_secrets=not row.is_fork,
            databases=DatabasePolicy.EMPTY if row.is_fork and databases == DatabasePolicy.SEEDED else databases,
        )
    except Conflict as error:
        if error.code not in ("name_taken", "host_taken"):
            raise
        Preview.objects.filter(pk=row.pk).update(name=places.free_name(row))
        return None


def _deploy(row: Preview) -> None:
    """Deploy the newest commit."""
    assert row.pod is not None
    commit = _commit(row)
    with transaction.atomic():
        pod = Pod.objects.select_for_update().get(pk=row.pod_id)
        still = Preview.objects.filter(pk=row.pk, state=PreviewState.OPEN, head_sha=row.head_sha)
        still = still.filter(approved_sha=row.approved_sha)
        if not still.update(deployed_sha=row.head_sha):
            return
        summary = f"Pull request {row.number} at {commit[:7]}: {row.title}"[:200]
        if pod.head_id is None:
            _adapt(row, pod, commit)
            revision = pods.seal(pod=pod, summary=summary, by=row.approved_by)
            deployments.start(pod=pod, revision=revision, trigger=Trigger.PUSH, by=row.approved_by)
            return
        there = pod.head.snapshot() if pod.head else {}
        commits = {app: commit for app in row.apps if app in there and there[app].kind == "App"}
        try:
            with transaction.atomic():
                deployments.deploy_commits(
                    pod=pod, commits=commits, trigger=Trigger.PUSH, by=row.approved_by, summary=summary
                )
        except Conflict as error:
            if error.code != "nothing_to_deploy":
                raise


def _adapt(row: Preview, pod: Pod, commit: str) -> None:
    """Have the draft's apps built from the pull request; those of other repositories as they are live in the parent."""
    live = row.parent.live
    built = dict(Build.objects.filter(revision=live).values_list("app", "commit")) if live else {}
    sleep = places.settings_of(row.parent).sleep
    for resource in pods.draft(pod=pod, by=row.approved_by).resources.filter(kind="App"):
        source = resource.spec.get("source", {})
        if resource.name in row.apps:
            source = source | _source(row, source.get("repo", "")) | {"commit": commit}
        elif not source.get("commit"):
            source = source | {"commit": built.get(resource.name, "")}
        _change(resource, source=source, sleep=sleep)


def _source(row: Preview, repo: str) -> dict[str, Any]:
    """Submodules are fetched with the team's access: what a fork names as one is not."""
    place: dict[str, Any] = {"repo": row.source_url or repo, "branch": row.ref}
    return place | {"submodules": False} if row.is_fork else place


def _change(resource: Resource, *, source: dict[str, Any], sleep: int) -> None:
    changed: dict[str, Any] = {"source": source}
    if jobs := resource.spec.get("jobs"):  # they may have the parent's secrets: nobody is billed once for each preview
        changed["jobs"] = [job | {"enabled": False} for job in jobs]
    if sleep and resource.spec.get("type", "web") == "web":
        changed["sleepAfter"] = sleep
    resource.spec = resource.spec | changed
    resource.save(update_fields=["spec"])


def _commit(row: Preview) -> str:
    """The whole id of the newest commit; asked of the host where it gave the first characters only.

    Raises UserError("preview_outdated") when the branch has moved on since: the host tells of that too.
    """
    if len(row.head_sha) in WHOLE:
        return row.head_sha
    live = row.parent.live
    resource = live.resources.filter(kind="App", name__in=row.apps).first() if live else None
    repo = row.source_url or (resource.spec["source"]["repo"] if resource else "")
    with access(row.parent.team, repo) as way:
        found = sources.source().resolve(repo, row.ref, credential=way.credential)
    if not found.startswith(row.head_sha):
        words = f"The branch {row.branch} is at {found[:7]} by now, and not at {row.head_sha[:7]}."
        raise UserError("preview_outdated", words, "It goes on with the delivery that tells of the newer commit.")
    return found
