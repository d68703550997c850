"""Pods for operators: to look at. What changes a pod goes through its draft."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import ReadOnly
from apps.pods.models import AppKey, DomainProof, HostName, Pod, PodRole, Resource, Revision, RoutePassword


class HostNameInline(ReadOnly, admin.TabularInline):
    model = HostName
    fields = ("host", "route", "custom", "state")


class ResourceInline(ReadOnly, admin.TabularInline):
    model = Resource
    fields = ("kind", "name", "spec")
    show_change_link = True


@admin.register(Pod)
class PodAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "team", "lineage", "live", "head", "created_at", "deleting_at")
    list_filter = (("deleting_at", admin.EmptyFieldListFilter), "lineage", "team")
    search_fields = ("name", "id", "team__name")
    list_select_related = ("team", "live", "head")
    exclude = ("webhook_path",)
    readonly_fields = ("deleting_at",)
    inlines = (HostNameInline,)


@admin.register(PodRole)
class PodRoleAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("membership", "pod", "role")
    list_filter = ("role",)
    search_fields = ("membership__user__email", "pod__name")
    list_select_related = ("membership__user", "membership__team", "pod")


@admin.register(Revision)
class RevisionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("pod", "version", "engine", "summary", "author", "sealed_at", "changed_at")
    list_filter = (("sealed_at", admin.EmptyFieldListFilter), "pod__team")
    search_fields = ("pod__name", "summary")
    list_select_related = ("pod", "author")
    inlines = (ResourceInline,)


@admin.register(Resource)
class ResourceAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "kind", "pod", "revision")
    list_filter = ("kind",)
    search_fields = ("name", "revision__pod__name")
    list_select_related = ("revision__pod",)

    @admin.display(ordering="revision__pod__name")
    def pod(self, resource: Resource) -> str:
        return resource.revision.pod.name


@admin.register(HostName)
class HostNameAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("host", "pod", "route", "custom", "state", "proof", "changed_at", "checked_at")
    list_filter = ("custom", "state")
    search_fields = ("host", "pod__name")
    list_select_related = ("pod",)


@admin.register(DomainProof)
class DomainProofAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("host", "zone", "team", "made_at", "proven_at")
    list_filter = (("proven_at", admin.EmptyFieldListFilter),)
    search_fields = ("host", "team__name")
    list_select_related = ("team",)


@admin.register(AppKey)
class AppKeyAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "app", "pod", "created_by", "created_at", "ends_at")
    search_fields = ("name", "app", "pod__name")
    list_select_related = ("pod", "created_by")
    exclude = ("digest",)


@admin.register(RoutePassword)
class RoutePasswordAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("route", "pod", "version")
    search_fields = ("route", "pod__name")
    list_select_related = ("pod",)
    exclude = ("hashed",)
