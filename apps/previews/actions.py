"""What people do with previews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from apps.audit import trail
from apps.core.errors import Conflict, Detail, Invalid, NotFound
from apps.core.names import check_variable
from apps.deployments import actions as deployments
from apps.deployments import lifecycle
from apps.pods.children import DatabasePolicy
from apps.pods.kinds.types import check_value
from apps.pods.models import Pod
from apps.previews import places
from apps.previews.models import LONGEST, MOST, MOST_SLEEP, Preview, PreviewSettings, PreviewState

if TYPE_CHECKING:
    from apps.accounts.models import User

MOST_VARIABLES = 100
MOST_BASES = 20


@transaction.atomic
def set_settings(
    *,
    pod: Pod,
    enabled: bool,
    limit: int,
    days: int,
    sleep: int,
    variables: Mapping[str, str],
    databases: str,
    bases: Sequence[str],
    by: User | None,
) -> PreviewSettings:
    """What holds for the previews of `pod` from now on. Switching them off closes those there are.

    Raises Invalid naming the field at fault.
    """
    parent = _locked(pod)
    if parent.lineage:
        words = f"{pod.name} was branched off another pod itself."
        raise Conflict("preview_of_child", words, "Set up previews in the pod that it was branched off.")
    given = {"limit": limit, "days": days, "sleep": sleep, "databases": databases}
    _check(limit, days, sleep, databases, variables, bases)
    row, _ = PreviewSettings.objects.update_or_create(
        pod=parent, defaults={"enabled": enabled, "variables": dict(variables), "bases": list(bases), **given}
    )
    trail.note("preview.settings", by=by, about=parent, enabled=enabled, limit=limit)
    if not enabled:
        for preview in Preview.objects.filter(parent=parent).exclude(state=PreviewState.CLOSED):
            places.close(preview, "Previews were switched off.", by=by)
    places.admit_waiting(parent)
    return row


@transaction.atomic
def approve(*, parent: Pod, pk: int, sha: str, by: User) -> Preview:
    """Let commit `sha` of a pull request from a fork be built and run. The next commit needs it anew.

    Raises NotFound, Conflict("preview_moved" | "preview_closed").
    """
    row = _row(parent, pk)
    if row.state == PreviewState.CLOSED:
        raise Conflict("preview_closed", f"{row.name} is closed.", "Open it again first.")
    if row.head_sha != sha:
        raise Conflict(
            "preview_moved", f"There is a newer commit, {row.head_sha[:7]}.", "Read it, and approve that one."
        )
    row.approved_sha, row.approved_by, row.active_at, row.error = sha, by, timezone.now(), ""
    places.judge(row)
    row.save()
    trail.note("preview.approve", by=by, about=row.parent, preview=row.name, number=row.number, commit=sha)
    places.tell(row)
    return row


@transaction.atomic
def close(*, parent: Pod, pk: int, by: User) -> Preview:
    """Raises NotFound, Conflict("preview_closed")."""
    row = _row(parent, pk)
    if row.state == PreviewState.CLOSED:
        raise Conflict("preview_closed", f"{row.name} is closed already.")
    places.close(row, f"Closed by {by}.", by=by)
    return row


@transaction.atomic
def redeploy(*, parent: Pod, pk: int, by: User) -> Preview:
    """Try again what was refused, deploy once more what is there, or open what was closed, its pull request not.

    Raises NotFound, Conflict("pull_request_closed" | "preview_closing" | "previews_off").
    """
    row = _row(parent, pk)
    if row.state == PreviewState.CLOSED:
        _check_may_open(row)
        places.begin(row)
        places.judge(row)
    elif row.pod and row.pod.head and not row.error and row.deployed_sha == row.head_sha:
        deployments.deploy_revision(pod=row.pod, revision=row.pod.head, by=by)
    row.error, row.active_at = "", timezone.now()
    row.save()
    trail.note("preview.redeploy", by=by, about=row.parent, preview=row.name, number=row.number)
    places.tell(row)
    return row


@transaction.atomic
def wake(*, parent: Pod, pk: int, by: User) -> Preview:
    """Start what sleeps or is stopped. Raises NotFound, Conflict("preview_closed" | "nothing_to_do")."""
    row = _row(parent, pk)
    if row.state == PreviewState.CLOSED or row.pod is None:
        raise Conflict("preview_closed", f"{row.name} has no pod.", "Open it again first.")
    lifecycle.for_pod("start", pod=row.pod, by=by)
    row.active_at = timezone.now()
    row.save(update_fields=["active_at"])
    return row


def _check_may_open(row: Preview) -> None:
    if not row.is_pull_open:
        message = f"Pull request {row.number} is closed."
        raise Conflict("pull_request_closed", message, "Reopen it at the git host.")
    if row.pod_id:
        raise Conflict("preview_closing", f"{row.name} is still being removed.", "Try again in a minute.")
    if not places.settings_of(row.parent).enabled:
        raise Conflict("previews_off", f"Previews are off for {row.parent.name}.", "Switch them on first.")


def _locked(pod: Pod) -> Pod:
    locked = places.lock(pod.pk)
    if locked is None:
        raise Conflict("pod_deleting", f"{pod.name} is being deleted.", "Nothing in it can be changed any more.")
    return locked


def _row(parent: Pod, pk: int) -> Preview:
    """The preview, with the parent locked."""
    _locked(parent)
    row = Preview.objects.select_related("parent", "pod__head").filter(parent=parent, pk=pk).first()
    if row is None:
        raise NotFound("such preview of this pod")
    return row


def _check(
    limit: int, days: int, sleep: int, databases: str, variables: Mapping[str, str], bases: Sequence[str]
) -> None:
    wrong = []
    numbers = {"limit": (limit, 1, MOST), "days": (days, 1, LONGEST), "sleep": (sleep, 0, MOST_SLEEP)}
    for field, (number, least, most) in numbers.items():
        if not least <= number <= most:
            wrong.append(Detail(field, f"must be {least} to {most}."))
    if databases not in DatabasePolicy.values:
        wrong.append(Detail("databases", f"must be one of {', '.join(DatabasePolicy.values)}."))
    if len(variables) > MOST_VARIABLES:
        wrong.append(Detail("variables", f"must be at most {MOST_VARIABLES}."))
    for name, value in variables.items():
        try:
            check_variable(name, "variables")
            check_value(value)
        except Invalid as error:
            wrong += [Detail("variables", f"{name}: {detail.message}") for detail in error.details]
    if len(bases) > MOST_BASES or any(not base.strip() or len(base) > 200 or not base.isprintable() for base in bases):
        wrong.append(Detail("bases", f"must be at most {MOST_BASES} names of branches, such as main or release/*."))
    if wrong:
        raise Invalid(wrong)
