"""manage.py restore: a new state directory out of a backup of the platform."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyrage
from django.core.management.base import BaseCommand, CommandError, CommandParser
from pyrage import x25519

from apps.backups.platform import restoring
from apps.core.errors import PlatformError, UserError


class Command(BaseCommand):
    help = "Make what manage.py backup wrote the state of this platform, which has to be empty. Then: make up."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--identity", type=Path, required=True, help="the file with the key: AGE-SECRET-KEY-1…")

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)
        try:
            about = restoring.restore(options["file"], identities(options["identity"]))
        except (UserError, PlatformError, OSError) as error:
            raise CommandError(str(error)) from None
        pods = ", ".join(about["pods"]) or "none"
        self.stdout.write(f"Restored as of {about['at']}: {about['secrets']} secrets; pods: {pods}.")


def identities(path: Path) -> list[x25519.Identity]:
    lines = [line.strip() for line in path.read_text().splitlines()]
    try:
        found = [x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise CommandError(f"{path} has no identity in it: a line that begins with AGE-SECRET-KEY-1.")
    return found
