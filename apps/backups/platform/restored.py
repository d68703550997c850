"""That this platform was made of a backup of itself: as of when, and whether its first round has seen it."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils import timezone

NAME = "restored.json"  # in the state directory


@dataclass(frozen=True, slots=True)
class Restored:
    """`at`: when that was done; `of`: as of when it is."""

    at: datetime.datetime
    of: datetime.datetime
    seen: bool


def mark(of: str) -> None:
    """Called before there is a database, so that no round begins on it that does not know."""
    _write(timezone.now().isoformat(), of, seen=False)


def last() -> Restored | None:
    """None where it never was."""
    try:
        told = json.loads(_path().read_text())
    except FileNotFoundError:
        return None
    at, of = (datetime.datetime.fromisoformat(told[name]) for name in ("at", "of"))
    return Restored(at, of, told["seen"])


def waits() -> bool:
    """Whether no round has begun since."""
    found = last()
    return found is not None and not found.seen


def seen() -> None:
    if found := last():
        _write(found.at.isoformat(), found.of.isoformat(), seen=True)


def _write(at: str, of: str, *, seen: bool) -> None:
    part = _path().with_name(f"{NAME}.part")
    part.write_text(json.dumps({"at": at, "of": of, "seen": seen}))
    part.rename(_path())


def _path() -> Path:
    return Path(settings.BRAINPOD.state) / NAME
