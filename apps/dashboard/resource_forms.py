"""The forms of resources, made of what their kinds declare: what is shown, and what came back.

Names of inputs are the dotted paths of the spec; lists have a row each, `env.0.name`. Every list offers a blank
row, so that nothing needs a script; blank rows are dropped, and the ones left are numbered anew, as in the spec.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import QueryDict

from apps.core.errors import Detail
from apps.dashboard.form_rows import COLUMNS, Column, row_value, rows_of, typed_rows
from apps.dashboard.forms import sentence
from apps.dns.names import shown
from apps.infrastructure.models import SERVERS
from apps.infrastructure.sharing import shared_names as service_names
from apps.pods.kinds import Field, Kind
from apps.pods.kinds.base import dig
from apps.pods.models import Snapshot, Spec

BLANK_ROWS = 1
SERVED = frozenset(SERVERS.values())  # kinds whose databases may be at a shared service: that is what is chosen


@dataclass(frozen=True, slots=True)
class Cell:
    """One input of a row."""

    name: str
    column: Column
    value: Any
    options: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """`stored`: a secret that has a value already, which is not shown."""

    cells: tuple[Cell, ...]
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Input:
    """One field of the form. `when` is for the script: `type=web|worker`; `hidden` is what it would say now."""

    field: Field
    value: Any
    errors: tuple[str, ...]
    hidden: bool
    fixed: bool
    when: str = ""
    rows: tuple[Row, ...] = ()
    pattern: Row | None = None

    @property
    def id(self) -> str:
        return f"field_{self.field.path}"


@dataclass
class ResourceForm:
    """`spec` is what is shown; `around` are the resources that may be named; `errors` are by dotted path."""

    kind: Kind[Any]
    spec: Spec
    around: Snapshot
    name: str = ""
    live: bool = False
    secrets: dict[str, str | None] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)

    def read(self, data: QueryDict) -> None:
        """Take over what was typed; what the form does not ask about stays as it was."""
        spec = _copy(self.spec)
        for each in self.kind.form:
            if not each.read_only and not (self.live and each.path in self.kind.immutable):
                self._take(spec, each, data)
        self.spec = spec

    def _take(self, spec: Spec, each: Field, data: QueryDict) -> None:
        if each.widget == "secrets":
            self.secrets = _secrets(each, dig(spec, each.path) or {}, data)
            return
        if each.widget == "password":
            if f"{each.path}.remove" in data:
                self.secrets = {each.path: None}
            elif value := data.get(f"{each.path}.value", ""):
                self.secrets = {each.path: value}
            return
        value = _typed(each, data)
        if value is not None:
            *parents, last = each.path.split(".")
            holder = spec
            for parent in parents:
                holder = holder.setdefault(parent, {})
            holder[last] = value

    def refuse(self, details: Iterable[Detail]) -> None:
        for detail in details:
            self.errors.setdefault(detail.path, []).append(sentence(detail.message))

    @property
    def result(self) -> Spec:
        """What is to be saved: without what its own values hide, without what is not given on input."""
        spec = self.kind.prune(self.spec)
        for each in self.kind.form:
            if each.read_only or each.aside:
                spec.pop(each.path, None)
        return spec

    def aside(self, path: str) -> Any:
        """What was typed besides the spec; None for nothing."""
        return dig(self.spec, path) or None

    def sections(self) -> dict[str, list[Input]]:
        found: dict[str, list[Input]] = {}
        for each in self.kind.form:
            found.setdefault(each.section, []).append(self._input(each))
        return found

    @property
    def other_errors(self) -> list[str]:
        """What belongs to no field shown."""
        known = [each.path for each in self.kind.form] + ["name"]
        return [
            f"{path}: {message}" if path else message
            for path, messages in self.errors.items()
            if not any(path == k or path.startswith(f"{k}.") for k in known)
            for message in messages
        ]

    def _input(self, each: Field) -> Input:
        value = dig(self.spec, each.path)
        rows: tuple[Row, ...] = ()
        pattern = None
        if each.widget in COLUMNS:
            filled = rows_of(each, value, self.secrets)
            rows = tuple(self._row(each, str(n), given) for n, given in enumerate(filled))
            rows += tuple(self._row(each, str(len(filled) + n), {}) for n in range(BLANK_ROWS))
            pattern = self._row(each, "__n__", {})
        elif each.widget == "lines":
            value = "\n".join(map(str, value or ()))
        elif each.widget == "domains":
            value = "\n".join(shown(str(name)) for name in value or ())
        elif each.widget == "name":
            options = tuple((name, name) for name in self._names(each.kind, value))
            each = replace(each, widget="select", options=(("", each.blank or f"{each.label}…"), *options))
        when = " ".join(f"{path}={'|'.join(values)}" for path, values in each.when)
        fixed = each.read_only or (self.live and each.path in self.kind.immutable)
        made = Input(each, value, (), not each.shown(self.spec), fixed, when, rows, pattern)
        return replace(made, errors=self._errors(each.path, made))

    def _row(self, each: Field, number: str, given: Mapping[str, Any]) -> Row:
        cells = []
        for column in COLUMNS[each.widget]:
            name = f"{each.path}.{number}.{column.name}"
            path = f"{each.path}.{number}" if each.widget == "names" else name
            options = self._options(each, column, given.get(column.name))
            value = given.get(column.name, "" if given else column.usual)
            cells.append(Cell(name, column, value, options, tuple(self.errors.get(path, ()))))
        return Row(tuple(cells), bool(given.get("stored")))

    def _options(self, each: Field, column: Column, chosen: Any) -> tuple[str, ...]:
        if column.widget != "select" or column.options:
            return column.options
        return self._names(column.kind or each.kind, chosen)

    def _names(self, kind: str, chosen: Any) -> tuple[str, ...]:
        """Those of `kind` that may be chosen, and the one that is."""
        if kind in SERVED:
            names = service_names(kind)
            return tuple(sorted(names | {chosen} if chosen else names))
        names = {name for name, resource in self.around.items() if resource.kind == kind}
        return tuple(sorted(names | {chosen} if chosen else names))

    def _errors(self, path: str, made: Input) -> tuple[str, ...]:
        """The errors of the field itself, and those beneath it that no cell shows."""
        shown = {cell.name for row in made.rows for cell in row.cells if cell.errors}
        shown |= {name.rpartition(".")[0] for name in shown} if made.field.widget == "names" else set()
        found = list(self.errors.get(path, ()))
        for each, messages in self.errors.items():
            if each.startswith(f"{path}.") and each not in shown:
                found += [f"{each.removeprefix(f'{path}.')}: {message}" for message in messages]
        return tuple(found)


def _typed(each: Field, data: QueryDict) -> Any:
    """The value of `each` as typed; None: the form did not have it, the default stays."""
    if each.widget in COLUMNS:
        return row_value(each, data)
    if each.widget == "checkbox":
        return each.path in data
    if each.path not in data:
        return None
    text = str(data[each.path]).replace("\r\n", "\n")
    if each.widget in ("lines", "domains"):
        return [line.strip() for line in text.split("\n") if line.strip()]
    if each.widget == "number":
        digits = text.strip()
        return int(digits) if digits.isascii() and digits.removeprefix("-").isdigit() and len(digits) < 12 else digits
    return text


def _secrets(each: Field, stored: Mapping[str, int], data: QueryDict) -> dict[str, str | None]:
    """The secrets to set (a value) and to remove (None); the ones left alone are not in it."""
    changed: dict[str, str | None] = {}
    for row in typed_rows(each, data):
        name, value = row["name"].strip(), row["value"]
        if row["remove"] and name in stored:
            changed[name] = None
        elif value or (name and name not in stored):
            changed[name] = value
    return changed


def _copy(value: Any) -> Any:
    return {key: _copy(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value
