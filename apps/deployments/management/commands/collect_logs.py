"""manage.py collect_logs: what apps write, into their streams, and what they use and answer, until it is stopped."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from apps.logs.collector import collect
from apps.metrics.collector import measure

PATIENCE = 5.0  # seconds a round under way may take to end; what it does not write is read again


class Command(BaseCommand):
    help = "Collect the output of running apps, and measure them."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        measuring = threading.Thread(target=measure, args=(stop,), name="metrics", daemon=True)
        measuring.start()
        collect(stop)
        measuring.join(PATIENCE)
