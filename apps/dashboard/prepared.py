"""Queries that are put into SQL once a process: for a page, the ORM takes longer to write one than to have it answered.

    _PODS = Prepared(lambda user: Pod.objects.filter(team__memberships__user_id=user).values_list("id", "name"))
    rows = _PODS.rows(user.pk)

Rows are as the database gives them: SQLite's moments have no time zone (`moment`), its booleans are 0 and 1.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.models import QuerySet

_SLOT = 9_000_000_000_000_000_123  # a key that no row has; stands in the parameters where the real one belongs


class Prepared:
    """`build(key)` is the queryset, which may depend on nothing else but the integer `key`."""

    def __init__(self, build: Callable[[int], QuerySet[Any, Any]]) -> None:
        self._build = build

    def rows(self, key: int) -> list[tuple[Any, ...]]:
        sql, parameters = self._written
        with connection.cursor() as cursor:
            cursor.execute(sql, [key if parameter == _SLOT else parameter for parameter in parameters])
            return cursor.fetchall()

    @functools.cached_property
    def _written(self) -> tuple[str, tuple[Any, ...]]:
        return self._build(_SLOT).query.sql_with_params()


def moment(value: datetime.datetime | str | None) -> datetime.datetime | None:
    """A moment out of a row: SQLite's are in UTC without saying so, and text when they were computed."""
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value)
    return value.replace(tzinfo=datetime.UTC) if value and value.tzinfo is None else value
