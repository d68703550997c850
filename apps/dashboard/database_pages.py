"""What the pages of a database's inside are asked for, and what they show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.http import QueryDict

from apps.core.errors import Detail, Invalid
from apps.sql import asked
from apps.sql.base import Filter, Rows, Sort

PAGE = 100  # rows


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a table is asked for. Raises Invalid where it cannot be read."""

    database: str
    schema: str
    table: str
    filters: tuple[Filter, ...] = ()
    sort: Sort | None = None
    after: tuple[str, ...] = ()
    offset: int = 0
    words: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, query: QueryDict) -> Asked:
        column, operator = query.get("column", ""), query.get("operator", "=")
        filters = (Filter(column, operator, query.get("value", "")),) if column else ()
        sort = query.get("sort", "")
        offset = query.get("offset", "0") or "0"
        if not (offset.isascii() and offset.isdigit()):
            raise Invalid([Detail("offset", "A number is needed.")])
        return cls(
            query.get("database", ""), query.get("schema", ""), query.get("table", ""), filters,
            Sort(sort.removeprefix("-"), sort.startswith("-")) if sort else None,
            tuple(query.getlist("after")), int(offset),
            {name: str(query[name]) for name in ("column", "operator", "value", "sort") if query.get(name)},
        )  # fmt: skip

    def place(self, **more: str) -> str:
        """The query of an address of the same table."""
        return "?" + urlencode({"database": self.database, "schema": self.schema, "table": self.table} | more)

    def sorted_by(self, column: str) -> str:
        """The other way round, if it is sorted by that already."""
        down = self.sort is not None and self.sort.column == column and not self.sort.descending
        return self.place(**(self.words | {"sort": f"-{column}" if down else column}))

    def following(self, rows: Rows) -> str:
        """The address of the next page; empty where this is the last."""
        if not rows.more:
            return ""
        if rows.after:
            return self.place(**self.words) + "&" + urlencode([("after", value) for value in rows.after])
        return self.place(**self.words, offset=str(self.offset + PAGE))

    def row(self, rows: Rows, cells: tuple[str | None, ...], at: int) -> str:
        """The address of one row; empty where nothing tells it from others."""
        names = [column.name for column in rows.columns]
        places = [names.index(name) for name in rows.primary]
        if not places or any(cells[place] is None or (at, place) in rows.cut for place in places):
            return ""
        return self.place() + "&" + urlencode([(f"k.{names[place]}", cells[place] or "") for place in places])


def cursor_of(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 21):
        raise Invalid([Detail("cursor", "A number is needed.")])
    return int(text or 0)


def key_of(query: Mapping[str, str]) -> dict[str, str]:
    return {name[2:]: value for name, value in query.items() if name.startswith("k.")}


def entered(post: Mapping[str, str], current: Mapping[str, str | None] | None) -> dict[str, str | None]:
    """The values of a form of a row. Of a new one what is empty is left to the server; of one that is there (`current`)
    only what was changed counts: browsers write lines their own way."""
    values: dict[str, str | None] = {}
    for name in (word[2:] for word in post if word.startswith("v.")):
        value: str | None = None if f"n.{name}" in post else _lines(post[f"v.{name}"])
        if current is None:
            if value != "":
                values[name] = value
        elif name in current:
            was = current[name]
            if value != (was if was is None else _lines(was)):
                values[name] = value
    return values


def marks_of(cells: Mapping[str, str | None]) -> str:
    """What a form of a row carries of the values it shows, to tell later whether they are still those."""
    return json.dumps({name: _mark(value) for name, value in cells.items()})


def check_marks(text: str, cells: Mapping[str, str | None]) -> None:
    """Raises Conflict("row_changed") where `cells` are not those that `text` (see `marks_of`) was made of."""
    try:
        marks = json.loads(text)
        changed = [name for name, mark in marks.items() if name not in cells or _mark(cells[name]) != mark]
    except (ValueError, AttributeError):
        words = "The form says nothing of the values it showed: load the page again."
        raise Invalid([Detail("marks", words)]) from None
    if changed:
        raise asked.row_changed(changed)


def _mark(value: str | None) -> str:
    return "" if value is None else hashlib.blake2b(value.encode(), digest_size=8).hexdigest()


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")
