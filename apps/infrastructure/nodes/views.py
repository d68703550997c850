"""One stored tree as a .tar.gz, for whoever has its address."""

from __future__ import annotations

import tempfile

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from apps import artifacts
from apps.artifacts import archives
from apps.core.errors import PlatformError
from apps.infrastructure.nodes.addresses import signed

KIND = "application/gzip"


@require_safe
def tree(request: HttpRequest, digest: str, signature: str) -> HttpResponseBase:
    """404 for whoever cannot have been given the address, and once the tree is no longer kept."""
    if not signed(digest, signature):
        return HttpResponse(status=404)
    try:
        place = artifacts.artifacts().path(f"sha256:{digest}")
    except PlatformError:
        return HttpResponse(status=404)
    if request.method == "HEAD":
        return HttpResponse(content_type=KIND)
    packed = tempfile.TemporaryFile(dir=settings.BRAINPOD.state)  # noqa: SIM115 the answer closes it
    archives.pack_gzip(place, packed)
    packed.seek(0)
    return FileResponse(packed, content_type=KIND)
