"""The audit log for operators: to look at, and nothing else."""

from __future__ import annotations

from django.contrib import admin

from apps.audit.models import AuditEntry
from apps.core.admin import ReadOnly


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("at", "person", "actor", "token", "verb", "name", "team", "address")
    list_filter = ("actor",)
    search_fields = ("person", "verb", "name", "object_id", "address", "request")
    list_select_related = ("team",)
