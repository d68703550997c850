"""What is wrong with a file, and where in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apps.core.errors import UserError


@dataclass(frozen=True, slots=True)
class Place:
    """Counted from 1, as editors do."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """`path` is dotted, from the top of the file: `resources.App.web.replicas`."""

    place: Place
    path: str
    message: str

    def __str__(self) -> str:
        subject = f"{self.path}: " if self.path else ""
        return f"line {self.place.line}, column {self.place.column}: {subject}{self.message}"


class FileRefused(UserError):
    """A file that is not taken; `problems` in the order of its lines, all of them. Values are never repeated."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda it: (it.place.line, it.place.column))
        super().__init__("file_refused", "; ".join(map(str, self.problems)), status=422)


def refused(place: Place, message: str, path: str = "") -> FileRefused:
    return FileRefused([Problem(place, path, message)])
