"""How many packs are on their way at once: each costs git's own processes, whatever the number of threads."""

from __future__ import annotations

import threading
from functools import lru_cache
from types import TracebackType

from django.conf import settings

from apps.core.errors import UserError

PATIENCE = 20.0  # seconds somebody waits for a place


@lru_cache(maxsize=1)
def _places(number: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(number)


class transfer:
    """A place, given back at the end of the block or earlier. Raises UserError("push_busy")."""

    def __enter__(self) -> transfer:
        self._of: threading.BoundedSemaphore | None = _places(settings.BRAINPOD.pushes)
        self._giving_back = threading.Lock()
        if not self._of.acquire(timeout=PATIENCE):
            words = "Too many pushes and clones are under way."
            raise UserError("push_busy", words, "Try again in a minute.", status=503)
        return self

    def release(self) -> None:
        """May be called more than once, from any thread."""
        with self._giving_back:
            held, self._of = self._of, None
        if held:
            held.release()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()
