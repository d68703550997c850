"""Reports for operators: to look at."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import ReadOnly
from apps.reporting.models import Report


@admin.register(Report)
class ReportAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("changed_at", "pod", "kind", "repository", "subject", "state", "sent_at", "failed")
    list_filter = ("kind", "state")
    search_fields = ("pod__name", "repository", "subject")
    list_select_related = ("pod",)
