"""manage.py convert: files of other tools as brainpod.yaml; what could not be carried is told beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.errors import UserError
from apps.manifests.importing import FORMATS, convert, format_of
from apps.manifests.nodes import LARGEST


class Command(BaseCommand):
    help = "Print docker-compose.yml, or Procfile and app.json, as brainpod.yaml; the report goes to the error output."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, help=", ".join(FORMATS.values()))
        parser.add_argument("--repo", default="", help="the git repository that the code is in")
        parser.add_argument("--branch", default="")
        parser.add_argument("--pod", default="", help="the name that is written into the file")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = convert(_read(options["files"]), repo=options["repo"], branch=options["branch"], pod=options["pod"])
        except (UserError, OSError, UnicodeDecodeError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(found.text, ending="")
        for item in found.report:
            self.stderr.write(str(item), self.style.NOTICE)


def _read(paths: list[Path]) -> dict[str, str]:
    found = {}
    for path in paths:
        kind = format_of(path.name)
        if not kind:
            raise CommandError(f"{path.name} is none of {', '.join(FORMATS.values())}.")
        with path.open(encoding="utf-8-sig") as file:
            found[kind] = file.read(LARGEST + 1)
    return found
