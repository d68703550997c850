"""Who had a terminal where, for operators: to look at, and to end."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin import ReadOnly
from apps.terminals import actions
from apps.terminals.models import TerminalSession


@admin.register(TerminalSession)
class TerminalSessionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "person", "team", "pod_name", "instance", "address", "started_at", "ended_at", "ending")
    list_filter = ("ending", "team")
    search_fields = ("id", "person", "pod_name", "app", "address")
    list_select_related = ("team",)
    actions = ("end",)

    def has_end_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    @admin.action(description="End the selected sessions", permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet[TerminalSession]) -> None:
        by: Any = request.user
        for session in queryset.filter(ended_at=None).select_related("team"):
            actions.ask_to_end(session=session, by=by)
            self.message_user(request, f"{session} ({session.pk}) is being ended.")
