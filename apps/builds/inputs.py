"""What a build of an app depends on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from apps.pods.models import Resource, Snapshot

# Variables that frontend toolchains write into what they build; changing one makes another artifact.
BUILT_IN_PREFIXES = (
    "VITE_", "NEXT_PUBLIC_", "NUXT_PUBLIC_", "PUBLIC_", "REACT_APP_", "GATSBY_", "VUE_APP_", "ASTRO_",
)  # fmt: skip


def has_source(resource: Resource) -> bool:
    """Whether the resource is an app built from a repository."""
    return resource.kind == "App" and bool(resource.spec.get("source", {}).get("repo"))


def is_cold(resource: Resource) -> bool:
    """Whether the app is to be built without anything of its cache."""
    return not resource.spec.get("build", {}).get("cache", True)


def inputs(snapshot: Snapshot, app: str) -> str:
    """The digest of everything in a revision that the build of `app` depends on, its commit left out."""
    return hashlib.sha256(json.dumps(_inputs(snapshot, app), sort_keys=True).encode()).hexdigest()


def differing(before: Snapshot, after: Snapshot, app: str) -> list[str]:
    """What the builds of `app` in two revisions depend on and is not the same: paths such as `env.VITE_API`.

    The branch is left out: a commit is the same on each. So are secrets that both have: their versions say nothing from
    pod to pod, and whoever may read them compares their values.
    """
    old, new = _flat(_inputs(before, app)), _flat(_inputs(after, app))
    aside = {"source.branch"} | (secrets_built_in(before, app).keys() & secrets_built_in(after, app).keys())
    return [path for path in sorted(old.keys() | new.keys()) if path not in aside and old.get(path) != new.get(path)]


def secrets_built_in(snapshot: Snapshot, app: str) -> dict[str, tuple[str, str, int]]:
    """The secrets that go into what is built of `app`: (config, name, version) by path, as `differing` has it."""
    return {
        f"configs.{config}.{name}": (config, name, snapshot[config].spec["secrets"][name])
        for config, chosen in _inputs(snapshot, app)["configs"].items()
        for name in chosen
        if config in snapshot and name in snapshot[config].spec.get("secrets", {})
    }


def _flat(value: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= _flat(inner, f"{path}{name}.") if isinstance(inner, dict) else {f"{path}{name}": inner}
    return found


def _inputs(snapshot: Snapshot, app: str) -> dict[str, Any]:
    spec = snapshot[app].spec
    source = {key: spec["source"].get(key) for key in ("repo", "branch", "rootDir", "submodules")}
    build = {key: value for key, value in spec.get("build", {}).items() if key != "cache"}
    static = spec.get("type") == "static"
    env = {
        entry["name"]: entry["value"]
        for entry in spec.get("env", [])
        if static or entry["name"].startswith(BUILT_IN_PREFIXES)
    }
    configs: dict[str, Any] = {}
    for name in spec.get("configs", []):
        config = snapshot[name].spec if name in snapshot else {}
        chosen = {e["name"]: e["value"] for e in config.get("variables", [])} | dict(config.get("secrets", {}))
        configs[name] = {k: v for k, v in chosen.items() if static or k.startswith(BUILT_IN_PREFIXES)}
    whole = {"source": source, "build": build, "static": static, "env": env, "configs": configs}
    if spec.get("type") == "job":
        whole["idle"] = True  # it has no start command, whatever the repository says
    return whole
