"""What happens to revisions, for operators: to look at, and to cancel as anybody in the team could."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin import ReadOnly
from apps.core.errors import UserError
from apps.deployments import actions
from apps.deployments.models import AppControl, AppEvent, Deployment, Duty, Job, JobRun, Lookup, StageRun, Workload


class StageRunInline(ReadOnly, admin.TabularInline):
    model = StageRun
    fields = ("stage", "app", "state", "started_at", "finished_at", "note")


@admin.register(Deployment)
class DeploymentAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "pod", "revision", "trigger", "state", "error_code", "actor", "created_at", "finished_at")
    list_filter = ("state", "trigger", "pod__team")
    search_fields = ("id", "pod__name", "error_code", "error")
    list_select_related = ("pod", "revision", "actor")
    readonly_fields = ("leased_until", "fence")
    inlines = (StageRunInline,)
    actions = ("cancel",)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    @admin.action(description="Cancel the selected deployments", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        """Through the action of the dashboard: what has gone live or ended is left alone, and said so."""
        by: Any = request.user
        for deployment in queryset.select_related("pod", "revision"):
            try:
                actions.cancel(deployment=deployment, by=by)
            except UserError as error:
                self.message_user(request, f"{deployment} ({deployment.pk}): {error}", messages.WARNING)
            else:
                self.message_user(request, f"{deployment} ({deployment.pk}) is being cancelled.")


@admin.register(Lookup)
class LookupAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "app", "pod", "branch", "state", "error_code", "actor", "created_at", "finished_at")
    list_filter = ("state", "pod__team")
    search_fields = ("id", "app", "pod__name", "error_code", "error")
    list_select_related = ("pod", "actor")
    readonly_fields = ("leased_until", "fence")


@admin.register(StageRun)
class StageRunAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("stage", "app", "state", "deployment", "started_at", "finished_at", "note")
    list_filter = ("state", "stage")
    search_fields = ("app", "deployment__id", "deployment__pod__name", "note")
    list_select_related = ("deployment__pod", "deployment__revision")


@admin.register(Workload)
class WorkloadAdmin(ReadOnly, admin.ModelAdmin):
    list_display = (
        *("__str__", "pod", "revision", "engine", "state", "serving", "restarts", "reason", "observed_at"),
        "stopped_at",
    )
    list_filter = ("state", "serving", "engine", "pod__team")
    search_fields = ("id", "app", "pod__name")
    list_select_related = ("pod", "revision")


@admin.register(AppEvent)
class AppEventAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("at", "pod", "app", "instance", "kind", "level", "words", "actor")
    list_filter = ("kind", "level", "pod__team")
    search_fields = ("app", "workload", "pod__name", "words")
    list_select_related = ("pod", "actor")


@admin.register(AppControl)
class AppControlAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("__str__", "due", "stopped_at", "stopped_by", "asleep_since", "count", "scaled_at", "generation")
    list_filter = ("due", "pod__team")
    search_fields = ("app", "pod__name")
    list_select_related = ("pod", "stopped_by")
    readonly_fields = ("leased_until", "fence")


@admin.register(Job)
class JobAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "app", "pod", "schedule", "zone", "next_at")
    list_filter = ("pod__team",)
    search_fields = ("name", "app", "pod__name")
    list_select_related = ("pod",)


@admin.register(JobRun)
class JobRunAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "job", "app", "pod", "trigger", "state", "scheduled_for", "started_at", "finished_at")
    list_filter = ("state", "trigger", "pod__team")
    search_fields = ("id", "job", "app", "pod__name", "reason")
    list_select_related = ("pod",)
    readonly_fields = ("leased_until", "fence")


@admin.register(Duty)
class DutyAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "is_held", "leased_until", "fence")
    search_fields = ("name",)
    readonly_fields = ("leased_until", "fence")

    @admin.display(boolean=True, description="held")
    def is_held(self, duty: Duty) -> bool:
        return duty.held
