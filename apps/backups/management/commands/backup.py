"""manage.py backup: the platform itself into one sealed file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyrage
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from pyrage import x25519

from apps.backups.platform import making
from apps.core.errors import PlatformError, UserError


class Command(BaseCommand):
    help = "Write the platform's database, secrets, keys and live artifacts into one file, sealed for a recipient."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("to", nargs="?", type=Path, help="a file, or a directory that gets one named by the time")
        parser.add_argument(
            "--recipient", default="", help="age1…: who can open it; BRAINPOD_BACKUPS_RECIPIENT without"
        )
        parser.add_argument("--new-key", type=Path, help="make a key pair, write it into this new file, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["new_key"]:
            self.stdout.write(new_key(options["new_key"]))
            return
        text = options["recipient"] or settings.BRAINPOD.backups_recipient
        if not text or options["to"] is None:
            raise CommandError(
                "Say where to, and for whom: manage.py backup FILE --recipient age1… (or BRAINPOD_BACKUPS_RECIPIENT). "
                "manage.py backup --new-key KEYFILE makes a pair of keys."
            )
        try:
            recipient = x25519.Recipient.from_str(text)
        except pyrage.RecipientError:
            raise CommandError(f"--recipient must be an age recipient (age1…), not {text!r}.") from None
        path: Path = options["to"].absolute()
        if path.is_dir():
            path /= making.name_at(timezone.now())
        try:
            made = making.make(path, [recipient])
        except (UserError, PlatformError, OSError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{path}: {made.size} bytes, sha256 {made.digest}")


def new_key(path: Path) -> str:
    """Its recipient. Raises CommandError where the file is there already."""
    identity = x25519.Identity.generate()
    recipient = str(identity.to_public())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"# public key: {recipient}\n{identity}\n")
    except OSError as error:
        raise CommandError(f"The key cannot be written to {path}: {error.strerror}.") from None
    return recipient
