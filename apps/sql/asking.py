"""A statement of a person's, asked of a server and answered whole or row by row: the same for every server."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from apps.sql.base import Caps, Cell, Result, Stream

Started = Callable[[str], None] | None


class Statement(Protocol):
    """One that was begun. `affected` and `notes` are complete when its rows have been read."""

    columns: tuple[str, ...]
    affected: int | None
    notes: list[str]

    def rows(self) -> Iterator[tuple[Cell, ...]]: ...


class Asking(ABC):
    """What apps.sql.base.Server says of `query` and `stream`."""

    @abstractmethod
    def _statement(
        self, database: str, sql: str, caps: Caps, read_only: bool, started: Started
    ) -> AbstractContextManager[Statement]:
        """It is begun, on a connection of its own: whatever it sets ends with it."""

    def query(
        self, database: str, sql: str, *, read_only: bool, caps: Caps = Caps(), started: Started = None  # noqa: B008
    ) -> Result:  # fmt: skip
        began = time.monotonic()
        with self._statement(database, sql, caps, read_only, started) as statement:
            rows = tuple(statement.rows())
            seconds = time.monotonic() - began
            return Result(statement.columns, rows, statement.affected, seconds, tuple(statement.notes))

    @contextmanager
    def stream(
        self, database: str, sql: str, *, caps: Caps = Caps(), started: Started = None  # noqa: B008
    ) -> Iterator[Stream]:  # fmt: skip
        with self._statement(database, sql, caps, True, started) as statement:
            yield Stream(statement.columns, statement.rows(), statement.notes)
