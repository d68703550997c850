"""`manage.py detect DIRECTORY`: how Brainpod would build what is there."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.builds.detect import detect
from apps.core.errors import UserError

_SHOWN = ("stack", "framework", "kind", "versions", "install", "build", "start", "output", "caches")


class Command(BaseCommand):
    help = "Shows how the app in a directory would be built: stack, versions, commands. Runs and changes nothing."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path)
        parser.add_argument("--json", action="store_true", help="one JSON object; on failure its name and what to do")

    def handle(self, *args: Any, directory: Path, **options: Any) -> None:
        if not directory.is_dir():
            raise CommandError(f"{directory} is no directory.")
        try:
            plan = detect(directory)
        except UserError as error:
            if options["json"]:
                failure = {"code": error.code, "message": error.message, "hint": error.hint}
                self.stdout.write(json.dumps({"error": failure}))
            raise CommandError(f"{error.code}: {error}") from None
        shown = {key: value for key, value in asdict(plan).items() if key in _SHOWN}
        self.stdout.write(json.dumps(shown) if options["json"] else "\n".join(plan.lines()))
