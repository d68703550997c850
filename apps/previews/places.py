"""Who has a place: what a preview waits for, its name, and how it ends. With the row of the parent locked."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils import timezone

from apps.audit import trail
from apps.core.announce import announce
from apps.deployments.events import changed
from apps.pods.hosts import main_host
from apps.pods.models import HostName, Pod
from apps.previews import wake
from apps.previews.models import Preview, PreviewSettings, PreviewState, Why

if TYPE_CHECKING:
    from apps.accounts.models import User

LONGEST = 40  # of a pod's name


def lock(parent_id: str) -> Pod | None:
    """The parent's row, locked to the end of the transaction; None when it is gone or going."""
    return Pod.objects.select_for_update().filter(pk=parent_id, deleting_at=None).first()


def settings_of(parent: Pod) -> PreviewSettings:
    """Those of the pod, else unsaved ones with what holds without."""
    return PreviewSettings.objects.filter(pod=parent).first() or PreviewSettings(pod=parent)


def begin(row: Preview) -> None:
    """Have the row, new or closed, stand for a preview that is to come."""
    row.state, row.why, row.name = PreviewState.WAITING, Why.NOTHING, free_name(row)
    row.pod, row.deployed_sha, row.ended, row.closed_at, row.error = None, "", "", None, ""


def judge(row: Preview) -> None:
    """Set what it waits for; without anything it is open. The caller saves it."""
    row.why = Why.NOTHING
    if not row.is_admitted:
        row.why = Why.APPROVAL
    elif row.state == PreviewState.WAITING:
        if is_full(row.parent):
            row.why = Why.LIMIT
        else:
            row.state = PreviewState.OPEN


def is_full(parent: Pod) -> bool:
    return Preview.objects.filter(parent=parent, state=PreviewState.OPEN).count() >= settings_of(parent).limit


def limit_words(parent: Pod) -> str:
    return f"the limit of {settings_of(parent).limit} is reached. It opens when another one closes."


def admit_waiting(parent: Pod) -> None:
    """Give free places to those that wait for one, the oldest first."""
    for row in Preview.objects.filter(parent=parent, state=PreviewState.WAITING, why=Why.LIMIT).order_by("id"):
        judge(row)
        if row.state != PreviewState.OPEN:
            return
        row.save()
        tell(row)


def close(row: Preview, words: str, *, by: User | None) -> None:
    """Have its pod, if there is one, deleted; whoever waited for the place has it."""
    row.state, row.why, row.error = PreviewState.CLOSED, Why.NOTHING, ""
    row.ended, row.closed_at, row.approved_sha = words[:200], timezone.now(), ""
    row.save()
    trail.note("preview.close", by=by, about=row.parent, preview=row.name, number=row.number, why=row.ended)
    tell(row)
    admit_waiting(row.parent)


def tell(row: Preview) -> None:
    """Wake a worker, have the pages look again, and let those know who want to."""
    changed(row.parent_id)
    wake.wake_for(row.pk)
    about = f"Preview {row.name} of pull request {row.number}"
    if row.state == PreviewState.CLOSED:
        event, words = "preview.closed", f"{about} is closed. {row.ended}"
    elif row.why == Why.APPROVAL:
        event, words = "preview.waiting", f"{about} waits for approval: the pull request comes from a fork."
    elif row.why == Why.LIMIT:
        event, words = "preview.waiting", f"{about} waits: {limit_words(row.parent)}"
    else:
        event, words = "preview.opened", f"{about} is being made of {row.head_sha[:7]}."
    page = ("previews", row.parent.name)
    data = {"repository": row.repository, "number": row.number, "head": row.head_sha, "preview": row.name}
    announce(event, pod_id=row.parent_id, words=words, page=page, **data)


def free_name(row: Preview) -> str:
    """`shop-pr-12`, as long as a pod's name may be, with a number more if that is taken."""
    others = (f"-pr-{row.number}-{count}" for count in itertools.count(2))
    for suffix in itertools.chain([f"-pr-{row.number}"], others):
        name = row.parent.name[: LONGEST - len(suffix)].rstrip("-") + suffix
        taken = Q(name=name) & ~Q(state=PreviewState.CLOSED)
        if (
            not Pod.objects.filter(name=name).exists()
            and not HostName.objects.filter(host=main_host(name).lower()).exists()
            and not Preview.objects.filter(taken).exclude(pk=row.pk).exists()
        ):
            return name
    raise AssertionError("numbers do not end")
