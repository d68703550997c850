"""What changes how one signs in is asked for by the person, not by whoever found the browser open."""

from __future__ import annotations

import functools
import time
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from apps.dashboard.access import Request, View

LASTS = 600  # seconds
_KEY = "proven_at"


def remember(request: Request) -> None:
    request.session[_KEY] = time.time()


def is_fresh(request: Request) -> bool:
    return time.time() - float(request.session.get(_KEY, 0)) < LASTS


def proven(view: View) -> View:
    """For who has just shown who they are; others are led to do so, and come back. The innermost decorator."""

    @functools.wraps(view)
    def wrapper(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if is_fresh(request):
            return view(request, *args, **kwargs)
        back = request.path if request.method in ("GET", "HEAD") else reverse("account-second-factor")
        return HttpResponseRedirect(f"{reverse('account-proof')}?{urlencode({'next': back})}")

    return wrapper
