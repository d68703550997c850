"""The files of a disk: listed, made, renamed, deleted, read and edited, sent away and brought here.

Whoever may show the pod's secrets may look: what is on a disk is as private. Nothing of it is ever shown as a page of
its own: a download is an attachment of no particular kind.
"""

from __future__ import annotations

from typing import cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.roles import Role
from apps.accounts.throttle import address_of
from apps.core import downloads
from apps.core.errors import Invalid, NotFound, PlatformError, UserError
from apps.dashboard.access import Request, pod_page
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render
from apps.dashboard.resource_pages import resource_of
from apps.disks import beneath, files, uploads
from apps.disks.downloads import download
from apps.disks.listing import Order, listing
from apps.disks.names import path_of, read, shown
from apps.disks.places import Disk, disk_of
from apps.pods.models import Pod

ORDERS = ("name", "size", "changed")
PIECE = 8 * 1024 * 1024  # bytes: well below what the edge lets through at once


@pod_page(needs=Role.DEVELOPER)
@require_http_methods(["GET", "HEAD", "POST"])
def disk_files(request: Request, pod: Pod, name: str) -> HttpResponse:
    """GET: the directory `path`, page `page`, by `order`. POST changes something in it."""
    disk = disk_of(pod, name)
    if request.method == "POST":
        return _changed(request, disk)
    return _page(request, disk)


@pod_page(needs=Role.DEVELOPER)
@require_http_methods(["GET", "HEAD", "POST"])
def disk_text(request: Request, pod: Pod, name: str) -> HttpResponse:
    """A small text: shown, and saved."""
    disk = disk_of(pod, name)
    path = request.POST.get("path", "") if request.method == "POST" else request.GET.get("path", "")
    at = path_of(path)
    if not at:
        return _to(disk, ())
    if request.method == "POST":
        text, seen = request.POST.get("text", ""), request.POST.get("seen", "")
        files.save_text(disk=disk, at=at, text=text, seen=seen, by=request.user, address=address_of(request))
        messages.success(request, "Saved.")
        return _to(disk, at[:-1])
    found = files.text_of(disk, at)
    context = _context(request, disk) | {"at": shown(b"/".join(at)), "crumbs": crumbs(at), "text": found}
    return render(request, "disks/text.html", context)


@pod_page(needs=Role.DEVELOPER)
@require_POST
@downloads.download
def disk_download(request: Request, pod: Pod, name: str) -> HttpResponseBase:
    disk = disk_of(pod, name)
    at = path_of(request.POST.get("path", ""))
    found = download(disk=disk, at=at, by=request.user, address=address_of(request))
    answer = StreamingHttpResponse(found.content, content_type="application/octet-stream")
    answer["Content-Disposition"] = content_disposition_header(True, found.name) or "attachment"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer["X-Accel-Buffering"] = "no"  # it may be larger than what the edge keeps
    if found.size is not None:
        answer["Content-Length"] = str(found.size)
    return answer


@pod_page(needs=Role.DEVELOPER)
@require_POST
def disk_uploads(request: Request, pod: Pod, name: str) -> HttpResponse:
    """Begins an upload in pieces; with files in the form, all of them at once."""
    disk = disk_of(pod, name)
    at, replace = path_of(request.POST.get("path", "")), "replace" in request.POST
    sent = request.FILES.getlist("file")
    for file in sent:
        _whole(request, disk, at, file, replace=replace)
    if sent:
        messages.success(request, f"{', '.join(str(file.name) for file in sent)} is on the disk.")
        return _to(disk, at)
    try:
        size = _number(request.POST.get("size", ""), "size")
        what = request.POST.get("name", "")
        token = uploads.begin(disk=disk, at=at, name=what, size=size, replace=replace, by=request.user)
    except (UserError, PlatformError) as error:
        return _refused(error)
    return JsonResponse({"token": token, "piece": PIECE})


def _whole(request: Request, disk: Disk, at: tuple[bytes, ...], file: UploadedFile, *, replace: bool) -> None:
    by, address = request.user, address_of(request)
    token = uploads.begin(disk=disk, at=at, name=str(file.name), size=int(file.size or 0), replace=replace, by=by)
    upload = uploads.upload_of(disk=disk, token=token, by=by)
    uploads.go_on(disk=disk, upload=upload, offset=0, source=file.read, by=by, address=address)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def disk_piece(request: Request, pod: Pod, name: str) -> HttpResponse:
    """The next piece, as the body. In the address: `token`, and `offset`, where it begins."""
    disk = disk_of(pod, name)
    upload = uploads.upload_of(disk=disk, token=request.GET.get("token", ""), by=request.user)
    try:
        offset = _number(request.GET.get("offset", ""), "offset")
        there = uploads.go_on(
            disk=disk, upload=upload, offset=offset, source=request.read, by=request.user, address=address_of(request)
        )
    except (UserError, PlatformError) as error:
        there = uploads.size_of(disk, upload) if error.code == "upload_elsewhere" else -1
        return _refused(error, there)
    return JsonResponse({"there": there})


def _refused(error: UserError | PlatformError, there: int = -1) -> JsonResponse:
    status = error.status if isinstance(error, UserError) else 503
    return JsonResponse({"error": f"{error.message} {error.hint}".strip(), "there": there}, status=status)


def _changed(request: Request, disk: Disk) -> HttpResponse:
    at, name = path_of(request.POST.get("path", "")), request.POST.get("name", "")
    by, address = request.user, address_of(request)
    try:
        match request.POST.get("action"):
            case "directory":
                files.make_directory(disk=disk, at=at, name=name, by=by, address=address)
            case "rename":
                new = request.POST.get("new", "")
                files.rename(disk=disk, at=at, name=read(name), new=new, by=by, address=address)
            case "delete":
                files.delete(disk=disk, at=at, name=read(name), by=by, address=address)
                messages.success(request, f"{name} is deleted.")
            case _:
                raise NotFound("such action")
    except Invalid as error:
        messages.error(request, error.message)
    return _to(disk, at)


def _page(request: Request, disk: Disk) -> HttpResponse:
    at = path_of(request.GET.get("path", ""))
    asked = request.GET.get("order", "name")
    order = cast("Order", asked if asked in ORDERS else "name")
    number = request.GET.get("page", "1")
    page = int(number) if number.isascii() and number.isdigit() and len(number) < 8 else 1
    try:
        with beneath.top(disk.path) as root, beneath.directory(root, at) as found:
            seen = listing(found, page=page, order=order)
    except NotFound:
        if at:
            raise
        seen = None
    path = shown(b"/".join(at))
    context = _context(request, disk) | {
        "at": path, "crumbs": crumbs(at), "listing": seen, "one": request.GET.get("one", ""), "asked": asked,
        "prefix": f"{path}/" if path else "",
    }  # fmt: skip
    return render(request, "disks/files.html", context)


def _context(request: Request, disk: Disk) -> dict[str, object]:
    resource, _ = resource_of(disk.pod, disk.name)
    return frame(disk.pod, request.access) | {"resource": resource, "disk": disk}


def crumbs(at: tuple[bytes, ...]) -> list[tuple[str, str]]:
    """(name, path) of each directory on the way, and of what is shown."""
    return [(shown(part), shown(b"/".join(at[: number + 1]))) for number, part in enumerate(at)]


def _to(disk: Disk, at: tuple[bytes, ...]) -> HttpResponse:
    where = reverse("disk-files", args=[disk.pod.name, disk.name])
    return redirect(f"{where}?{urlencode({'path': shown(b'/'.join(at))})}" if at else where)


def _number(text: str, field: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Invalid(f"{field} must be a whole number.")
    return int(text)
