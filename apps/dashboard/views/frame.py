"""The palette, the gallery, the operators' door and what monitoring asks."""

from __future__ import annotations

from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from apps.dashboard.access import Request, public, signed_in
from apps.dashboard.forms.people import InviteForm
from apps.dashboard.platform_parts import parts
from apps.dashboard.render import render
from apps.dashboard.search import find
from apps.dashboard.search.words import LONGEST
from apps.dashboard.states import STATES


@signed_in
@require_safe
def search(request: Request) -> HttpResponse:
    """What fits `?q=`, as a page and as the options of the palette."""
    text = request.GET.get("q", "").strip()[:LONGEST]
    return render(request, "search.html", {"groups": find(request.user, text), "q": text}, fragment="_search.html")


@public
@require_safe
def gallery(request: HttpRequest) -> HttpResponse:
    """Every component of the pages in one place, for developers."""
    if not settings.DEBUG:
        raise Http404
    form = InviteForm({"email": "not an address", "role": "developer"})
    for level in (messages.success, messages.error):
        level(request, "A toast looks like this.")
    return render(request, "gallery.html", {"form": form, "fresh": InviteForm(), "states": STATES})


@public
@require_http_methods(["GET", "HEAD", "POST"])
def operators_login(request: HttpRequest) -> HttpResponse:
    """The admin's own sign-in page knows no throttle: ours is used instead."""
    if request.user.is_authenticated:
        raise PermissionDenied
    query = urlencode({"next": request.GET.get("next") or reverse("admin:index")})
    return redirect(f"{reverse('sign-in')}?{query}")


@public
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@public
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 with every part "ok", else 503; a few words for each and no more, as anybody may ask."""
    states = {part.name: part.state for part in parts(every_engine=False)}
    return JsonResponse(states, status=200 if set(states.values()) == {"ok"} else 503)
