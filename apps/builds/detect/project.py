"""The files of an app as detectors see them: beneath one directory, of bounded size, never through a way out."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from apps.core.errors import Invalid, UserError
from apps.core.paths import beneath

LARGEST = 2 * 1024 * 1024


@dataclass(frozen=True)
class Project:
    root: Path

    def has(self, *names: str) -> bool:
        """Whether any of `names` is a file."""
        return any(self.path(name) is not None for name in names)

    def has_directory(self, name: str) -> bool:
        try:
            return beneath(self.root, name).is_dir()
        except Invalid:
            return False

    def path(self, name: str) -> Path | None:
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
        with path.open("rb") as file:
            return file.read(LARGEST).decode(errors="replace")

    def first(self, *names: str) -> str:
        """The first of `names` that is a file, or nothing."""
        return next((name for name in names if self.path(name)), "")

    def files(self, pattern: str) -> list[str]:
        """Names matching `pattern`, sorted; at most 200."""
        found = (path.relative_to(self.root).as_posix() for path in self.root.glob(pattern))
        return sorted(name for name in found if self.path(name))[:200]

    @cached_property
    def package(self) -> dict[str, Any]:
        """package.json; empty if there is none. Raises UserError("manifest_invalid")."""
        try:
            found = json.loads(self.text("package.json") or "{}")
        except (ValueError, RecursionError) as error:
            raise _invalid("package.json", error) from None
        if not isinstance(found, dict):
            raise _invalid("package.json", "it is not an object")
        return found

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """pyproject.toml; empty if there is none. Raises UserError("manifest_invalid")."""
        return self._toml("pyproject.toml")

    @cached_property
    def pipfile(self) -> dict[str, Any]:
        return self._toml("Pipfile")

    @cached_property
    def processes(self) -> dict[str, str]:
        """The Procfile: process type → command line."""
        pairs = (
            line.partition(":") for line in self.text("Procfile").splitlines() if not line.lstrip().startswith("#")
        )
        return {name.strip(): command.strip() for name, colon, command in pairs if colon and command.strip()}

    def _toml(self, name: str) -> dict[str, Any]:
        try:
            return tomllib.loads(self.text(name))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise _invalid(name, error) from None


def table(value: Any) -> dict[str, Any]:
    """`value` if it is a table, else an empty one: manifests are written by hand."""
    return value if isinstance(value, dict) else {}


def strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _invalid(name: str, why: object) -> UserError:
    return UserError("manifest_invalid", f"{name} cannot be read: {str(why)[:200]}.", f"Mend {name} and commit it.")
