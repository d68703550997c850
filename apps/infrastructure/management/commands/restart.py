"""manage.py restart: what `manage.py up` runs begins anew, from the code and the settings of now; apps go on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.infrastructure.embedded import process
from apps.infrastructure.embedded.supervisor import UP, supervisor_pid

PATIENCE = 900.0  # seconds; an upgrade may have much to migrate
LOOK = 0.2


class Command(BaseCommand):
    """Django's checks come first, so a checkout that does not load changes nothing of what runs."""

    help = "Have the platform that runs begin anew, say after an upgrade: apps, containers and static sites go on."

    def handle(self, *args: Any, **options: Any) -> None:
        state: Path = settings.BRAINPOD.state
        pid = supervisor_pid(state)
        if pid is None:
            raise CommandError(
                f"No make up runs out of {state}. Services of systemd are restarted by"
                " systemctl restart brainpod-release brainpod.target."
            )
        marker = state / UP
        if not marker.exists():
            raise CommandError(
                f"Process {pid} is not ready, or of a version that cannot begin anew. Stop it, then make up."
            )
        began = time.monotonic()
        os.kill(pid, signal.SIGUSR2)
        self._await(lambda: not marker.exists(), pid)
        self.stdout.write("Stopped but for what apps need; starting.")
        self._await(marker.exists, pid)
        self.stdout.write(f"Everything is up again, after {time.monotonic() - began:.1f} s.")

    def _await(self, done: Callable[[], bool], pid: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done():
            if not process.identity(pid):
                raise CommandError(
                    "The start failed; the output of make up, or log/ in the state directory, says why. Apps still run:"
                    " mend it, then make up. docs/upgrade.md has the way back."
                )
            if time.monotonic() > deadline:
                raise CommandError(f"Not up after {PATIENCE:.0f} s. The output of make up says what it is at.")
            time.sleep(LOOK)
