"""How a message is said where people read it: a pure function from `Told` to JSON, one module each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.notify.shapes import discord, slack, teams
from apps.notify.shapes.told import Told, told

SHAPES: dict[str, Callable[[Told], dict[str, Any]]] = {
    "slack": slack.shape,
    "discord": discord.shape,
    "teams": teams.shape,
}

__all__ = ["SHAPES", "Told", "told"]
