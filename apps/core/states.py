"""The one way a row changes state: a conditional UPDATE, whose row count says who won."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models

Transitions = Mapping[str, frozenset[str]]


def move(
    row: models.Model, to: str, *, table: Transitions, where: Mapping[str, Any] | None = None, **fields: Any
) -> bool:
    """Move `row` to state `to` and set `fields`, if its stored state allows it and `where` still holds.

    False: somebody else moved it first (or `where` does not hold); nothing was written and the row is reloaded.
    Raises ValueError for a state that no state leads to: that is a mistake in the program.
    """
    sources = [state for state, targets in table.items() if to in targets]
    if not sources:
        raise ValueError(f"no state of {type(row).__name__} leads to {to!r}")
    rows = type(row)._default_manager.filter(pk=row.pk, state__in=sources, **(where or {}))
    won = bool(rows.update(state=to, **fields))
    row.refresh_from_db()
    return won
