"""What was built, for operators: to look at. Rows and stored trees belong together, so nothing is removed here."""

from __future__ import annotations

from django.contrib import admin

from apps.builds.models import Artifact, Build
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
