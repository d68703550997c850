"""Lines of many workloads on their way to one reader, from threads that each follow one of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from apps.core.errors import PlatformError, Unavailable
from apps.engines.base import LogLine

WAITING = 10_000  # lines that nobody took yet

Item = tuple[str, LogLine] | PlatformError


class Feed:
    """`over` is set when nobody reads any more: whoever writes then ends."""

    def __init__(self, name: str) -> None:
        self.over = threading.Event()
        self._name = name
        self._items: queue.Queue[Item] = queue.Queue(WAITING)

    def start(self, target: Callable[..., None], *given: Any) -> None:
        """Run `target` in a thread of its own."""
        threading.Thread(target=target, args=given, daemon=True, name=self._name).start()

    def put(self, workload: str, line: LogLine) -> bool:
        """Waits while nobody takes; False when nobody will any more."""
        return self._put((workload, line))

    def fail(self, error: PlatformError) -> None:
        """Whoever reads is told that the engine has gone."""
        self._put(Unavailable("engine_unavailable", error.message, error.hint))

    def lines(self) -> Iterator[tuple[str, LogLine]]:
        """Raises Unavailable when the engine has gone."""
        try:
            while True:
                item = self._items.get()
                if isinstance(item, PlatformError):
                    raise item
                yield item
        finally:
            self.over.set()

    def _put(self, item: Item) -> bool:
        while not self.over.is_set():
            try:
                self._items.put(item, timeout=0.5)
            except queue.Full:
                continue
            return True
        return False
