"""Operators see which pods are behind Cloudflare, and how the last purge went."""

from __future__ import annotations

from django.contrib import admin

from apps.cdn.models import CloudflareZone
from apps.core.admin import ReadOnly


@admin.register(CloudflareZone)
class CloudflareZoneAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("pod", "zone", "succeeded", "purged_at", "set_by")
    search_fields = ("zone", "pod__name")
    list_select_related = ("pod", "set_by")
