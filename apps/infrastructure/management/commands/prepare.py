"""manage.py prepare: what has to be done before services are started by another process manager."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.infrastructure.embedded.steps import collect_static, migrate, refresh, set_store_up


class Command(BaseCommand):
    help = "Migrate the database, collect the static files, set the secret store up; nothing when nothing has changed."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)
        steps = {"database": migrate, "static files": collect_static, "secret store": set_store_up}
        if settings.BRAINPOD.outside is None:
            steps["nginx"] = refresh
        for name, act in steps.items():
            self.stdout.write(f"{name}: {'done' if act() else 'nothing to do'}")
