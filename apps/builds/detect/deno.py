"""Deno: deno.json or deno.lock; tasks, or a file that is run."""

from __future__ import annotations

from typing import Any

from apps.builds.detect.detector import Detector, no_start, started
from apps.builds.detect.pins import NONE, number, pinned
from apps.builds.detect.plan import Overrides, Plan
from apps.builds.detect.project import Project, table

_CONFIGS = ("deno.json", "deno.jsonc")
_FILES = tuple(
    f"{place}{name}.{end}" for name in ("main", "server", "app", "index", "mod") for place in ("", "src/")
    for end in ("ts", "tsx", "js")
)  # fmt: skip


def _plan(project: Project, overrides: Overrides) -> Plan:
    config = project.json(project.first(*_CONFIGS) or "deno.json", comments=True)
    tasks = table(config.get("tasks"))
    entry = project.first(*_FILES)
    fresh = "fresh" in str(table(config.get("imports")))
    lume = "lume" in str(table(config.get("imports")))
    kind, start = ("static", "") if _is_site(tasks, lume, overrides) else started(
        project, overrides, lambda kind: _start(tasks, entry, fresh, kind)
    )  # fmt: skip
    locked = project.has("deno.lock") and config.get("lock") is not False
    files = (*_CONFIGS, "deno.lock", "package.json")
    return Plan(
        stack="deno",
        framework="fresh" if fresh else "lume" if lume else "",
        kind=kind,
        versions=_version(project),
        tools=("deno",),
        install=(f"deno cache {'--frozen ' if locked else ''}{entry}",) if entry else (),
        build=("deno task build",) if "build" in tasks else (),
        start=start,
        output=("_site" if lume else "dist") if kind == "static" else "",
        layer="deps" if entry else "",
        env={"DENO_DIR": "/layers/deps/deno", "DENO_NO_UPDATE_CHECK": "1"},
        lockfiles=tuple(name for name in files if project.has(name)) if locked else (".",) if entry else (),
    )


def _is_site(tasks: dict[str, Any], lume: bool, overrides: Overrides) -> bool:
    return overrides.kind == "static" or (lume and not overrides.start and "start" not in tasks)


def _start(tasks: dict[str, Any], entry: str, fresh: bool, kind: str) -> str:
    for name in (kind, "start") if kind == "worker" else ("start",):
        if name in tasks:
            return f"deno task {name}"
    if fresh and entry:
        return f"deno run -A {entry}"
    if entry:
        return f"deno run --allow-net --allow-env --allow-read {entry}"
    raise no_start("Deno app", 'Add a task "start" to deno.json, or main.ts, or set the start command of the app.')


def _version(project: Project) -> dict[str, tuple[str, str]]:
    found = pinned(project, "deno", ".deno-version", ".dvmrc")
    return {"deno": (number(found[0]), found[1]) if found else NONE}


DETECTOR = Detector(
    name="deno", title="Deno", looks_for="deno.json, deno.jsonc or deno.lock",
    matches=lambda project: project.has(*_CONFIGS, "deno.lock"), plan=_plan,
    carries=lambda _: frozenset({"node", "bun"}),
)  # fmt: skip
