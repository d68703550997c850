"""Snapshots, restores and what was done on disks, for operators to look at."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import ReadOnly
from apps.disks.models import DiskAction, Restore, Snapshot


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "pod", "disk", "state", "size", "paused", "actor", "created_at", "note")
    list_filter = ("state",)
    search_fields = ("id", "pod__name", "disk", "note")
    list_select_related = ("pod", "actor")


@admin.register(Restore)
class RestoreAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "pod", "disk", "target", "state", "actor", "created_at", "finished_at", "reason")
    list_filter = ("state",)
    search_fields = ("id", "pod__name", "disk", "target")
    list_select_related = ("pod", "actor")


@admin.register(DiskAction)
class DiskActionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("at", "person", "did", "path", "disk", "pod_name", "team", "address")
    list_filter = ("did", "team")
    search_fields = ("person", "path", "pod_name", "disk", "address")
    list_select_related = ("team",)
