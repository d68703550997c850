"""Microsoft Teams: an adaptive card, as its workflows take it ("when a Teams webhook request is received").

What others named stands in text runs, which know no markup: nothing has to be escaped.
"""

from __future__ import annotations

from typing import Any

from apps.notify.events import Level
from apps.notify.shapes.told import Told

COLOURS: dict[Level, str] = {"good": "Good", "info": "Accent", "warn": "Warning", "bad": "Attention"}


def shape(told: Told) -> dict[str, Any]:
    body = [
        _line(told.title, size="Large", weight="Bolder", color=COLOURS[told.level]),
        _line(told.words),
    ]
    if told.where:
        body.append(_line(told.where, isSubtle=True, size="Small"))
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if told.url:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in Brainpod", "url": told.url}]
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [content]}


def _line(text: str, **look: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **look}]}
