"""What was built and where, for operators.

Artifacts and builds are to look at: rows and stored trees belong together, so nothing is removed here. Builders are
drained before their machine is taken away, and forgotten once it is gone.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.audit.operators import Noted
from apps.builds.models import (
    Artifact,
    Build,
    BuildCache,
    Builder,
    BuildRun,
    Inspection,
    Promotion,
    PushedImage,
    Runtime,
)
from apps.core.admin import ReadOnly


class ArtifactBuildInline(ReadOnly, admin.TabularInline):
    """Whom the artifact serves."""

    model = Build
    fields = ("revision", "app", "commit", "built_at")
    show_change_link = True


@admin.register(Artifact)
class ArtifactAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "kind", "team", "megabytes", "created_at")
    list_filter = ("kind", "team")
    search_fields = ("id", "builds__app", "builds__revision__pod__name")
    list_select_related = ("team",)
    inlines = (ArtifactBuildInline,)

    @admin.display(description="MB", ordering="size")
    def megabytes(self, artifact: Artifact) -> str:
        return f"{artifact.size / 1_000_000:.1f}"


@admin.register(Build)
class BuildAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("app", "pod", "revision", "commit", "author", "artifact", "created_at", "built_at")
    list_filter = (("artifact", admin.EmptyFieldListFilter), "revision__pod__team")
    search_fields = ("app", "commit", "revision__pod__name")
    list_select_related = ("revision__pod", "artifact")

    @admin.display(ordering="revision__pod__name")
    def pod(self, build: Build) -> str:
        return build.revision.pod.name


@admin.register(Promotion)
class PromotionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("app", "revision", "build", "created_at")
    search_fields = ("app", "revision__pod__name", "build__revision__pod__name")
    list_select_related = ("revision__pod", "build__revision__pod")


@admin.register(Builder)
class BuilderAdmin(Noted, ReadOnly, admin.ModelAdmin):
    list_display = ("name", "region", "capacity", "is_alive", "draining", "dedicated", "labels", "seen_at")
    list_filter = ("region", "draining", "dedicated")
    search_fields = ("name", "region", "daemon")
    readonly_fields = ("daemon", "started_at", "seen_at")
    actions = ("drain", "resume")

    @admin.display(boolean=True, description="alive")
    def is_alive(self, builder: Builder) -> bool:
        return builder.alive

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One that is there would only announce itself again."""
        return self.has_operate_permission(request) and obj is not None and not obj.alive

    @admin.action(description="Drain: give them nothing new", permissions=["operate"])
    def drain(self, request: HttpRequest, queryset: QuerySet[Builder]) -> None:
        queryset.update(draining=True)
        words = "They end what they have. Deployments of a region without another builder wait."
        self.message_user(request, words, messages.WARNING)

    @admin.action(description="Resume: give them builds again", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Builder]) -> None:
        queryset.update(draining=False)
        self.message_user(request, "They are given builds again.")


@admin.register(Runtime)
class RuntimeAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("daemon", "seen_at")
    search_fields = ("daemon",)


@admin.register(PushedImage)
class PushedImageAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "digest", "pushed_at")
    search_fields = ("name", "digest")


@admin.register(BuildRun)
class BuildRunAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("app", "pod_name", "team", "builder", "outcome", "started_at", "minutes")
    list_filter = ("outcome", "builder", "team")
    search_fields = ("app", "pod_name", "builder")
    list_select_related = ("team",)

    @admin.display(description="minutes")
    def minutes(self, run: BuildRun) -> str:
        return f"{run.seconds / 60:.1f}"


@admin.register(Inspection)
class InspectionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "app", "pod", "state", "commit", "error_code", "created_at", "finished_at")
    list_filter = ("state", "pod__team")
    search_fields = ("id", "app", "commit", "pod__name")
    list_select_related = ("pod",)


@admin.register(BuildCache)
class BuildCacheAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("app", "pod", "zone", "megabytes", "entries", "generation", "last_used_at", "cleared_at")
    list_filter = ("zone", "team")
    search_fields = ("app", "pod__name")
    list_select_related = ("pod",)

    @admin.display(description="MB", ordering="size")
    def megabytes(self, cache: BuildCache) -> str:
        return f"{cache.size / 1_000_000:.1f}"
