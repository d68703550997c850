"""Hugo: a site's configuration, and content in Markdown."""

from __future__ import annotations

import re

from apps.builds.detect import node_assets
from apps.builds.detect.detector import Detector
from apps.builds.detect.pins import NONE, number, pinned
from apps.builds.detect.plan import Overrides, Plan, Versions, caches
from apps.builds.detect.project import Project

_ENDS = ("toml", "yaml", "yml", "json")
_OWN = tuple(f"{name}.{end}" for name in ("hugo", "config/_default/hugo") for end in _ENDS)
_OLD = tuple(f"{name}.{end}" for name in ("config", "config/_default/config") for end in _ENDS)


def _matches(project: Project) -> bool:
    if project.has(*_OWN):
        return True
    around = any(project.has_directory(name) for name in ("archetypes", "content", "layouts"))
    return around and project.has(*_OLD) and not project.has("manage.py", "config.ru", "mix.exs", "artisan")


def _plan(project: Project, overrides: Overrides) -> Plan:
    text = project.text(project.first(*_OWN, *_OLD))
    match = re.search(r"^\s*[\"']?publishDir[\"']?\s*[:=]\s*[\"']?([\w./-]+)", text, re.MULTILINE | re.IGNORECASE)
    modules = project.has("go.mod")
    tools = node_assets.tools(project)
    note = "The theme is a Git submodule: turn on “Clone submodules” for this app."
    return Plan(
        stack="hugo",
        framework="hugo",
        kind="static",
        versions=_version(project) | ({"go": ("", "from go.mod")} if modules else {}),
        tools=("hugo", *(("go",) if modules else ()), *tools),
        build=(*node_assets.install(project, build=False), "hugo --gc --minify"),
        output=match[1].strip("/") if match and ".." not in match[1] else "public",
        caches=caches("hugo", *(("go",) if modules else ()), *node_assets.cached(project)),
        notes=(note,) if "themes/" in project.text(".gitmodules") else (),
    )


def _version(project: Project) -> Versions:
    for name in ("netlify.toml", ".github/workflows/hugo.yml", ".github/workflows/hugo.yaml"):
        if match := re.search(r"HUGO_VERSION\s*[:=]\s*[\"']?(\d[\d.]*)", project.text(name)):
            return {"hugo": (match[1], f"from {name}")}
    found = pinned(project, "hugo", ".hugo-version", ".hvm")
    return {"hugo": (number(found[0]), found[1]) if found else NONE}


DETECTOR = Detector(
    name="hugo",
    title="Hugo",
    looks_for="hugo.toml (or .yaml, .json), or config.toml with content/",
    matches=_matches,
    plan=_plan,
    carries=lambda _: frozenset({"node", "bun", "go"}),
)
