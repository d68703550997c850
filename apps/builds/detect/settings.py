"""What the repository itself says about its build: brainpod.json, or a railpack.json that is there anyway."""

from __future__ import annotations

import dataclasses
from typing import Any

from apps.builds.detect.plan import Overrides, Versions
from apps.builds.detect.project import Project, invalid, strings, table

# brainpod.json has the names that an App's spec has.
_TEXTS = {"startCommand": "start", "releaseCommand": "release"}
_BUILD = {"framework": "framework", "installCommand": "install", "buildCommand": "build", "outputDir": "output"}
_TABLES = ("build", "versions", "packages", "type", "$schema")
_KINDS = ("web", "worker", "static")
_PROVIDERS = {"golang": "go", "staticfile": "static"}


def apply(project: Project, overrides: Overrides) -> Overrides:
    """`overrides`, and for what they leave open the repository's settings. Raises UserError("manifest_invalid")."""
    if project.has("brainpod.json"):
        found = _own(project.json("brainpod.json"))
    elif project.has("railpack.json"):
        found = _railpack(project.json("railpack.json", comments=True))
    else:
        return overrides
    given = {f.name: value for f in dataclasses.fields(overrides) if (value := getattr(overrides, f.name))}
    if given.get("kind") == "web":  # what every app begins with: the file may know better
        given = {k: v for k, v in given.items() if k != "kind" or not found.kind}
    return dataclasses.replace(found, **given)


def _own(said: dict[str, Any]) -> Overrides:
    build = table(said.get("build"))
    unknown = sorted({*said} - {*_TEXTS, *_TABLES}) + [f"build.{k}" for k in sorted({*build} - {*_BUILD})]
    if unknown:
        raise invalid("brainpod.json", f"{unknown[0][:60]} is no setting")
    kind = said.get("type", "")
    if kind not in ("", *_KINDS):
        raise invalid("brainpod.json", f"type must be one of {', '.join(_KINDS)}")
    texts: dict[str, Any] = {_TEXTS[k]: _text(k, said[k]) for k in _TEXTS if k in said}
    texts |= {_BUILD[k]: _text(f"build.{k}", build[k]) for k in _BUILD if k in build}
    return Overrides(
        **texts, kind=kind, versions=_versions(said.get("versions"), "brainpod.json"),
        packages=tuple(strings(said.get("packages"))),
    )  # fmt: skip


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or "\n" in value or "\0" in value:
        raise invalid("brainpod.json", f"{name} must be one line of text")
    return value.strip()


def _railpack(said: dict[str, Any]) -> Overrides:
    steps, deploy = table(said.get("steps")), table(said.get("deploy"))
    provider = said.get("provider")
    provider = provider if isinstance(provider, str) else ""
    start = deploy.get("startCommand")
    apt = (*strings(said.get("buildAptPackages")), *strings(deploy.get("aptPackages")))
    others = sorted({*steps} - {"install", "build"})
    notes = [f"railpack.json: the steps {', '.join(others)} are not run; only install and build are."] if others else []
    if any("..." in strings(table(steps.get(name)).get("commands")) for name in ("install", "build")):
        notes.append("railpack.json: commands that extend the ones that are found are left out.")
    return Overrides(
        framework=_PROVIDERS.get(provider, provider),
        install=_commands(steps.get("install")),
        build=_commands(steps.get("build")),
        start=start.strip() if isinstance(start, str) else "",
        versions=_versions(said.get("packages"), "railpack.json"),
        packages=tuple(dict.fromkeys(apt)),
        notes=tuple(notes),
    )


def _commands(step: Any) -> str:
    """The step's own commands as one line; one that extends what is found ("...") is left to the detection."""
    wanted = table(step).get("commands")
    if not isinstance(wanted, list) or "..." in wanted:
        return ""
    lines = [c if isinstance(c, str) else table(c).get("cmd", "") for c in wanted]
    return " && ".join(line for line in lines if isinstance(line, str) and line and "\n" not in line)


def _versions(said: Any, name: str) -> Versions:
    pairs = {k: v.get("version") if isinstance(v, dict) else v for k, v in table(said).items()}
    return {
        {"golang": "go", "nodejs": "node"}.get(tool, tool): (str(version), f"from {name}")
        for tool, version in pairs.items()
        if isinstance(version, (str, int, float)) and not isinstance(version, bool)
    }
