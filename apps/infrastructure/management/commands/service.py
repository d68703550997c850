"""manage.py service NAME: become one service of the platform, for honcho, systemd and the like."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import PlatformError
from apps.infrastructure.embedded import files
from apps.infrastructure.embedded.services import named
from apps.infrastructure.embedded.steps import set_store_up


class Command(BaseCommand):
    help = "Become one service (valkey, openbao, engine, pages, sockets, git, worker, beat, logs, nginx)."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        try:
            service = named(name)
            os.umask(0o077)
            files.directory(settings.BRAINPOD.run, 0o711)
            if name == "openbao":
                set_store_up()
            command = service.command()
        except PlatformError as error:
            raise CommandError(f"{error} {error.hint}".strip()) from error
        for path in service.leftovers:
            path.unlink(missing_ok=True)
        os.execve(command[0], command, dict(service.env))
