"""What Prometheus reads, with a token of its own."""

from __future__ import annotations

import hmac

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.dashboard import platform_figures
from apps.metrics import exposition


@never_cache
@require_safe
def prometheus(request: HttpRequest) -> HttpResponse:
    """404 where no token is set up, 401 without the right one."""
    token = settings.BRAINPOD.metrics_token
    if not token:
        raise Http404
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    right = hmac.compare_digest(given.strip().encode(), token.encode())
    if scheme.lower() != "bearer" or not right:
        words = "This needs the token of BRAINPOD_METRICS_TOKEN.\n"
        return HttpResponse(words, status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(exposition.text(platform_figures.families()), content_type=exposition.CONTENT_TYPE)
