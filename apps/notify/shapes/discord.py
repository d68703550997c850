"""Discord's webhooks."""

from __future__ import annotations

import re
from typing import Any

from apps.notify.shapes.told import Told

_MARKS = re.compile(r"([\\*_~`|>#\[\]()<@:-])")


def shape(told: Told) -> dict[str, Any]:
    embed: dict[str, Any] = {
        "title": told.title,
        "description": escape(told.words),
        "color": told.colour,
        "timestamp": told.at,
    }
    if told.url:
        embed["url"] = told.url
    if told.where:
        embed["footer"] = {"text": told.where}
    # Whatever the words are, nobody is called by them.
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def escape(text: str) -> str:
    """So that none of it is markup."""
    return _MARKS.sub(r"\\\1", text)
