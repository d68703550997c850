"""Beneath /nodes/."""

from __future__ import annotations

from django.urls import URLPattern, re_path

from apps.infrastructure.nodes.views import tree

urlpatterns: list[URLPattern] = [
    re_path(r"^trees/(?P<digest>[0-9a-f]{64})/(?P<signature>[A-Za-z0-9_-]+)/tree\.tar\.gz$", tree, name="node-tree")
]
