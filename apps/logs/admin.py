"""Operators see what is stored and how much; they change nothing."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import ReadOnly
from apps.logs.models import LogChunk, LogStream


@admin.register(LogStream)
class LogStreamAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "last_seq", "dropped", "touched_at"]
    search_fields = ["name"]


@admin.register(LogChunk)
class LogChunkAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["stream", "first_seq", "last_seq", "last_at", "size"]
    search_fields = ["stream"]
    exclude = ["data"]
