"""The types of fields that several kinds have, and their checks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StringConstraints, field_validator

from apps.core.errors import Detail, Invalid
from apps.core.names import check_name, check_variable
from apps.core.paths import check_relative
from apps.pods.kinds.base import Part

LARGEST_VALUE = 64 * 1024  # bytes; a single string of a process's environment may have 128 KiB
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise Invalid("must be a whole number.")
    return value


def _command(value: str) -> str:
    if _CONTROL.search(value.replace("\r\n", "\n")):
        raise Invalid("must not contain control characters.")
    return value.replace("\r\n", "\n").strip()


def check_value(value: str) -> str:
    """The value of a variable, kept byte for byte."""
    if "\0" in value:
        raise Invalid("must not contain a NUL character: no program could receive it.")
    if len(value.encode()) > LARGEST_VALUE:
        raise Invalid("must be at most 64 KB: put longer text into a file of a Config.")
    return value


Whole = Annotated[int, BeforeValidator(_no_flag)]
Command = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_command)]
Name = Annotated[str, AfterValidator(lambda value: check_name(value, ""))]
OptionalName = Annotated[str, AfterValidator(lambda value: check_name(value, "") if value else value)]
Relative = Annotated[str, AfterValidator(lambda value: check_relative(value.strip(), ""))]


class Variable(Part):
    """A name and a value that is passed on byte for byte, references filled in."""

    name: str
    value: str = ""

    @field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        return check_variable(name, "")

    @field_validator("value")
    @classmethod
    def _value(cls, value: str) -> str:
        return check_value(value)


def doubles(values: Iterable[str], path: str, message: str) -> list[Detail]:
    """A Detail for each of `values` that came before; `path` with `{}` for its index."""
    seen: set[str] = set()
    found = []
    for index, value in enumerate(values):
        if value in seen:
            found.append(Detail(path.format(index), message.format(value)))
        seen.add(value)
    return found


def check_variables(variables: tuple[Variable, ...], path: str) -> list[Detail]:
    """No name twice, and together what a process can be given."""
    found = doubles((v.name for v in variables), f"{path}.{{}}.name", "{} is set twice: remove one of the two.")
    if sum(len(v.value.encode()) for v in variables) > 8 * LARGEST_VALUE:
        found.append(Detail(path, "has more than 512 KB of values: put long ones into files of a Config."))
    return found
