"""Snapshots of a disk: taken, looked at, put back, deleted."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.roles import Role
from apps.accounts.throttle import address_of
from apps.core.errors import Invalid, NotFound
from apps.dashboard.access import Request, pod_page
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render
from apps.dashboard.resource_pages import resource_of
from apps.disks import snapshots
from apps.disks.models import Snapshot
from apps.disks.places import disk_of
from apps.pods.models import Pod


def snapshot_of(pod: Pod, disk: str, id: str) -> Snapshot:
    found = Snapshot.objects.filter(pod=pod, disk=disk, pk=id).select_related("actor", "pod").first()
    if found is None:
        raise NotFound("such snapshot of this disk")
    return found


@pod_page(needs=Role.DEVELOPER)
@require_POST
def disk_snapshots(request: Request, pod: Pod, name: str) -> HttpResponse:
    """Takes one."""
    note = request.POST.get("note", "")
    snapshots.take(disk=disk_of(pod, name), note=note, by=request.user, address=address_of(request))
    messages.success(request, "A snapshot is being taken.")
    return redirect("resource", pod.name, name)


@pod_page()
@require_http_methods(["GET", "HEAD"])
def disk_snapshot(request: Request, pod: Pod, name: str, snapshot: str) -> HttpResponse:
    return _page(request, pod, snapshot_of(pod, name, snapshot))


@pod_page(needs=Role.DEVELOPER)
@require_POST
def disk_restores(request: Request, pod: Pod, name: str, snapshot: str) -> HttpResponse:
    """Puts it back; with `name`, onto a new disk of that name."""
    found, disk = snapshot_of(pod, name, snapshot), disk_of(pod, name)
    new = request.POST.get("name", "").strip()
    by, address = request.user, address_of(request)
    try:
        if request.POST.get("onto") == "new":
            snapshots.put_on_new(disk=disk, snapshot=found, name=new, by=by, address=address)
            messages.success(request, f"{new} is in the draft: deploy to have it, with this content on it.")
        else:
            snapshots.put_back(disk=disk, snapshot=found, keeps="keeps" in request.POST, by=by, address=address)
            messages.success(request, f"The snapshot is being put back onto {name}.")
    except Invalid as error:
        return _page(request, pod, found, error=error, new=new)
    return redirect("resource", pod.name, name)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def disk_snapshot_deletion(request: Request, pod: Pod, name: str, snapshot: str) -> HttpResponse:
    found = snapshot_of(pod, name, snapshot)
    snapshots.delete(disk=disk_of(pod, name), snapshot=found, by=request.user, address=address_of(request))
    messages.success(request, "The snapshot is deleted.")
    return redirect("resource", pod.name, name)


def _page(
    request: Request, pod: Pod, snapshot: Snapshot, *, error: Invalid | None = None, new: str = ""
) -> HttpResponse:
    resource, _ = resource_of(pod, snapshot.disk)
    context = frame(pod, request.access) | {
        "resource": resource,
        "snapshot": snapshot,
        "wrong": error.details[0].message if error else "",
        "new": new or f"{snapshot.disk[:55]}-copy",
    }
    return render(request, "disks/snapshot.html", context, status=error.status if error else 200)
