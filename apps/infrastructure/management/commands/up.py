"""manage.py up: the whole platform, by one supervisor, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from apps.accounts.links import first_link
from apps.core.errors import PlatformError, UserError
from apps.core.places import SYSTEM, first_closed
from apps.engines import named, offered
from apps.infrastructure.embedded import process, services
from apps.infrastructure.embedded.doctor import check_port, closed_state
from apps.infrastructure.embedded.nursery import Nursery
from apps.infrastructure.embedded.running import inherited
from apps.infrastructure.embedded.supervisor import Supervisor, leave, refuse_second


class Command(BaseCommand):
    help = "Start everything and keep it running; Ctrl-C stops it in order."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-demo", action="store_true", help="do not make the demo pod on the first run")

    def handle(self, *args: Any, no_demo: bool, **options: Any) -> None:
        os.umask(0o077)
        self._demo: subprocess.Popen[str] | None = None
        self._with_demo = not no_demo
        self._say(f"{'state':<12} | {settings.BRAINPOD.state}{self._why()}")
        nursery = None
        try:
            refuse_second(settings.BRAINPOD.state)
            process.keep_memory_small()
            services.preload()
            tiers = services.tiers()
            nursery = Nursery.open(tiers)
            supervisor = Supervisor(
                settings.BRAINPOD.state, tiers, self._report, self._when_up, check=self._check, nursery=nursery
            )
            code = asyncio.run(supervisor.run())
        except (PlatformError, UserError) as error:
            raise CommandError(f"{error.message} {error.hint}".strip()) from error
        finally:
            if nursery:
                nursery.close()
            if self._demo and self._demo.poll() is None:
                self._demo.terminate()
        leave(code)

    def _why(self) -> str:
        """Why the state directory is not where one expects it."""
        usual = settings.ROOT / "var"
        moved = settings.BRAINPOD.state == SYSTEM and "BRAINPOD_STATE" not in os.environ
        return f" (not {usual}: others may not enter {first_closed(usual)})" if moved else ""

    def _check(self) -> None:
        if not inherited(settings.BRAINPOD.run / "nginx.pid"):  # else it is our own that listens, and goes on
            check_port(settings.BRAINPOD)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _report(self, line: str) -> None:
        name, colon, rest = line.partition(": ")
        self._say(f"{name:<12} | {rest}" if colon and len(name) <= 12 else f"{'brainpod':<12} | {line}")

    def _when_up(self) -> None:
        """In a thread of the supervisor: what the newcomer needs to know."""
        config = settings.BRAINPOD
        try:
            link = first_link()
        finally:
            connections.close_all()
        self._say("")
        for note in _notes():
            self._say(f"  ATTENTION  {note}")
        self._say(f"  Dashboard  {config.public_address}")
        if also := config.other_address:
            self._say(f"  or         {also}   (the browser warns of its certificate unless one was issued)")
        if link:
            self._say(f"  Sign in    {config.public_address}{link}   (once; manage.py signin makes another)")
        self._say("  Stop       Ctrl-C\n")
        if self._with_demo and not (config.state / "demo-done").exists():
            threading.Thread(target=self._run_demo, daemon=True).start()

    def _run_demo(self) -> None:
        """The demo pod, once; its lines are shown as they come."""
        self._demo = subprocess.Popen(
            [sys.executable, sys.argv[0], "demo"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True, preexec_fn=process.dies_with_parent(),
        )  # fmt: skip
        assert self._demo.stdout is not None
        for line in self._demo.stdout:
            self._report(f"demo: {line.rstrip()}")
        if self._demo.wait() == 0:
            (settings.BRAINPOD.state / "demo-done").touch()
        else:
            self._report("demo: did not finish; manage.py demo tries again")


def _notes() -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    for name in offered():
        try:
            notes += named(name).check().notes
        except PlatformError as error:
            notes += (str(error),)
    closed = closed_state(settings.BRAINPOD.state)
    return (*notes, f"The state directory is {settings.BRAINPOD.state}. {closed}") if closed else notes
