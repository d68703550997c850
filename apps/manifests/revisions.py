"""Which revision of a pod is meant."""

from __future__ import annotations

from apps.core.errors import NotFound
from apps.pods.models import Pod, Revision


def revision_named(pod: Pod, which: str) -> Revision | None:
    """`live`, `head`, `draft`, or a version such as `7` or `v7`; empty: what the editors see, which may be nothing.

    Raises NotFound.
    """
    pod = Pod.objects.select_related("head", "live").get(pk=pod.pk)
    number = which.removeprefix("v")
    if not which:
        return pod.draft or pod.head or pod.live
    if which in ("live", "head", "draft"):
        found = {"live": pod.live, "head": pod.head, "draft": pod.draft}[which]
    elif number.isascii() and number.isdigit() and len(number) < 10:
        found = pod.revisions.filter(version=int(number)).first()
    else:
        raise NotFound("such revision: say live, head, draft or a number")
    if found is None:
        raise NotFound(f"{'draft' if which == 'draft' else f'revision {which}'} of this pod")
    return found
