"""What was done in databases, for operators to look at."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import ReadOnly
from apps.databases.models import Entry, SavedStatement


@admin.register(Entry)
class EntryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "person", "team", "pod_name", "server", "database", "kind", "state", "rows", "at")
    list_filter = ("kind", "state")
    search_fields = ("id", "person", "pod_name", "server", "words")
    list_select_related = ("team",)


@admin.register(SavedStatement)
class SavedStatementAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "pod", "service", "server")
    search_fields = ("name", "server", "pod__name")
    list_select_related = ("pod", "service")
