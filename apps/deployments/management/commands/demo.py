"""manage.py demo: the sample pod, deployed, its stages told as they pass."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.quiet import only_warnings
from apps.deployments import demo
from apps.deployments.models import STAGE_TITLES


class Command(BaseCommand):
    help = "Make and deploy the sample pod `hello`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seconds", type=float, default=300.0, help="how long to wait for it to be live")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        with only_warnings():
            deployment = demo.make(
                repositories=settings.BRAINPOD.state / "repositories", example=settings.ROOT / "examples" / "hello"
            )
        told: set[str] = set()
        while deployment.is_open:
            for stage in deployment.stages.exclude(state="pending").values_list("stage", flat=True):
                if stage not in told:
                    told.add(stage)
                    self.stdout.write(f"hello: {STAGE_TITLES[stage].lower()}")
            if time.monotonic() - began > options["seconds"]:
                raise CommandError("hello is not live yet; the dashboard shows where it is.")
            time.sleep(0.2)
            deployment.refresh_from_db()
        if deployment.state != "ready":
            raise CommandError(f"hello was not deployed: {deployment.error} {deployment.hint}")
        address = settings.BRAINPOD.url(f"{demo.NAME}.{settings.BRAINPOD.domain}")
        self.stdout.write(f"hello is live after {time.monotonic() - began:.0f} s: {address}")
