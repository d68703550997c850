"""manage.py export: a pod as brainpod.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.errors import UserError
from apps.manifests.export import exported
from apps.manifests.revisions import revision_named
from apps.pods.models import Pod


class Command(BaseCommand):
    help = "Write a pod as brainpod.yaml: its draft if it has one, else what was deployed last."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("pod")
        parser.add_argument("--revision", default="", metavar="WHICH", help="live, head, draft or a number, such as 7")
        parser.add_argument("--commits", action="store_true", help="with the commits that its apps are pinned to")
        parser.add_argument("--output", type=Path, help="a file; without, it is printed")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            pod = Pod.objects.filter(name=options["pod"]).first()
            if pod is None:
                raise CommandError(f"There is no pod called {options['pod']}.")
            text = exported(revision_named(pod, options["revision"]), pod=pod.name, commits=options["commits"])
            if options["output"]:
                options["output"].write_text(text)
            else:
                self.stdout.write(text, ending="")
        except (UserError, OSError) as error:
            raise CommandError(str(error)) from None
