"""manage.py collect_logs: what apps write, into their streams, what they use and answer, and how they are.

Until it is stopped.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand

from apps import engines
from apps.deployments.checker import check
from apps.logs.collector import collect
from apps.metrics.collector import measure

PATIENCE = 5.0  # seconds a round under way may take to end; what it does not write is read again


class Command(BaseCommand):
    help = "Collect the output of running apps, measure them and check their health."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        first, *others = engines.offered()
        works: list[tuple[str, Callable[[threading.Event], None]]] = [("metrics", measure), ("checks", check)]
        works += [(f"logs-{name}", partial(collect, source=engines.named(name))) for name in others]
        beside = [threading.Thread(target=work, args=(stop,), name=name, daemon=True) for name, work in works]
        for thread in beside:
            thread.start()
        collect(stop, source=engines.named(first))
        for thread in beside:
            thread.join(PATIENCE)
