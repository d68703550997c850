"""Imports from repositories for operators: to look at."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import ReadOnly
from apps.manifests.models import RepositoryImport


@admin.register(RepositoryImport)
class RepositoryImportAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "pod", "repo", "branch", "state", "error_code", "actor", "created_at", "finished_at")
    list_filter = ("state", "pod__team")
    search_fields = ("id", "pod__name", "repo", "error_code", "error")
    list_select_related = ("pod", "actor")
    readonly_fields = ("leased_until", "fence")
