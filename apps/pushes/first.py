"""The first push of an app: its repository has no name until something has arrived completely.

A push that ends half-way, or is refused by git, leaves nothing. Who comes second meanwhile waits, and then pushes to
the repository that the first one made, by git's own rules.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from apps.core.errors import UserError
from apps.pushes.door import Repository, hosted

PATIENCE = 60.0  # seconds a second push waits for a first one
_making: dict[str, threading.Lock] = {}
_one = threading.Lock()


@contextmanager
def empty_or(found: Repository) -> Iterator[Path]:
    """Its repository, or an empty one that is gone afterwards."""
    if found.is_there:
        yield hosted().path(found.team.slug, found.name)
        return
    with hosted().making() as made:
        yield made


class Place:
    """Where a push goes. `fresh`: it is being made, and gone at the end unless it was kept."""

    def __init__(self, found: Repository) -> None:
        self._found = found
        self._stack = ExitStack()
        self.fresh = not found.is_there
        if self.fresh:
            self._wait()
            self.fresh = not found.is_there
        self.path = hosted().path(found.team.slug, found.name)
        if self.fresh:
            self.path = self._stack.enter_context(hosted().making())

    def _wait(self) -> None:
        with _one:
            lock = _making.setdefault(self._found.url, threading.Lock())
        if not lock.acquire(timeout=PATIENCE):
            words = f"Another first push to {self._found.app} of {self._found.pod_name} is under way."
            raise UserError("push_busy", words, "Try again in a minute.", status=503)
        self._stack.callback(lock.release)

    def keep(self) -> None:
        """Give what arrived its name. Raises Conflict("repository_exists")."""
        if self.fresh:
            self.path = hosted().keep(self.path, self._found.team.slug, self._found.name)
            self.fresh = False

    def discard(self) -> None:
        """Take back what `keep` did: nothing came of the push that made it."""
        hosted().delete(self._found.team.slug, self._found.name)

    def close(self) -> None:
        self._stack.close()
