"""Webhooks in, beneath /hooks/. With or without a slash at the end: no git host follows a redirect with its body."""

from __future__ import annotations

from django.urls import URLPattern, re_path

from apps.hooks.views import app_hook, hook

urlpatterns: list[URLPattern] = [
    re_path(r"^app/(?P<connection>[0-9a-z]{16})/?$", app_hook, name="app-hook"),
    re_path(r"^(?P<pod>[A-Za-z0-9_-]{1,64})/?$", hook, name="hook"),
    re_path(r"^(?P<pod>[A-Za-z0-9_-]{1,64})/(?P<app>[a-z0-9-]{1,63})/?$", hook, name="hook-of-app"),
]
