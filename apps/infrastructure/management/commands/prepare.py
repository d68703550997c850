"""manage.py prepare: database and static files, before services are started by another process manager."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand

from apps.infrastructure.embedded.steps import collect_static, migrate


class Command(BaseCommand):
    help = "Bring the database to the newest schema and collect the static files; nothing when nothing has changed."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)
        for name, act in (("database", migrate), ("static files", collect_static)):
            self.stdout.write(f"{name}: {'done' if act() else 'nothing to do'}")
