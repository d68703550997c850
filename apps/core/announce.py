"""What people may want to hear of, said by whoever does it; who hears it registers at start, and need not be known.

Listeners run in the transaction of the caller, so that what they write is there if and only if the change is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction

log = structlog.get_logger(__name__)
ACCOUNT = "account"  # the page of what is about a person's own account


@dataclass(frozen=True, slots=True)
class Announcement:
    """`event`: a name such as `deployment.failed`. `words`: a sentence for people, without secrets.

    `page`: the name and the words of the address that shows more. `data`: JSON.
    """

    event: str
    pod_id: str
    words: str
    page: tuple[str, ...]
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Letter:
    """What one person is told. `words`: sentences without secrets. `page`: the name of the address that shows more."""

    email: str
    title: str
    words: str
    page: str = ACCOUNT


Listener = Callable[[Announcement], None]
_listeners: list[Listener] = []
_carriers: list[Callable[[Letter], None]] = []


def listen(listener: Listener) -> None:
    if listener not in _listeners:
        _listeners.append(listener)


def announce(event: str, *, pod_id: str, words: str, page: tuple[str, ...], **data: Any) -> None:
    """Tell all who listen. Called in the transaction of the change; a listener that fails does not undo it."""
    made = Announcement(event, pod_id, words, page, data)
    for listener in _listeners:
        try:
            with transaction.atomic():
                listener(made)
        except Exception:
            log.exception("announcement_lost", event_told=event, pod=pod_id)


def carry(carrier: Callable[[Letter], None]) -> None:
    if carrier not in _carriers:
        _carriers.append(carrier)


def write_to(email: str, *, title: str, words: str, page: str = ACCOUNT) -> None:
    """Tell one person, as far as there is a way to. Called in the transaction of the change, which it cannot undo."""
    for carrier in _carriers:
        try:
            with transaction.atomic():
                carrier(Letter(email, title, words, page))
        except Exception:
            log.exception("letter_lost", title=title)
