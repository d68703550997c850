"""What a kind of resource is: a spec, its form, its references, and what may change.

Specs are pydantic models whose field names are the public ones (camelCase). Validators raise Invalid with paths
relative to where they stand; `Kind.parse` puts the whole path together. Rules for what is stored may be loosened and
not tightened: a sealed revision must stay readable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from apps.core.errors import Detail, Invalid
from apps.pods.kinds.words import details_of
from apps.servers.base import Server

Widget = Literal[
    "text", "textarea", "number", "select", "checkbox",  # str, str, int, str, bool
    "lines",  # list of str, one a line
    "domains",  # list of str in A-labels, one a line in their own letters
    "pairs",  # list of {name, value}
    "files",  # {name: text}
    "secrets",  # {NAME: version}; the values go to save_resource(secrets={NAME: value or None to remove})
    "name",  # the name of a resource of `kind`
    "names",  # list of names of resources of `kind`, in order
    "mounts",  # list of {path, disk} or {path, file, config}
    "rules",  # list of {path, app, strip}
    "redirects",  # list of {source, target, status}
    "password",  # a version; the value goes to save_resource(secrets={path: value, None to remove it})
    "jobs",  # list of what apps/pods/kinds/job.py says
]  # fmt: skip


class Part(BaseModel):
    """A piece of a spec."""

    model_config = ConfigDict(frozen=True, extra="forbid")


SpecT = TypeVar("SpecT", bound=Part)


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a form. `path` is dotted as in the spec. Shown where every path in `when` has one of its values."""

    path: str
    label: str
    widget: Widget = "text"
    hint: str = ""
    section: str = ""
    options: tuple[tuple[str, str], ...] = ()  # select: (value, words)
    kind: str = ""  # name, names: of which kind
    when: tuple[tuple[str, tuple[str, ...]], ...] = ()
    placeholder: str = ""
    unit: str = ""
    minimum: int | None = None
    maximum: int | None = None
    blank: str = ""  # name: the words for choosing none
    aside: bool = False  # no part of the spec: what is asked besides
    read_only: bool = False
    advanced: bool = False  # folded away until asked for

    def shown(self, spec: Mapping[str, Any]) -> bool:
        return all(dig(spec, path) in values for path, values in self.when)


@dataclass(frozen=True)
class Kind(Generic[SpecT]):
    """`references(spec)`: the names of the resources it needs. `immutable`: paths fixed once live.

    `change(before, after)`: what is wrong with going from the live spec to this one, beside `immutable`.
    """

    name: str
    plural: str
    icon: str  # of the design system
    about: str
    Spec: type[SpecT]
    form: tuple[Field, ...]
    references: Callable[[SpecT], set[str]] = lambda _: set()
    immutable: frozenset[str] = frozenset()
    change: Callable[[SpecT, SpecT], list[Detail]] = lambda *_: []
    runs: bool = False  # its resources have instances: started, watched, logged and measured
    server: Server | None = None  # of a database: what runs for it

    @property
    def word(self) -> str:
        """What one is called within a sentence."""
        return self.name if self.server else self.name.lower()

    def parse(self, spec: Mapping[str, Any], *, team: str | None = None) -> dict[str, Any]:
        """`spec` checked and in its normal form, every default filled in. Raises Invalid naming the fields.

        `team` is the slug of the team it is for: it says which of the repositories hosted here may be named.
        """
        try:
            made = self.Spec.model_validate(dict(spec), context={"team": team, "check": True})
        except ValidationError as error:
            raise Invalid(details_of(error)) from None
        return made.model_dump(mode="json")

    def read(self, spec: Mapping[str, Any]) -> SpecT:
        """A stored spec as an object, with the defaults of fields that did not exist when it was stored.

        What does not hold (`wrong` says what) is left out of it, so that it can be shown, and mended.
        """
        try:
            return self.Spec.model_validate(dict(spec))
        except ValidationError:
            return _salvaged(self.Spec, spec)

    def wrong(self, spec: Mapping[str, Any]) -> list[Detail]:
        """Why a stored spec cannot be used as it is: an older version left it, or an operator."""
        try:
            self.Spec.model_validate(dict(spec))
        except ValidationError as error:
            return details_of(error)
        return []

    def blank(self) -> dict[str, Any]:
        """The defaults, to fill a form with; not valid where a field is required."""
        return self.Spec.model_construct().model_dump(mode="json")

    def prune(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """`spec` without the values of fields its own values hide, so that their defaults apply."""
        pruned = cast("dict[str, Any]", _copy(spec))
        for field in self.form:
            if not field.shown(spec):
                *parents, last = field.path.split(".")
                holder = dig(pruned, ".".join(parents)) if parents else pruned
                if isinstance(holder, dict):
                    holder.pop(last, None)
        return pruned

    def check_change(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Raise Invalid when what is live cannot become `after`; both in normal form."""
        fixed = [
            Detail(path, f"is fixed at {dig(before, path)} once deployed: make a new {self.word} instead.")
            for path in sorted(self.immutable)
            if dig(before, path) != dig(after, path)
        ]
        wrong = fixed + self.change(self.read(before), self.read(after))
        if wrong:
            raise Invalid(wrong)


PartT = TypeVar("PartT", bound=Part)


def _salvaged(part: type[PartT], stored: Mapping[str, Any]) -> PartT:
    """The fields of `stored` that hold each on its own, and the defaults of the others."""
    values: dict[str, Any] = {}
    for name, field in part.model_fields.items():
        if (field.alias or name) not in stored:
            continue
        given, inner = stored[field.alias or name], field.annotation
        wanted: Any = Annotated[(inner, field, *field.metadata)]
        try:
            values[name] = TypeAdapter(wanted).validate_python(given)
        except ValidationError:
            if isinstance(given, Mapping) and isinstance(inner, type) and issubclass(inner, Part):
                values[name] = _salvaged(inner, given)
    return part.model_construct(**values)


def dig(spec: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, None where there is none."""
    value: Any = spec
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _copy(value: Any) -> Any:
    return {key: _copy(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value
