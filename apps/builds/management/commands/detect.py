"""`manage.py detect DIRECTORY`: how Brainpod would build what is there."""

from __future__ import annotations

import json
import tempfile
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.builds.detect import detect
from apps.builds.detect.plan import Overrides, Plan
from apps.builds.detect.project import Project
from apps.builds.image.railpack import preparing, reading
from apps.core.errors import Detail, Invalid, UserError
from apps.core.paths import beneath

_SHOWN = ("stack", "framework", "kind", "versions", "install", "build", "start", "output", "caches")


class Command(BaseCommand):
    help = "Shows how the app in a directory would be built: stack, versions, commands. Runs and changes nothing."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path)
        parser.add_argument("--json", action="store_true", help="one JSON object; on failure its name and what to do")
        parser.add_argument("--root-dir", default="", help="where in DIRECTORY the app is, as in an app's settings")
        parser.add_argument("--framework", default="", help="the detector to use, as in an app's settings")
        parser.add_argument(
            "--builder",
            choices=("bundle", "image", "railpack"),
            default="bundle",
            help="image: a Dockerfile at the root beats everything; railpack: as it plans the app",
        )

    def handle(self, *args: Any, directory: Path, **options: Any) -> None:
        if not directory.is_dir():
            raise CommandError(f"{directory} is no directory.")
        try:
            app = beneath(directory, options["root_dir"], "root-dir")
            if not app.is_dir():
                raise Invalid([Detail("root-dir", f"There is no directory {options['root_dir']}.")])
            wanted = Overrides(framework=options["framework"], builder=options["builder"])
            planned = wanted.builder == "railpack"
            plan = _by_railpack(app, wanted) if planned else detect(app, wanted, repository=directory)
        except UserError as error:
            if options["json"]:
                failure = {"code": error.code, "message": error.message, "hint": error.hint}
                self.stdout.write(json.dumps({"error": failure}))
            raise CommandError(f"{error.code}: {error}") from None
        shown = {key: value for key, value in asdict(plan).items() if key in _SHOWN}
        self.stdout.write(json.dumps(shown) if options["json"] else _table(plan))


def _by_railpack(app: Path, wanted: Overrides) -> Plan:
    project = Project(app.resolve())
    with tempfile.TemporaryDirectory() as work:
        mise = settings.BRAINPOD.state / "tools" / preparing.MISE
        return reading.read(preparing.prepare(project, wanted, work=Path(work), mise=mise), project, wanted)


def _table(plan: Plan) -> str:
    """Two columns; what is there several times is named once."""
    rows = plan.rows()
    width = max(len(name) for name, _ in rows)
    lines, before = [], ""
    for name, value in rows:
        lines.append(f"{'' if name == before else name:{width}}  {value}")
        before = name
    return "\n".join(lines)
