"""Services for operators: to look at. They are added, changed and removed on the dashboard's own pages."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import ReadOnly
from apps.infrastructure.models import Allotment, Service, ServiceEvent


@admin.register(Service)
class ServiceAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "type", "managed", "declared", "wanted", "shared", "last_error", "created_at")
    list_filter = ("type", "managed", "declared")
    search_fields = ("name", "host")
    list_select_related = True
    exclude = ("path", "handle")


@admin.register(Allotment)
class AllotmentAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("service", "pod_name", "team_name", "resource", "database", "created_at", "released_at")
    list_filter = ("service",)
    search_fields = ("pod_name", "resource", "database")
    list_select_related = ("service",)


@admin.register(ServiceEvent)
class ServiceEventAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("service", "at", "kind", "words", "actor")
    list_filter = ("kind",)
    search_fields = ("service", "words")
    list_select_related = ("actor",)
