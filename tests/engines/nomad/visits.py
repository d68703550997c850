"""Somebody who visits an app without a pause where the engine says it is, as the edge would."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from apps.engines.base import Handle
from apps.engines.nomad.client import NomadEngine
from tests.engines.workloads import echoes

FOLLOWED = 1.0  # seconds between two looks at where it is: the reconciler's are further apart, but within the handover
PAUSE = 0.05


class Visits:
    """`failures`: the addresses at which nobody answered; `seen`: those that answered, in order."""

    def __init__(self, engine: NomadEngine, handle: Handle) -> None:
        self._engine, self._handle = engine, handle
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._visit, daemon=True)
        self.failures: list[str] = []
        self.seen: list[str] = []

    def __enter__(self) -> Visits:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(60)

    def _visit(self) -> None:
        looked, address = 0.0, self._handle["address"]
        while not self._over.wait(PAUSE):
            if time.monotonic() - looked > FOLLOWED:
                looked = time.monotonic()
                address = self._engine.status(self._handle).address or address
            if not echoes({**self._handle, "address": address}):
                self.failures.append(address)
            elif address not in self.seen:
                self.seen.append(address)
