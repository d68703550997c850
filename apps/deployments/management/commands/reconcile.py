"""manage.py reconcile: one pass of the reconciler, now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.deployments.reconcile import reconcile


class Command(BaseCommand):
    help = "Compare what runs with what should, and mend the difference."

    def handle(self, *args: Any, **options: Any) -> None:
        reconcile()
