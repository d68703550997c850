"""Services for operators: to look at. They are added, changed and removed on the dashboard's own pages."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import ReadOnly
from apps.infrastructure.models import Service, ServiceEvent


@admin.register(Service)
class ServiceAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "type", "managed", "declared", "wanted", "shared", "last_error", "created_at")
    list_filter = ("type", "managed", "declared")
    search_fields = ("name", "host")
    list_select_related = True
    exclude = ("path", "handle")


@admin.register(ServiceEvent)
class ServiceEventAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("service", "at", "kind", "words", "actor")
    list_filter = ("kind",)
    search_fields = ("service", "words")
    list_select_related = ("actor",)
