"""Operators see what is stored and how much; they change nothing."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from apps.logs.models import LogChunk, LogStream


class ReadOnly(admin.ModelAdmin):
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(LogStream)
class LogStreamAdmin(ReadOnly):
    list_display = ["name", "last_seq", "dropped", "touched_at"]
    search_fields = ["name"]


@admin.register(LogChunk)
class LogChunkAdmin(ReadOnly):
    list_display = ["stream", "first_seq", "last_seq", "last_at", "size"]
    search_fields = ["stream"]
    exclude = ["data"]
