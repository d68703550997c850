"""All addresses of the platform."""

from __future__ import annotations

from importlib.util import find_spec

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("apps.dashboard.urls")),  # before the admin: it has its own door to the operators' pages
    path("operators/", admin.site.urls),
    path("nodes/", include("apps.infrastructure.nodes.urls")),
]
if find_spec("apps.flatrun.urls"):
    urlpatterns.insert(0, path("api/", include("apps.flatrun.urls")))
if find_spec("apps.api.urls"):
    urlpatterns.insert(0, path("api/v1/", include("apps.api.urls")))
if find_spec("apps.hooks.urls"):
    urlpatterns.insert(0, path("hooks/", include("apps.hooks.urls")))
if find_spec("apps.pushes.urls"):
    urlpatterns.insert(0, path("git/", include("apps.pushes.urls")))

handler400 = "apps.dashboard.errors.bad_request"
handler403 = "apps.dashboard.errors.forbidden"
handler404 = "apps.dashboard.errors.not_found"
handler500 = "apps.dashboard.errors.server_error"
