"""The history of a pod: every revision, what it holds, and what lies between two."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from apps.core.errors import NotFound
from apps.dashboard.access import Request, pod_page
from apps.dashboard.forms.pods import RollbackForm
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render
from apps.dashboard.revision_pages import comparison, page_of_revisions, revision_context
from apps.pods.models import Pod, Revision


def revision_of(pod: Pod, version: str | int) -> Revision:
    text = str(version).removeprefix("v")
    found = None
    if text.isascii() and text.isdigit() and len(text) < 10:
        found = pod.revisions.select_related("author").filter(version=int(text)).first()
    if found is None:
        raise NotFound("such revision of this pod")
    return found


@pod_page()
@require_safe
def revisions(request: Request, pod: Pod) -> HttpResponse:
    """The history; with `?a=3&b=5` also what differs between the two."""
    context = frame(pod, request.access) | page_of_revisions(pod, request.GET.get("before", ""))
    if request.GET.get("a") and request.GET.get("b"):
        context |= comparison(revision_of(pod, request.GET["a"]), revision_of(pod, request.GET["b"]))
    return render(request, "revisions/revisions.html", context, fragment="revisions/_revisions.html")


def revision_page(
    request: Request, pod: Pod, revision: Revision, form: RollbackForm | None = None, *, status: int = 200
) -> HttpResponse:
    """What a revision holds; with `form`, the dialog of its rollback is open and says what is wrong."""
    context = frame(pod, request.access) | revision_context(pod, revision) | {"refused": form}
    return render(request, "revisions/revision.html", context, status=status)


@pod_page()
@require_safe
def revision(request: Request, pod: Pod, version: int) -> HttpResponse:
    return revision_page(request, pod, revision_of(pod, version))
