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
    options: tuple[str, ...] = ()  # select: these, instead of names
    usual: Any = ""  # what a new row has


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
    "redirects": (
        Column("source", "From", placeholder="/old/*"),
        Column("target", "To", placeholder="/new/:splat"),
        Column("status", "Status", "select", options=("307", "308", "302", "301"), usual="307"),
    ),
    "jobs": (
        Column("name", "Name", placeholder="nightly"),
        Column("schedule", "Schedule", placeholder="0 3 * * *"),
        Column("timeZone", "Time zone", placeholder="UTC"),
        Column("command", "Command", "textarea"),
        Column("timeout", "Time limit in s", placeholder="3600"),
        Column("overlap", "If the last run is not over", "select", options=("skip", "allow", "replace")),
        Column("keep", "Runs kept", placeholder="20"),
        Column("enabled", "On", "checkbox", usual=True),
        Column("catchUp", "Catch up", "checkbox"),
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
    usual = {column.name: column.usual for column in COLUMNS[field.widget]}
    given = typed_rows(field, data)
    rows = [row for row in given if any(cell not in ("", False, usual[name]) for name, cell in row.items())]
    match field.widget:
        case "files":
            return {row["name"].strip(): row["text"] for row in rows}
        case "names":
            return [row["name"] for row in rows]
        case "pairs":
            return [row | {"name": row["name"].strip()} for row in rows]
        case "redirects":
            return [{name: _number(cell) for name, cell in row.items() if cell != ""} for row in rows]
        case "jobs":  # what is left empty is as usual; what is wrong is said of the field, not of its type
            return [{name: _number(cell) for name, cell in row.items() if cell != ""} for row in rows]
        case _:
            return rows


def _number(cell: Any) -> Any:
    return int(cell) if isinstance(cell, str) and cell.isascii() and cell.isdigit() and len(cell) < 12 else cell


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
