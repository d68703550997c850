"""Connections for operators: to look at. Their secrets are in the secret store."""

from __future__ import annotations

from django.contrib import admin

from apps.connections.models import Connection
from apps.core.admin import ReadOnly


@admin.register(Connection)
class ConnectionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "team", "host", "kind", "scope", "last_used_at", "last_error")
    list_filter = ("kind", "provider")
    search_fields = ("name", "host", "team__name")
    list_select_related = ("team",)
    exclude = ("path",)
