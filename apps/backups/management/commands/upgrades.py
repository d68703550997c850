"""manage.py upgrades: the copies of the database from before upgrades, and the way back to one."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from apps.backups.platform import upgrading
from apps.core.errors import PlatformError, UserError

WORDS = {"upgrade": "before an upgrade", "back": "before going back"}


class Command(BaseCommand):
    help = "List the copies of the database from before upgrades; --back NAME makes one the database again."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--back", metavar="NAME", help="make it the database again; stop the platform first")

    def handle(self, *args: Any, back: str | None, **options: Any) -> None:
        os.umask(0o077)
        if not back:
            for copy in upgrading.copies():
                mb, why = copy.size / 2**20, WORDS.get(copy.why, copy.why)
                self.stdout.write(f"{copy.name}  {mb:9.1f} MB  {why}, {len(copy.applied)} migrations")
            return
        try:
            now = upgrading.back(back)
        except (UserError, PlatformError, OSError, DatabaseError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"The database is as it was in {back}. As it was until now it is kept as {now.name}.")
        self.stdout.write("Start the version of Brainpod that made it: this one would upgrade it again.")
