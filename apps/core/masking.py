"""Secret values never pass into anything stored or shown: they are replaced by value, however they are written."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable

MASK = "••••••"
SHORTEST = 4  # a shorter value would mask ordinary words


class Mask:
    """Replaces secret values in text: raw, base64 (at each of its three offsets), URL- and JSON-escaped.

    Values of several lines are masked as a whole and line by line. The text must be complete lines, or the caller
    keeps `overlap` characters back between chunks.
    """

    def __init__(self, values: Iterable[str]) -> None:
        forms: set[str] = set()
        for value in values:
            for piece in {value, *value.splitlines()}:
                if len(piece.strip()) >= SHORTEST:
                    forms |= _forms(piece)
        self._take(forms)

    def also(self, values: Iterable[str]) -> Mask:
        """A mask of these values and of its own."""
        more = Mask(values)
        more._take(self._forms | more._forms)
        return more

    def _take(self, forms: set[str]) -> None:
        self._forms = forms
        ordered = sorted(forms, key=len, reverse=True)  # the longest match first, or a part would be left over
        self.overlap = max(map(len, ordered), default=0)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text


def _forms(value: str) -> set[str]:
    forms = {
        value,
        urllib.parse.quote(value),
        urllib.parse.quote(value, safe=""),
        urllib.parse.quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
    }
    raw = value.encode()
    for offset in range(3):
        # The characters of base64 that depend on this value alone, wherever it starts in the encoded text.
        encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        inner = encoded[(0, 2, 3)[offset] : len(encoded) - (1 if (len(raw) + offset) % 3 else 0)]
        if len(inner) >= 8:
            forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {form for form in forms if len(form) >= SHORTEST}
