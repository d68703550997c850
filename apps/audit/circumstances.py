"""What is known of the request that something is done in: where it came from, its number, the token it bears.

Kept beside the call, so that actions need not be handed it; outside of requests there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Circumstances:
    """`token`: name and first letters of the one that the request bears; empty: a person in a browser, or nobody."""

    address: str = ""
    request: str = ""
    token: str = ""


_NONE = Circumstances()
_current: ContextVar[Circumstances] = ContextVar("audit_circumstances", default=_NONE)


def current() -> Circumstances:
    return _current.get()


@contextmanager
def within(*, address: str, request: str) -> Iterator[None]:
    """All that is done inside is done for this request."""
    before = _current.set(Circumstances(address=address, request=request))
    try:
        yield
    finally:
        _current.reset(before)


def bears(token: str) -> None:
    """The request under way was let in by `token`; nothing outside of one."""
    if _current.get().request:
        _current.set(replace(_current.get(), token=token))
