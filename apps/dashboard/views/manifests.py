"""A pod as a file, and a file as the draft of a pod."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.roles import Role
from apps.core.errors import Invalid, NotFound, UserError
from apps.dashboard.access import Request, pod_page
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.manifests import ConvertForm, ImportForm, RepositoryForm
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render
from apps.manifests import actions, fetching
from apps.manifests.export import exported
from apps.manifests.importing import convert
from apps.manifests.models import RepositoryImport
from apps.manifests.problems import FileRefused
from apps.manifests.reading import Manifest, parse
from apps.manifests.revisions import revision_named
from apps.pods.models import Pod

_SECRET, _MADE = "secret:", "made:"  # before `resource.secret`, in the names of the inputs


@pod_page()
@require_safe
def manifest(request: Request, pod: Pod) -> HttpResponse:
    """The pod as brainpod.yaml; `?revision=` says which, `?commits=1` with the commits."""
    which, commits = request.GET.get("revision", ""), request.GET.get("commits") == "1"
    text = exported(revision_named(pod, which), pod=pod.name, commits=commits)
    context = frame(pod, request.access) | {"text": text, "which": which, "commits": commits}
    return render(request, "manifests/manifest.html", context)


@pod_page()
@require_safe
def manifest_file(request: Request, pod: Pod) -> HttpResponse:
    """The same as a file."""
    revision = revision_named(pod, request.GET.get("revision", ""))
    text = exported(revision, pod=pod.name, commits=request.GET.get("commits") == "1")
    response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="brainpod.yaml"'
    return response


@pod_page(needs=Role.DEVELOPER)
@require_http_methods(["GET", "HEAD", "POST"])
def imports(request: Request, pod: Pod) -> HttpResponse:
    """Posting tells what a file would change; with `action=apply` it goes into the draft.

    `?of=`: begins with what an import from a repository found.
    """
    if request.method != "POST":
        return _begun(request, pod)
    if request.POST.get("action") == "convert":
        return _converted(request, pod)
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, pod, form, status=422)
    text, keep = form.cleaned_data["text"], form.cleaned_data["keep"]
    again = ImportForm(initial={"text": text, "keep": keep})
    try:
        found = parse(text, team=pod.team.slug)
        values = _values(request, found)
        if request.POST.get("action") == "apply":
            actions.apply(pod=pod, manifest=found, values=values, keep=keep, by=request.user)
            messages.success(request, "The file is in the draft: look at it, and deploy.")
            return redirect("draft", pod=pod.name)
        outcome = actions.outcome(pod=pod, manifest=found, values={}, keep=keep, by=request.user)
    except FileRefused as error:
        return _page(request, pod, again, problems=error.problems, status=error.status)
    except Invalid as error:
        return _page(request, pod, again, refused=error, status=error.status)
    return _page(request, pod, again, outcome=outcome)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def repository_imports(request: Request, pod: Pod) -> HttpResponse:
    """Posting has a repository looked through by a worker, and leads to where that is waited for."""
    form = RepositoryForm(request.POST)
    if form.is_valid():
        with errors_into(form, codes={"too_many_imports": None, "no_room": None}):
            given = form.cleaned_data
            row = fetching.ask(pod=pod, repo=given["repo"], branch=given["branch"], by=request.user)
            return redirect("repository-import", pod=pod.name, found=row.pk)
    return _page(request, pod, ImportForm(initial={"keep": False}), fetching=form, status=422)


@pod_page(needs=Role.DEVELOPER)
@require_safe
def repository_import(request: Request, pod: Pod, found: str) -> HttpResponse:
    """Whoever waits for a repository is led on to what was found in it."""
    row = _import_of(pod, found)
    if row.state == "found":
        return redirect(f"{reverse('imports', kwargs={'pod': pod.name})}?of={row.pk}")
    context = frame(pod, request.access) | {"found": row}
    return render(request, "manifests/fetching.html", context, fragment="manifests/_fetching.html")


def _import_of(pod: Pod, pk: str) -> RepositoryImport:
    row = pod.repository_imports.select_related("actor").filter(pk=pk).first()
    if row is None:
        raise NotFound("such import in this pod")
    return row


def _begun(request: Request, pod: Pod) -> HttpResponse:
    """The form as it begins: blank, or with what was found in a repository."""
    if not (pk := request.GET.get("of", "")):
        return _page(request, pod, ImportForm(initial={"keep": False}))
    row = _import_of(pod, pk)
    if row.state != "found":
        return redirect("repository-import", pod=pod.name, found=row.pk)
    return _page(request, pod, ImportForm(initial={"text": row.text, "keep": True}), report=row.report, found=row)


def _converted(request: Request, pod: Pod) -> HttpResponse:
    """The form with what files of other tools become, and the report; what is there already is kept."""
    form = ConvertForm(request.POST)
    blank = ImportForm(initial={"keep": False})
    if not form.is_valid():
        return _page(request, pod, blank, converting=form, status=422)
    given = form.cleaned_data
    try:
        files = form.texts(request.FILES.getlist("chosen"))
        found = convert(files, repo=given["repo"], branch=given["branch"], pod=pod.name)
    except FileRefused as error:
        return _page(request, pod, blank, converting=form, problems=error.problems, status=error.status)
    except UserError as error:
        return _page(request, pod, blank, converting=form, refused=error, status=error.status)
    return _page(request, pod, ImportForm(initial={"text": found.text, "keep": True}), report=found.report)


def _values(request: Request, found: Manifest) -> dict[tuple[str, str], str]:
    """What was entered for the secrets that the file names, and made up for those that were to be."""
    values = {}
    for item in found.resources:
        for secret in item.named:
            key = f"{item.name}.{secret}"
            if request.POST.get(_MADE + key):
                values[item.name, secret] = secrets.token_urlsafe(32)
            elif given := request.POST.get(_SECRET + key):
                values[item.name, secret] = given
    return values


def _page(request: Request, pod: Pod, form: ImportForm, *, status: int = 200, **more: Any) -> HttpResponse:
    context = frame(pod, request.access) | {
        "form": form,
        "converting": ConvertForm(),
        "fetching": RepositoryForm(),
        **more,
    }
    return render(request, "manifests/import.html", context, status=status)
