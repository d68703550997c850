"""The files of an app as detectors see them: beneath one directory, of bounded size, never through a way out."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from apps.core.errors import Invalid, UserError
from apps.core.paths import beneath

LARGEST = 2 * 1024 * 1024
_MANY = 200
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')


@dataclass(frozen=True)
class Project:
    """`root` is the directory looked at, `place` its path in the repository; what lies above it is in `above`."""

    root: Path
    place: str = ""
    repository: Path | None = None

    @property
    def above(self) -> Iterator[Project]:
        """The directories of the repository that this one lies in, the nearest first."""
        place = self.place
        while place and self.repository:
            place = place.rpartition("/")[0]
            yield Project(self.repository / place, place, self.repository)

    def beneath(self, name: str) -> Project:
        """The directory `name` of this one. Raises Invalid for a way out."""
        place = "/".join(part for part in (self.place, name) if part)
        return Project(beneath(self.root, name), place, self.repository or self.root)

    def has(self, *names: str) -> bool:
        """Whether any of `names` is a file."""
        return any(self.path(name) is not None for name in names)

    def has_directory(self, name: str) -> bool:
        try:
            return name.partition("/")[0] in self.names and beneath(self.root, name).is_dir()
        except Invalid:
            return False

    @cached_property
    def names(self) -> frozenset[str]:
        """What lies directly here, files and directories."""
        try:
            return frozenset(path.name for path in self.root.iterdir())
        except OSError:
            return frozenset()

    def path(self, name: str) -> Path | None:
        if name.partition("/")[0] not in self.names:  # most of what is asked for is not there, and this is quick
            return None
        if name not in self._paths:
            self._paths[name] = self._resolved(name)
        return self._paths[name]

    @cached_property
    def _paths(self) -> dict[str, Path | None]:
        return {}

    def _resolved(self, name: str) -> Path | None:
        try:
            path = beneath(self.root, name)
        except Invalid:
            return None
        return path if path.is_file() else None

    def text(self, name: str) -> str:
        """What stands in the file, at most 2 MB of it; empty if there is none."""
        path = self.path(name)
        if path is None:
            return ""
        try:
            with path.open("rb") as file:
                return file.read(LARGEST).decode(errors="replace")
        except OSError:
            return ""

    def line(self, name: str) -> str:
        """The first line of the file that says something."""
        lines = (line.strip() for line in self.text(name).splitlines())
        return next((line for line in lines if line and not line.startswith("#")), "")

    def first(self, *names: str) -> str:
        """The first of `names` that is a file, or nothing."""
        return next((name for name in names if self.path(name)), "")

    def files(self, pattern: str) -> list[str]:
        """Names matching `pattern`, sorted; at most 200."""
        if pattern.startswith("/") or ".." in pattern or not pattern.strip("./"):
            return []
        if "/" not in pattern:
            found: Iterator[str] = (name for name in self.names if Path(name).match(pattern))
        else:
            found = (path.relative_to(self.root).as_posix() for path in self.root.glob(pattern))
        return sorted(name for name in found if self.path(name))[:_MANY]

    @cached_property
    def package(self) -> dict[str, Any]:
        """package.json; empty if there is none. Raises UserError("manifest_invalid"), as the ones below."""
        return self.json("package.json")

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        return self.toml("pyproject.toml")

    @cached_property
    def composer(self) -> dict[str, Any]:
        return self.json("composer.json")

    @cached_property
    def cargo(self) -> dict[str, Any]:
        return self.toml("Cargo.toml")

    @cached_property
    def processes(self) -> dict[str, str]:
        """The Procfile: process type → command line."""
        pairs = (
            line.partition(":") for line in self.text("Procfile").splitlines() if not line.lstrip().startswith("#")
        )
        return {name.strip(): command.strip() for name, colon, command in pairs if colon and command.strip()}

    def json(self, name: str, *, comments: bool = False) -> dict[str, Any]:
        """The object in the file, empty if there is no file; with `comments`, as deno.jsonc and angular.json are."""
        text = self._manifest(name)
        if comments:
            text = _COMMA.sub(r"\1", _COMMENT.sub(r"\1", text))
        try:
            found = json.loads(text or "{}")
        except (ValueError, RecursionError) as error:
            raise invalid(name, error) from None
        if not isinstance(found, dict):
            raise invalid(name, "it is not an object")
        return found

    def toml(self, name: str) -> dict[str, Any]:
        text = self._manifest(name)
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # numbers and dates that cannot be are plain ValueErrors
            raise invalid(name, error) from None

    def _manifest(self, name: str) -> str:
        path = self.path(name)
        if path is not None and path.stat().st_size > LARGEST:
            raise invalid(name, f"it is larger than {LARGEST // 1_048_576} MB")
        return self.text(name)


def table(value: Any) -> dict[str, Any]:
    """`value` if it is a table, else an empty one: manifests are written by hand."""
    return value if isinstance(value, dict) else {}


def strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def invalid(name: str, why: object) -> UserError:
    return UserError("manifest_invalid", f"{name} cannot be read: {str(why)[:200]}.", f"Mend {name} and commit it.")
