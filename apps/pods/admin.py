"""Pods for operators: to look at. What changes a pod goes through its draft."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.pods.models import HostName, Pod, Resource, Revision


class ReadOnly:
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class HostNameInline(ReadOnly, admin.TabularInline):
    model = HostName
    fields = ("host", "route")


class ResourceInline(ReadOnly, admin.TabularInline):
    model = Resource
    fields = ("kind", "name", "spec")


@admin.register(Pod)
class PodAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "team", "live", "head", "created_at", "deleting_at")
    list_filter = ("team",)
    search_fields = ("name", "id")
    list_select_related = ("team", "live", "head")
    exclude = ("webhook_path",)
    inlines = (HostNameInline,)


@admin.register(Revision)
class RevisionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("pod", "version", "summary", "author", "sealed_at", "changed_at")
    list_filter = ("pod",)
    search_fields = ("pod__name", "summary")
    list_select_related = ("pod", "author")
    inlines = (ResourceInline,)


@admin.register(HostName)
class HostNameAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("host", "pod", "route")
    search_fields = ("host",)
    list_select_related = ("pod",)
