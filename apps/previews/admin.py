"""Previews for operators: to look at."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import ReadOnly
from apps.previews.models import Preview, PreviewSettings


@admin.register(Preview)
class PreviewAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "parent", "repository", "number", "state", "why", "head_sha", "active_at")
    list_filter = ("state", "why", "is_fork")
    search_fields = ("name", "parent__name", "repository", "head_sha")
    list_select_related = ("parent",)


@admin.register(PreviewSettings)
class PreviewSettingsAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("pod", "enabled", "limit", "days", "sleep", "databases")
    search_fields = ("pod__name",)
    list_select_related = ("pod",)
