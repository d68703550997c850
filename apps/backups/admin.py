"""Backups for operators: to look at."""

from __future__ import annotations

from django.contrib import admin

from apps.backups.models import Backup, BackupKey, BackupPlan, Lack, Restore
from apps.core.admin import ReadOnly


@admin.register(Backup)
class BackupAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "pod", "name", "kind", "state", "file", "size", "remote", "finished_at", "proven_at")
    list_filter = ("state", "kind", "remote")
    search_fields = ("id", "pod__name", "name", "file")
    list_select_related = ("pod",)


@admin.register(BackupPlan)
class BackupPlanAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "pod", "name", "kind", "schedule", "zone", "next_at", "overdue_since")
    search_fields = ("pod__name", "name")
    list_select_related = ("pod",)


@admin.register(Restore)
class RestoreAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "pod", "target", "purpose", "state", "actor", "finished_at", "error", "cleaned")
    list_filter = ("state", "purpose")
    search_fields = ("id", "pod__name", "target")
    list_select_related = ("pod", "actor")


@admin.register(Lack)
class LackAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "pod", "name", "kind", "since", "told")
    search_fields = ("pod__name", "name")
    list_select_related = ("pod",)


@admin.register(BackupKey)
class BackupKeyAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "recipient", "created_at")
    search_fields = ("recipient",)
    exclude = ("path",)
