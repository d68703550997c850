"""Commands whose own words are all that somebody at a terminal should read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def only_warnings() -> Iterator[None]:
    """Of the platform's log this process writes nothing below a warning until the end."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(max(before, logging.WARNING))
    try:
        yield
    finally:
        root.setLevel(before)
