"""manage.py convert: files of other tools, or of a repository, as brainpod.yaml; what could not be carried is told
beside it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.models import Team
from apps.core.errors import PlatformError, UserError
from apps.core.ids import new_id
from apps.manifests import fetching
from apps.manifests.importing import FORMATS, Imported, convert, format_of
from apps.manifests.importing.repository import fetched
from apps.manifests.nodes import LARGEST


class Command(BaseCommand):
    help = (
        "Print docker-compose.yml, or Procfile and app.json, as brainpod.yaml; the report goes to the error output. "
        "Without files they are looked for in the repository."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", type=Path, help=", ".join(FORMATS.values()))
        parser.add_argument("--repo", default="", help="the git repository that the code is in")
        parser.add_argument("--branch", default="")
        parser.add_argument("--team", default="", help="without files: whose connections the repository is read with")
        parser.add_argument("--pod", default="", help="the name that is written into the file")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = self._found(options)
        except (UserError, PlatformError, OSError, UnicodeDecodeError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(found.text, ending="")
        for item in found.report:
            self.stderr.write(str(item), self.style.NOTICE)

    def _found(self, options: dict[str, Any]) -> Imported:
        repo, branch, pod = options["repo"], options["branch"], options["pod"]
        if options["files"]:
            return convert(_read(options["files"]), repo=repo, branch=branch, pod=pod)
        team = Team.objects.filter(slug=options["team"]).first()
        if team is None or not repo:
            raise CommandError("Name files, or a repository that has them: --repo ADDRESS --team SLUG.")
        fetching.check(team=team.slug, repo=repo, branch=branch)
        until = time.monotonic() + fetching.SECONDS
        found = fetched(
            team=team, repo=repo, branch=branch, pod=pod, scratch=f"import-{new_id()}",
            cancelled=lambda: time.monotonic() > until,
        )  # fmt: skip
        self.stderr.write(f"From {' and '.join(found.files)} at {found.commit[:12]}.")
        return found.imported


def _read(paths: list[Path]) -> dict[str, str]:
    found = {}
    for path in paths:
        kind = format_of(path.name)
        if not kind:
            raise CommandError(f"{path.name} is none of {', '.join(FORMATS.values())}.")
        with path.open(encoding="utf-8-sig") as file:
            found[kind] = file.read(LARGEST + 1)
    return found
