"""manage.py infrastructure: whether infrastructure.yml holds, and what it declares."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import Invalid
from apps.infrastructure import declaration


class Command(BaseCommand):
    help = "Check infrastructure.yml and print what it declares, without its passwords."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        path = declaration.path()
        if path is None:
            self.stdout.write("There is no infrastructure.yml; BRAINPOD_INFRASTRUCTURE says where one is.")
            return
        try:
            found = declaration.current()
        except Invalid as error:
            lines = "\n".join(f"  {detail.path}: {detail.message}" for detail in error.details)
            raise CommandError(f"{path} does not hold:\n{lines}") from None
        self.stdout.write(f"{path}\n  networks: {found.default_proxy_network}, {found.default_database_network}")
        for name, part in found.parts.items():
            where = f"external, at {part.host}" if part.external else "managed"
            secret = "with a password" if part.password else "without a password"
            state = "" if part.enabled else ", switched off"
            self.stdout.write(f"  {name}: {part.type}, {where}, {secret}{state}")
