"""The lists of a resource's form: their columns, and how a list becomes rows and rows a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.http import QueryDict

from apps.pods.kinds import Field


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    label: str
    widget: Literal["text", "textarea", "select", "checkbox", "password"] = "text"
    kind: str = ""  # select: the names of resources of this kind
    placeholder: str = ""


COLUMNS: dict[str, tuple[Column, ...]] = {
    "pairs": (Column("name", "Name", placeholder="NAME"), Column("value", "Value", "textarea")),
    "files": (Column("name", "File name", placeholder="settings.yaml"), Column("text", "Content", "textarea")),
    "secrets": (
        Column("name", "Name", placeholder="NAME"),
        Column("value", "New value", "password"),
        Column("remove", "Remove", "checkbox"),
    ),
    "names": (Column("name", "Name", "select"),),
    "mounts": (
        Column("path", "Path in the app", placeholder="/data"),
        Column("disk", "Disk", "select", "Disk"),
        Column("config", "or file of config", "select", "Config"),
        Column("file", "File", placeholder="settings.yaml"),
    ),
    "rules": (
        Column("path", "Path", placeholder="/"),
        Column("app", "App", "select", "App"),
        Column("strip", "Strip path", "checkbox"),
    ),
}


def rows_of(field: Field, value: Any, secrets: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """A stored list as rows. Of secrets only the names: a value once typed is asked for again."""
    match field.widget:
        case "files":
            return [{"name": name, "text": text} for name, text in files_of(value)]
        case "secrets":
            stored = dict(value or {})
            kept = [{"name": name, "stored": True, "remove": secrets.get(name, "") is None} for name in stored]
            return kept + [{"name": name} for name in secrets if name not in stored]
        case "names":
            return [{"name": name} for name in value or ()]
        case _:
            return [dict(row) for row in value or ()]


def files_of(value: Any) -> list[tuple[str, str]]:
    return list((value or {}).items())


def row_value(field: Field, data: QueryDict) -> Any:
    """The list that was typed, without its blank rows."""
    rows = [row for row in typed_rows(field, data) if any(cell not in ("", False) for cell in row.values())]
    match field.widget:
        case "files":
            return {row["name"].strip(): row["text"] for row in rows}
        case "names":
            return [row["name"] for row in rows]
        case "pairs":
            return [row | {"name": row["name"].strip()} for row in rows]
        case _:
            return rows


def typed_rows(field: Field, data: QueryDict) -> list[dict[str, Any]]:
    """Every row of the list in the order of its numbers; checkboxes as booleans, lines ended by LF."""
    prefix = f"{field.path}."
    columns = COLUMNS[field.widget]
    numbers = {key.removeprefix(prefix).partition(".")[0] for key in data if key.startswith(prefix)}
    found = []
    for number in sorted(int(n) for n in numbers if n.isascii() and n.isdigit() and len(n) < 6):
        row: dict[str, Any] = {}
        for column in columns:
            key = f"{prefix}{number}.{column.name}"
            row[column.name] = key in data if column.widget == "checkbox" else data.get(key, "").replace("\r\n", "\n")
        found.append(row)
    return found
