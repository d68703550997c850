"""Blueprints for operators: to look at."""

from __future__ import annotations

from django.contrib import admin

from apps.blueprints.models import TeamBlueprint
from apps.core.admin import ReadOnly


@admin.register(TeamBlueprint)
class TeamBlueprintAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "team", "created_at", "created_by")
    search_fields = ("name", "team__name")
    list_select_related = ("team", "created_by")
