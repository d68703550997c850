"""Operators see what was counted and how far it got; they change nothing."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import ReadOnly
from apps.metrics.models import Bucket, DiskUsage, Reading, Statements


@admin.register(Bucket)
class BucketAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["pod", "app", "step", "start", "succeeded", "refused", "failed", "cpu_ms", "memory_most"]
    list_filter = ["step"]
    search_fields = ["pod", "app"]


@admin.register(Reading)
class ReadingAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["source", "version", "written_at"]
    search_fields = ["source"]


@admin.register(DiskUsage)
class DiskUsageAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["pod", "disk", "used", "entries", "whole", "measured_at"]
    search_fields = ["pod", "disk"]


@admin.register(Statements)
class StatementsAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["pod", "database", "said_at"]
    search_fields = ["pod", "database"]
