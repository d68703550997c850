"""The picker of an app's form: repositories that a connection sees, then the branches of the one chosen.

It asks other people's hosts, so it is for those who may change the pod, and what goes wrong is said in its place.
"""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from apps.accounts.roles import Role
from apps.connections.remote.repositories import Listing
from apps.connections.remote.repositories import repositories as seen_by
from apps.core.errors import Invalid, NotFound, UserError
from apps.dashboard.access import Request, pod_page
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render, wants_fragment
from apps.dashboard.repository_pages import SHOWN, branches_of, filled, in_turn, pickers
from apps.pods.models import Pod
from apps.sources.base import Branches


@pod_page(needs=Role.DEVELOPER)
@require_safe
def repositories(request: Request, pod: Pod) -> HttpResponse:
    """`connection`: the one that is asked, at first none; `q`: words of the name."""
    there = pickers(pod)
    wanted, words = request.GET.get("connection", ""), request.GET.get("q", "").strip()[:100]
    chosen = next((one for one in there if one.pk == wanted), None)
    if wanted and chosen is None:
        raise NotFound("such connection that lists repositories")
    listing, refused = Listing(()), ""
    if chosen:
        try:
            with in_turn():
                listing = seen_by(chosen, words)
        except UserError as error:
            refused = _in_words(error)
    context = {
        "pickers": there, "chosen": chosen, "words": words, "listing": listing, "shown": listing.found[:SHOWN],
        "refused": refused, "picking": wants_fragment(request),
    }  # fmt: skip
    return render(
        request, "connections/repositories.html", frame(pod, request.access) | context,
        fragment="connections/_repositories.html", status=422 if refused else 200,
    )  # fmt: skip


@pod_page(needs=Role.DEVELOPER)
@require_safe
def repository_branches(request: Request, pod: Pod) -> HttpResponse:
    """The inputs of the form, filled with `repo` and its default branch."""
    repo = request.GET.get("repo", "").strip()
    found: Branches | None = None
    refused = ""
    try:
        found = branches_of(pod, repo)
    except UserError as error:
        refused = _in_words(error)
    context = {"pod": pod, "repo": repo, "inputs": filled(repo, found), "branches": found, "refused": refused}
    return render(request, "connections/_repository_branches.html", context)


def _in_words(error: UserError) -> str:
    return " ".join(detail.message for detail in error.details) if isinstance(error, Invalid) else str(error)
