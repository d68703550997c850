"""Which version of a tool a project asks for in the files made for that, here or in a directory above."""

from __future__ import annotations

import re

from apps.builds.detect.project import Project, table

# As asdf and mise call the tools.
_NAMES = {
    "node": ("nodejs", "node"), "go": ("golang", "go"), "java": ("java",), "ruby": ("ruby",), "python": ("python",),
    "rust": ("rust",), "php": ("php",), "elixir": ("elixir",), "erlang": ("erlang",), "deno": ("deno",),
    "bun": ("bun",), "dotnet": ("dotnet", "dotnet-core"), "hugo": ("hugo",),
}  # fmt: skip
NONE = ("", "default")


def pinned(project: Project, tool: str, *files: str) -> tuple[str, str] | None:
    """(version, "from .ruby-version") by the first of `files` with a version in it, .tool-versions or mise.toml."""
    for place in (project, *project.above):
        for name in files:
            if line := place.line(name):
                return line, _origin(project, place, name)
        for name, version in (
            (".tool-versions", _tool_versions(place, tool)),
            ("mise.toml", _mise(place, tool, "mise.toml")),
            (".mise.toml", _mise(place, tool, ".mise.toml")),
        ):
            if version:
                return version, _origin(project, place, name)
    return None


def number(text: str) -> str:
    """The version in what people write: "v20.1" → 20.1, "ruby-3.2.2" → 3.2.2, "temurin-21.0.1+12" → 21.0.1."""
    match = re.search(r"\d+(?:\.\d+)*", text)
    return match[0] if match else ""


def _origin(project: Project, place: Project, name: str) -> str:
    return f"from {name}" if place.place == project.place else f"from /{place.place}/{name}".replace("//", "/")


def _tool_versions(place: Project, tool: str) -> str:
    for line in place.text(".tool-versions").splitlines():
        words = line.partition("#")[0].split()
        if len(words) > 1 and words[0] in _NAMES[tool]:
            return words[1]
    return ""


def _mise(place: Project, tool: str, name: str) -> str:
    if not place.has(name):
        return ""
    asked = table(place.toml(name).get("tools"))
    for known in _NAMES[tool]:
        value = asked.get(known)
        value = value.get("version") if isinstance(value, dict) else value
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, (str, int, float)):
            return str(value)
    return ""
