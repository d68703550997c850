"""Identifiers: short, sortable by time, safe in URLs, file names, host names and unit names."""

from __future__ import annotations

import hashlib
import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case


def new_id() -> str:
    """16 characters: 45 bits of milliseconds, then 35 random bits."""
    number = (time.time_ns() // 1_000_000) << 35 | secrets.randbits(35)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -5, -5))


def short(text: str, length: int = 8) -> str:
    """`length` hex digits that stand for `text`, the same every time: for names that may not be as long as it."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]
