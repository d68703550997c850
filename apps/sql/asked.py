"""What people ask of a table, held against the columns it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apps.core.errors import Conflict, Detail, Invalid
from apps.sql.base import OPERATORS, Column, Filter, Rows, Sort, Structure

LONGEST = 128  # characters of a name; servers allow 63 or 64
FURTHEST = 1_000_000  # rows that may be passed over by counting


def name(field: str, text: str, longest: int = 63) -> str:
    """A name for something new. Any letters are possible; none at all, control characters and too many are not."""
    if not text or text != text.strip() or len(text.encode(errors="replace")) > longest:
        raise Invalid([Detail(field, f"A name has 1 to {longest} bytes and no space at its ends.")])
    if any(ord(letter) < 32 or 0xD800 <= ord(letter) <= 0xDFFF for letter in text):
        raise Invalid([Detail(field, "A name has no control characters in it.")])
    return text


def password(text: str, field: str = "password") -> str:
    if not 12 <= len(text) <= 200 or "\0" in text:
        raise Invalid([Detail(field, "A password has 12 to 200 characters.")])
    return text


def page(limit: int, offset: int, most: int) -> tuple[int, int]:
    if not 1 <= limit <= most:
        raise Invalid([Detail("limit", f"1 to {most} rows at a time.")])
    if not 0 <= offset <= FURTHEST:
        raise Invalid([Detail("offset", f"At most {FURTHEST:,} rows are passed over: filter instead.")])
    return limit, offset


def conditions(columns: Sequence[Column], filters: Sequence[Filter], sort: Sort | None) -> None:
    """Raises Invalid naming what is unknown."""
    known = {column.name for column in columns}
    for at, one in enumerate(filters):
        if one.column not in known:
            raise Invalid([Detail(f"filters.{at}.column", f"There is no column {one.column}.")])
        if one.operator not in OPERATORS:
            raise Invalid([Detail(f"filters.{at}.operator", f"One of {', '.join(OPERATORS)} is needed.")])
        if "\0" in one.value:
            raise Invalid([Detail(f"filters.{at}.value", "A value has no NUL in it.")])
    if sort is not None and sort.column not in known:
        raise Invalid([Detail("sort", f"There is no column {sort.column}.")])


def in_key_order(structure: Structure, sort: Sort | None) -> bool:
    return bool(structure.primary) and (sort is None or (sort.column,) == structure.primary)


def values(columns: Sequence[Column], given: Mapping[str, str | None], field: str = "values") -> None:
    known = {column.name for column in columns}
    for column, value in given.items():
        if column not in known:
            raise Invalid([Detail(f"{field}.{column}", f"There is no column {column}.")])
        if value is not None and "\0" in value:
            raise Invalid([Detail(f"{field}.{column}", "A value has no NUL in it.")])


def key(structure: Structure, given: Mapping[str, str]) -> list[str]:
    """The values of the primary key in its order."""
    if not structure.primary:
        raise Invalid([Detail("key", "The table has no primary key: its rows cannot be told apart.")])
    if set(given) != set(structure.primary):
        raise Invalid([Detail("key", f"The primary key is {', '.join(structure.primary)}: all of it is needed.")])
    values(structure.columns, given, "key")
    return [given[column] for column in structure.primary]


def unchanged(expected: Mapping[str, str | None], found: Rows) -> None:
    """Raises Conflict("row_changed") naming the columns of the one row that are not as expected."""
    now = {column.name: cell for column, cell in zip(found.columns, found.rows[0], strict=True)}
    if other := [name for name, value in expected.items() if name not in now or now[name] != value]:
        raise row_changed(other)


def row_changed(columns: Sequence[str]) -> Conflict:
    some = f"{', '.join(columns[:5])}{' and more' if len(columns) > 5 else ''}"
    return Conflict(
        "row_changed", f"The row was changed meanwhile: {some}. Nothing of yours is written.",
        "Load the page again to see it as it is now, and make your change there.",
    )  # fmt: skip


def row_gone() -> Conflict:
    return Conflict("row_gone", "That row is not there any more.", "Load the page again.")


def privileges(given: Sequence[str], known: Sequence[str]) -> list[str]:
    wanted = list(dict.fromkeys(" ".join(one.upper().split()) for one in given))
    wanted = ["ALL" if one == "ALL PRIVILEGES" else one for one in wanted]
    for one in wanted:
        if one not in known:
            raise Invalid([Detail("privileges", f"{one[:40]} is none of {', '.join(known)}.")])
    if not wanted:
        raise Invalid([Detail("privileges", "At least one is needed.")])
    return ["ALL"] if "ALL" in wanted else wanted
