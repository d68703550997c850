"""Railpack's answer as a plan for people: shown before the build, at the head of its log, and kept with it."""

from __future__ import annotations

from typing import Any

from apps.builds.detect.plan import Overrides, Plan, Versions
from apps.builds.detect.project import Project, strings, table
from apps.builds.image.railpack import config
from apps.builds.image.railpack.preparing import Prepared

_QUIET = frozenset({"info"})
_MOST = 300  # characters of a note


def read(prepared: Prepared, project: Project, overrides: Overrides) -> Plan:
    """What was found, with Railpack as the `manager`. Only what Railpack does not know is the platform's own."""
    info, deploy = prepared.info, table(prepared.plan.get("deploy"))
    metadata = {name: str(value) for name, value in table(info.get("metadata")).items()}
    found = (strings(info.get("detectedProviders")) or [metadata.get("providers", "")])[0]
    given = config.own(project, overrides)
    return Plan(
        stack=given.framework or config.STACKS.get(found, found) or "railpack",
        kind=given.kind if given.kind in ("web", "worker") else "web",
        framework=_framework(metadata),
        manager=f"Railpack {prepared.version}".strip(),
        root=project.place,
        versions=_versions(table(info.get("resolvedPackages"))),
        packages=given.packages,
        install=_commands(prepared.plan, "install"),
        build=_commands(prepared.plan, "build"),
        start=str(deploy.get("startCommand", "")),
        release=given.release or project.processes.get("release", ""),
        caches=_caches(prepared.plan),
        notes=_notes(prepared, overrides),
    )


def _framework(metadata: dict[str, str]) -> str:
    for name in ("nodeRuntime", "pythonRuntime", "javaFramework"):
        if (word := metadata.get(name, "")) and word not in ("node", "python", "bun"):
            return word
    flags = {"rubyRails": "rails", "phpLaravel": "laravel", "goGin": "gin"}
    return next((word for name, word in flags.items() if metadata.get(name) == "true"), "")


def _versions(packages: dict[str, Any]) -> Versions:
    found = {}
    for name, row in sorted(packages.items()):
        said = table(row)
        source = str(said.get("source", ""))
        origin = "default" if source in ("", "railpack default") else f"from {source}"
        found[name] = (str(said.get("resolvedVersion") or said.get("requestedVersion") or ""), origin)
    return found


def _steps(plan: dict[str, Any]) -> list[dict[str, Any]]:
    steps = plan.get("steps")
    return [table(step) for step in steps] if isinstance(steps, list) else []


def _commands(plan: dict[str, Any], name: str) -> tuple[str, ...]:
    """The command lines of the step, as Railpack names them."""
    step = next((step for step in _steps(plan) if step.get("name") == name), {})
    commands = [table(command) for command in step.get("commands") or ()]
    lines = [str(command.get("customName") or command["cmd"]) for command in commands if command.get("cmd")]
    return tuple(" ".join(line.split()) for line in lines)


def _caches(plan: dict[str, Any]) -> tuple[str, ...]:
    rows = table(plan.get("caches")).values()
    return tuple(sorted({str(table(row).get("directory", "")) for row in rows} - {""}))


def _notes(prepared: Prepared, overrides: Overrides) -> tuple[str, ...]:
    """Who planned it, what Railpack warns of, and what of the settings it has no use for."""
    rows = [table(row) for row in prepared.info.get("logs") or ()]
    said = [str(row.get("Msg", "")) for row in rows if row.get("Level") not in _QUIET]
    notes = [f"Railpack {prepared.version} made this plan; BuildKit builds it by Railpack's frontend."]
    notes += [f"Railpack: {' '.join(text.split())[:_MOST]}" for text in said if text.strip()]
    if overrides.output:
        notes.append("The output directory is for static apps, and not used.")
    return tuple(dict.fromkeys(notes))
