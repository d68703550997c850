"""Blueprints of teams; those that everybody has are files (apps/blueprints/catalogue.py)."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.accounts.models import Team


class TeamBlueprint(models.Model):
    """`text` is the whole file, as it was given; it was read once, and is read again where it is used."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="blueprints")
    name = models.CharField(max_length=40)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="blueprint_of_a_team")]

    def __str__(self) -> str:
        return self.name
