"""Slack's incoming webhooks, which Mattermost and Rocket.Chat take too."""

from __future__ import annotations

from typing import Any

from apps.notify.shapes.told import Told


def shape(told: Told) -> dict[str, Any]:
    title, words, where = escape(told.title), escape(told.words), escape(told.where)
    text = f"*{title}*\n{words}" + (f"\n<{told.url}|Open in Brainpod>" if told.url else "")
    section = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    context = {"type": "context", "elements": [{"type": "mrkdwn", "text": where or "Brainpod"}]}
    blocks = [section, context]
    # `text` is what a notification on the desktop has.
    return {
        "text": f"{title}: {words}",
        "attachments": [{"color": f"#{told.colour:06x}", "blocks": blocks}],
    }


def escape(text: str) -> str:
    """The three characters that Slack asks to be escaped: without them nothing is a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
