"""manage.py builder: this machine builds for a platform that runs elsewhere, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import PlatformError, UserError
from apps.infrastructure.embedded import services
from apps.infrastructure.embedded.supervisor import Supervisor, leave


class Command(BaseCommand):
    help = "Build on this machine for a platform elsewhere; Ctrl-C ends what is being built first, twice does not."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--region", help="whose pods it builds (BRAINPOD_REGION)")
        parser.add_argument("--name", help="what it is called, unique among the builders (BRAINPOD_BUILDER)")
        parser.add_argument("--capacity", type=int, help="builds at once (BRAINPOD_WORKERS)")
        parser.add_argument("--label", action="append", help="anything operators may want to know; repeatable")

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)
        self._take_over(options)
        try:
            self._check_shared()
            supervisor = Supervisor(settings.BRAINPOD.state, services.builder_tiers(), self._say, self._when_up)
            code = asyncio.run(supervisor.run())
        except (PlatformError, UserError) as error:
            raise CommandError(f"{error.message} {error.hint}".strip()) from error
        leave(code)

    def _take_over(self, options: dict[str, Any]) -> None:
        """Begin again with what the command line says as settings, which the processes started here read too."""
        given = {
            "BRAINPOD_REGION": options["region"],
            "BRAINPOD_BUILDER": options["name"],
            "BRAINPOD_WORKERS": options["capacity"],
            "BRAINPOD_BUILDER_LABELS": ",".join(options["label"] or []),
        }
        said = {name: str(value) for name, value in given.items() if value}
        if said:
            command = [sys.executable, sys.argv[0], "builder"]
            os.execve(command[0], command, {**os.environ, **said, "BRAINPOD_BUILDS": "yes"})

    def _check_shared(self) -> None:
        config = settings.BRAINPOD
        needed = ("database_url", "valkey_url", "vault_addr", "artifacts_url")
        names = ["DATABASE_URL" if n == "database_url" else f"BRAINPOD_{n.upper()}" for n in needed]
        missing = [name for name, field in zip(names, needed, strict=True) if not getattr(config, field)]
        if missing:
            words = "A builder shares the platform's database, broker, secret store and artifacts."
            raise UserError("builder_alone", words, f"Set {', '.join(missing)} as they are there.")

    def _when_up(self) -> None:
        config = settings.BRAINPOD
        self._say(f"{config.builder_name} builds for {config.region}, {config.workers} at once. Ctrl-C stops it.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
