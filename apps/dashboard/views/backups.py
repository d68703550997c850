"""Backups of a pod's databases: lists, plans, one backup, what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts import gate
from apps.accounts.roles import Role
from apps.backups import actions, gone, keys, pinned, remote, sealing
from apps.backups.models import Backup
from apps.backups.platform import kept, restored
from apps.core import downloads
from apps.core.errors import Invalid, NotFound
from apps.core.schedules import Schedule
from apps.dashboard import backup_pages
from apps.dashboard.access import Request, pod_page, staff_page
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.backups import PlanForm
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render, wants_fragment
from apps.pods.models import Pod


@pod_page()
@require_safe
def pod_backups(request: Request, pod: Pod) -> HttpResponse:
    context = frame(pod, request.access) | {"cards": backup_pages.cards(pod), "gone": backup_pages.gone(pod)}
    return render(request, "backups/pod.html", context, fragment="backups/_pod.html")


@pod_page()
@require_http_methods(["GET", "HEAD", "POST"])
def backups(request: Request, pod: Pod, name: str) -> HttpResponse:
    """Posting makes one now."""
    if request.method == "POST":
        gate.require(request.access.role, Role.DEVELOPER)
        made = actions.back_up(pod=pod, name=name, by=request.user)
        messages.success(request, f"A backup of {name} is being made.")
        return redirect("backup", pod=pod.name, backup=made.pk)
    return _page(request, pod, name, None)


def _page(request: Request, pod: Pod, name: str, form: PlanForm | None, status: int = 200) -> HttpResponse:
    shown = backup_pages.list_context(pod, name)
    if shown["backup"] is None and not shown["backups"]:
        raise NotFound("such database in what is live of this pod")
    plan = shown["backup"].plan if shown["backup"] else None
    context = frame(pod, request.access) | shown | {"form": form or PlanForm.of(plan)}
    return render(request, "backups/list.html", context, fragment="backups/_list.html", status=status)


@pod_page(needs=Role.DEVELOPER)
@require_http_methods(["POST", "DELETE"])
def backup_plan(request: Request, pod: Pod, name: str) -> HttpResponse:
    """POST sets it, DELETE takes it away."""
    if request.method == "DELETE":
        actions.drop_plan(pod=pod, name=name, by=request.user)
        messages.success(request, f"{name} is no longer backed up by plan. The backups there are stay.")
        return redirect("backups", pod=pod.name, name=name)
    form = PlanForm(request.POST)
    if form.is_valid():
        with errors_into(form):
            actions.set_plan(pod=pod, name=name, by=request.user, **form.cleaned_data)
            messages.success(request, f"{name} is backed up by this plan from now on.")
            return redirect("backups", pod=pod.name, name=name)
    return _page(request, pod, name, form, status=422)


@pod_page(needs=Role.DEVELOPER)
@require_http_methods(["DELETE"])
def pinned_backups(request: Request, pod: Pod, name: str) -> HttpResponse:
    """DELETE has plans forget them again; they stay."""
    actions.release(pod=pod, name=name, by=request.user)
    messages.success(request, f"Plans may forget what was backed up of {name} before the restore.")
    return redirect("backups", pod=pod.name, name=name)


@pod_page()
@require_http_methods(["GET", "HEAD", "DELETE"])
def backup(request: Request, pod: Pod, backup: str) -> HttpResponse:
    found = backup_of(pod, backup)
    if request.method == "DELETE":
        gate.require(request.access.role, Role.DEVELOPER)
        actions.delete(backup=found, by=request.user)
        messages.success(request, "The backup is deleted.")
        return redirect("backups", pod=pod.name, name=found.name)
    context = frame(pod, request.access) | backup_pages.backup_context(pod, found)
    answer = render(request, "backups/backup.html", context, fragment="backups/_backup.html")
    if wants_fragment(request) and "open" in request.GET and not found.is_open:
        answer["HX-Refresh"] = "true"  # what can be done with it stands on the rest of the page
    return answer


@pod_page(needs=Role.DEVELOPER)
@require_POST
def backup_restores(request: Request, pod: Pod, backup: str) -> HttpResponse:
    """Has it restored into the database `target`, whose name has to be typed."""
    found = backup_of(pod, backup)
    given = {name: request.POST.get(name, "").strip() for name in ("target", "confirmation")}
    try:
        actions.restore(backup=found, by=request.user, **given)
    except Invalid as error:
        shown = backup_pages.backup_context(pod, found) | {"refused": error.details, "given": given}
        return render(request, "backups/backup.html", frame(pod, request.access) | shown, status=422)
    messages.success(request, f"{given['target']} is being restored.")
    return redirect("backup", pod=pod.name, backup=backup)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def backup_drills(request: Request, pod: Pod, backup: str) -> HttpResponse:
    actions.drill(backup=backup_of(pod, backup), by=request.user)
    messages.success(request, "It is being restored into a scratch database, which goes afterwards.")
    return redirect("backup", pod=pod.name, backup=backup)


@pod_page(needs=Role.DEVELOPER)
@require_POST
@downloads.download
def backup_content(request: Request, pod: Pod, backup: str) -> StreamingHttpResponse:
    """What is in it, opened on the way. A POST, since it is written down who asked."""
    found = backup_of(pod, backup)
    actions.downloaded(backup=found, by=request.user)
    file, identities = remote.opened(found), keys.identities()

    def content() -> Iterator[bytes]:
        with file, sealing.opened(file, identities) as plain:
            yield from backup_pages.content(plain)

    name = found.file.removesuffix(".zst.age")
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(found.raw_size)}
    return StreamingHttpResponse(content(), content_type="application/octet-stream", headers=headers)


@staff_page
@require_safe
def platform_backups(request: Request) -> HttpResponse:
    """Those of the platform itself, made by the clock."""
    config = settings.BRAINPOD
    context = {
        "files": kept.files(),
        "alarm": kept.alarm(timezone.now()),
        "restored": restored.last(),
        "pinned": list(pinned.everything()),
        "unknown": gone.unknown(),
        "mark": gone.MARK,
        "schedule": Schedule(config.backups_platform).words if config.backups_platform else "",
        "kept": config.backups_platform_kept,
        "remote": bool(config.backups_url),
        "directory": kept.directory(),
    }
    return render(request, "backups/platform.html", context)


def backup_of(pod: Pod, id: str) -> Backup:
    found = pod.backups.select_related("actor", "pod__live").filter(pk=id).first()
    if found is None:
        raise NotFound("such backup in this pod")
    return found
