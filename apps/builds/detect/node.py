"""Node.js: package.json with npm, pnpm, yarn or bun; servers, and the frameworks that make static files."""

from __future__ import annotations

import re

from apps.builds.detect import node_static
from apps.builds.detect.plan import Overrides, Plan, Versions
from apps.builds.detect.project import Project, table
from apps.core.errors import UserError

NAME = "node"
_LOCKS = (
    ("pnpm", "pnpm-lock.yaml"), ("yarn", "yarn.lock"), ("bun", "bun.lock"), ("bun", "bun.lockb"),
    ("npm", "package-lock.json"), ("npm", "npm-shrinkwrap.json"),
)  # fmt: skip
_QUIET = "--no-audit --no-fund --no-progress"
_HOOKS = ("preinstall", "install", "postinstall", "prepare")


def matches(project: Project) -> bool:
    return project.has("package.json")


def runs(project: Project) -> bool:
    """Whether package.json describes an app, not just tools of another one."""
    scripts = table(project.package.get("scripts"))
    return bool(
        {"start", "build"} & scripts.keys() or project.package.get("main") or project.package.get("dependencies")
    )


def plan(project: Project, overrides: Overrides) -> Plan:
    manager, lock = _manager(project)
    site = node_static.find(project)
    kind, start = _kind(project, overrides, site)
    static = kind == "static"
    framework = site.framework if site else node_static.server(project)
    return Plan(
        stack=NAME,
        framework=framework,
        kind=kind,
        manager=manager,
        versions=_version(project),
        tools=("node", manager) if _dependencies(project) or lock else ("node",),
        install=_install(project, manager, lock),
        build=_build(project, manager, site if static else None, framework),
        start=start,
        release=project.processes.get("release", ""),
        output=(overrides.output or (site.output if site else "dist")) if static else "",
        caches=(manager,),
        lockfiles=_keyed(project, lock),
        notes=_notes(project, lock),
    )


def _manager(project: Project) -> tuple[str, str]:
    """(package manager, its lockfile or nothing): by the packageManager field, then by the lockfile that is there."""
    there = [(manager, lock) for manager, lock in _LOCKS if project.has(lock)]
    field = project.package.get("packageManager")
    named = field.partition("@")[0] if isinstance(field, str) else ""
    if named in dict(_LOCKS):
        return named, next((lock for manager, lock in there if manager == named), "")
    if named:
        raise UserError(
            "missing_build_tool", f"packageManager {named[:40]} is not known.", "Use npm, pnpm, yarn or bun."
        )
    return there[0] if there else ("npm", "")


def _dependencies(project: Project) -> dict[str, str]:
    kinds = ("dependencies", "devDependencies", "optionalDependencies")
    return {name: str(v) for kind in kinds for name, v in table(project.package.get(kind)).items()}


def _install(project: Project, manager: str, lock: str) -> tuple[str, ...]:
    if not lock:
        if not _dependencies(project):
            return ()
        return (f"npm install --include=dev {_QUIET}" if manager == "npm" else f"{manager} install",)
    modern = project.has(".yarnrc.yml") or re.match(r"yarn@[2-9]", str(project.package.get("packageManager")))
    commands = {
        "npm": f"npm ci --include=dev {_QUIET}",
        "pnpm": "pnpm install --frozen-lockfile --prod=false",
        "yarn": "yarn install --immutable" if modern else "yarn install --frozen-lockfile --production=false",
        "bun": "bun install --frozen-lockfile",
    }
    return (commands[manager],)


def _keyed(project: Project, lock: str) -> tuple[str, ...]:
    """The files the layer depends on; everything where installing runs or links code of the repository."""
    scripts = table(project.package.get("scripts"))
    hooks = [name for name in _HOOKS if name in scripts and not re.match(r"\s*(npx )?husky\b", str(scripts[name]))]
    linked = any(
        v.startswith(("file:", "link:", ".", "workspace:", "portal:")) for v in _dependencies(project).values()
    )
    if hooks or linked or "workspaces" in project.package or project.has("pnpm-workspace.yaml", ".pnp.cjs"):
        return (".",)
    others = (".npmrc", ".yarnrc", ".yarnrc.yml", "bunfig.toml")
    return tuple(name for name in (lock, "package.json", *others) if name and project.has(name))


def _notes(project: Project, lock: str) -> tuple[str, ...]:
    notes = (
        []
        if lock or not _dependencies(project)
        else ["There is no lockfile: commit one to get the same versions every time."]
    )
    others = [name for _, name in _LOCKS if project.has(name) and name != lock]
    if others:
        notes.append(f"There are several lockfiles; {lock} is used, {', '.join(others)} not.")
    return tuple(notes)


def script(project: Project, name: str, manager: str) -> str:
    """What runs the script `name`: its own text where npm would add nothing, or half a second is lost on each call."""
    scripts = table(project.package.get("scripts"))
    text = str(scripts.get(name, "")).strip()
    if not text:
        return ""
    plain = not re.search(r"npm_|INIT_CWD|[\n]", text) and not {f"pre{name}", f"post{name}"} & scripts.keys()
    return text if plain else f"{manager} run {name}"


def _build(project: Project, manager: str, site: node_static.Site | None, framework: str) -> tuple[str, ...]:
    if site and site.script != "build" and (text := script(project, site.script, manager)):
        return (text,)
    if text := script(project, "build", manager):
        return (text,)
    if site:
        return (site.command,) if site.command else ()
    return {"next": ("next build",), "nuxt": ("nuxt build",)}.get(framework, ())


def _kind(project: Project, overrides: Overrides, site: node_static.Site | None) -> tuple[str, str]:
    """(kind, start command)."""
    declared = project.processes
    if overrides.kind == "static":
        return "static", ""
    kind = "worker" if overrides.kind == "worker" else "web"
    if overrides.start:
        return kind, overrides.start
    if kind in declared:
        return kind, declared[kind]
    if kind == "web" and site:
        return "static", ""
    if kind == "worker" and not overrides.kind:
        return kind, declared["worker"]
    manager, _ = _manager(project)
    started = script(project, kind, manager) if kind == "worker" else ""
    started = started or script(project, "start", manager) or node_static.SERVERS.get(node_static.server(project), "")
    return kind, started or _program(project)


def _program(project: Project) -> str:
    main = project.package.get("main")
    if isinstance(main, str) and re.fullmatch(r"[\w./@-]+", main) and not main.startswith("-") and project.has(main):
        return f"node {main}"
    if file := project.first("index.js", "index.mjs", "server.js", "app.js", "src/index.js"):
        return f"node {file}"
    if (file := project.first("index.ts", "server.ts", "src/index.ts")) and "tsx" in _dependencies(project):
        return f"tsx {file}"
    hint = "Add a `start` script to package.json, write `web: <command>` in a Procfile, or set the start command."
    raise UserError("no_start_command", "Nothing says how to start this Node.js app.", hint)


def _version(project: Project) -> Versions:
    engines = table(project.package.get("engines")).get("node")
    if isinstance(engines, str) and engines.strip():
        return {"node": (engines.strip(), "from engines in package.json")}
    for name in (".nvmrc", ".node-version"):
        lines = project.text(name).split()
        if lines and lines[0].startswith("lts/"):
            return {"node": ("", f"from {name}: {lines[0]}")}
        if lines:
            return {"node": (lines[0].removeprefix("v"), f"from {name}")}
    return {"node": ("", "default")}
