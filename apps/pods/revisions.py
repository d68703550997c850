"""Copying, sealing and numbering revisions: the steps that actions are made of, with the pod's row locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Max
from django.utils import timezone

from apps.core.errors import Conflict, Detail, Invalid
from apps.pods import moving
from apps.pods.models import Pod, Resource, Revision
from apps.pods.validation import problems

if TYPE_CHECKING:
    from apps.accounts.models import User


def lock(pod: Pod) -> Pod:
    """The pod's row, locked to the end of the transaction. Raises Conflict("pod_deleting")."""
    row = Pod.objects.select_for_update().get(pk=pod.pk)
    if row.deleting_at:
        raise Conflict("pod_deleting", f"{row.name} is being deleted.", "Nothing in it can be changed any more.")
    return row


def copy(source: Revision | None, into: Revision) -> None:
    """Give `into` the engine and the resources of `source`, instead of what it had."""
    into.engine = source.engine if source else ""
    into.save(update_fields=["engine", "changed_at"])
    into.resources.all().delete()
    if source:
        copies = [Resource(revision=into, kind=r.kind, name=r.name, spec=r.spec) for r in source.resources.all()]
        Resource.objects.bulk_create(copies)


def open_draft(pod: Pod, by: User | None, source: Revision | None) -> Revision:
    """A new draft off `source`."""
    draft = Revision.objects.create(pod=pod, parent=source, author=by)
    copy(source, draft)
    return draft


def check_deployable(pod: Pod, revision: Revision) -> None:
    """Raises Invalid with every problem, Conflict("nothing_to_deploy") for what is live already."""
    snapshot = revision.snapshot()
    if wrong := [*problems(snapshot), *moving.problems(pod.live, revision, snapshot)]:
        raise Invalid(wrong)
    if not moving.changes(pod.live, revision):
        raise Conflict(
            "nothing_to_deploy", "Nothing differs from what is live.", "Change something first, or redeploy."
        )


def close(pod: Pod, revision: Revision, summary: str, by: User | None) -> Revision:
    """Seal `revision` as the pod's next version."""
    revision.version = (pod.revisions.aggregate(last=Max("version"))["last"] or 0) + 1
    revision.summary, revision.author, revision.sealed_at = summary, by or revision.author, timezone.now()
    revision.save()
    return revision


def check_summary(summary: str) -> str:
    """One line of at most 200 characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in summary).split())
    if len(line) > 200:
        raise Invalid([Detail("summary", "must be at most 200 characters.")])
    return line


def summarise(pod: Pod, revision: Revision) -> str:
    """What a revision is called that nobody named."""
    words = {"create": "add", "update": "change", "delete": "remove"}
    text = ", ".join(
        f"move to {change.fields[0].after}" if change.kind == "Pod" else f"{words[change.change]} {change.name}"
        for change in moving.changes(pod.live, revision)
    )
    text = text[:1].upper() + text[1:]
    return text if len(text) <= 200 else f"{text[:199]}…"
