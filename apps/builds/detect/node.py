"""Node.js: package.json with npm, pnpm, yarn or bun; servers, and the frameworks that make static files."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.builds.detect import node_layer, node_manager, node_static, node_workspace
from apps.builds.detect.detector import Detector, no_start, several
from apps.builds.detect.node_manager import Manager
from apps.builds.detect.node_workspace import BINARIES, Workspace
from apps.builds.detect.pins import number, pinned
from apps.builds.detect.plan import Overrides, Plan, Versions, within
from apps.builds.detect.project import Project, table

_PROGRAMS = ("index.js", "index.mjs", "index.cjs", "server.js", "server.mjs", "app.js", "main.js", "src/index.js",
             "src/index.mjs", "src/server.js", "src/main.js")  # fmt: skip
_TYPED = ("index.ts", "server.ts", "app.ts", "main.ts", "src/index.ts", "src/server.ts", "src/main.ts")


@dataclass(frozen=True, slots=True)
class App:
    """`project` is what is built; `root` has the lockfile, and is another directory for a `member` of a workspace."""

    project: Project
    root: Project
    member: str
    workspace: Workspace | None
    manager: Manager

    def script(self, name: str) -> str:
        """What runs the script `name` in the app's directory: its own text where npm would add nothing but a delay."""
        scripts = table(self.project.package.get("scripts"))
        text = str(scripts.get(name, "")).strip()
        if not text:
            return ""
        plain = not re.search(r"npm_|INIT_CWD|[\n]", text) and not {f"pre{name}", f"post{name}"} & scripts.keys()
        if not plain:
            return f"{self.manager.name if self.manager.name == 'bun' else 'npm'} run {name}"
        return f"{BINARIES} && {text}" if self.member else text


def matches(project: Project) -> bool:
    nx = project.has("project.json") and any(above.has("nx.json") for above in project.above)
    return project.has("package.json") or nx


def runs(project: Project) -> bool:
    """Whether package.json describes an app, not just tools of another one."""
    package = project.package
    scripts = table(package.get("scripts"))
    return bool(
        {"start", "build"} & scripts.keys() or package.get("main") or package.get("dependencies")
        or package.get("workspaces") or project.has("project.json", "pnpm-workspace.yaml", "nx.json")
        or node_static.find(project)
    )  # fmt: skip


def uses_bun(project: Project) -> bool:
    workspace = node_workspace.find(project)
    root = workspace.root if workspace else project
    named = root.package.get("packageManager")
    if isinstance(named, str) and named:
        return named.startswith("bun@")
    others = root.has(*(lock for name, lock in node_manager.LOCKS if name != "bun"))
    if root.has("bun.lock", "bun.lockb"):
        return not root.has("pnpm-lock.yaml", "yarn.lock")
    return root.has("bunfig.toml") and not others


def plan(project: Project, overrides: Overrides, stack: str = "node") -> Plan:
    app = _app(project, overrides)
    project, manager = app.project, app.manager
    site = node_static.find(project) or _nx_site(app)
    kind, start = _kind(app, overrides, site, stack)
    static = kind == "static"
    framework = site.framework if site else node_static.server(project)
    needs = bool(node_manager.dependencies(app.root) or manager.lock or app.member)
    return Plan(
        stack=stack,
        framework=framework,
        kind=kind,
        manager=manager.name,
        root=app.root.place,
        member=app.member,
        versions=_version(project, app.root) | manager.versions,
        tools=("node", manager.name) if needs or stack == "bun" else ("node",),
        install=node_manager.install(app.root, manager, needed=bool(app.member)),
        build=_build(app, site if static else None, framework),
        start=start,
        output=(site.output if site else "dist") if static else "",
        layer="modules",
        env={"NODE_ENV": "production", **node_static.ENV.get(framework, {})},
        caches=manager.caches,
        lockfiles=node_layer.keyed(app.root, manager.lock, app.workspace),
        notes=(*node_manager.notes(app.root, manager.lock), *_chosen(app)),
    )


def _app(project: Project, overrides: Overrides) -> App:
    workspace = node_workspace.find(project)
    if workspace is None:
        return App(project, project, "", None, node_manager.find(project))
    member = node_workspace.inner(workspace.root, project)
    manager = node_manager.find(workspace.root)
    if not member and not _is_app(project) and not (overrides.start or {"web", "worker"} & project.processes.keys()):
        member = _only(workspace)
        project = workspace.root.beneath(member) if member else project
    return App(project, workspace.root, member, workspace, manager)


def _is_app(project: Project) -> bool:
    """Whether something is built or started from this very package."""
    start = table(project.package.get("scripts")).get("start")
    if start and not re.match(r"\s*(npx |pnpm |yarn )?(nx|turbo|lerna)\b", str(start)):  # those start members
        return True
    return bool(_file(project)) or (node_static.find(project) is not None and not project.has("nx.json"))


def _only(workspace: Workspace) -> str:
    """The one member that is an app; nothing if none is. Raises UserError("multiple_builders_matched")."""
    root = workspace.root
    found = [place for place, p in workspace.members.items() if node_static.find(p) or _starts(p)]
    if root.has("nx.json"):
        files = (*root.files("apps/*/project.json"), *root.files("*/project.json"))
        nx = [file.rpartition("/")[0] for file in files if root.json(file).get("projectType") == "application"]
        found += [name for name in nx if name not in found]
    found = [name for name in found if not name.endswith("-e2e")]
    if len(found) > 1:
        raise several("apps in the workspace", found, "Set the root directory of the app to one of them.")
    return found[0] if found else ""


def _starts(project: Project) -> bool:
    return "start" in table(project.package.get("scripts")) or node_static.server(project) in node_static.SERVERS


def _chosen(app: App) -> tuple[str, ...]:
    where = app.root.place or "the repository"
    return (f"{app.member} is part of the workspace in {where}, which is installed whole.",) if app.member else ()


def _nx_site(app: App) -> node_static.Site | None:
    """An Nx project without a package.json: the root's names its framework."""
    if app.project.has("package.json") or not app.member:
        return None
    executor = str(table(table(app.project.json("project.json").get("targets")).get("build")).get("executor", ""))
    config = any(app.project.has(f"vite.config.{end}") for end in ("ts", "js", "mts", "mjs"))
    if not (config or re.search(r"vite|angular|@nx/(react|web|rollup)", executor)):
        return None
    output = node_workspace.nx_output(app.root, app.member, app.project) or f"dist/{app.member}"
    return node_static.Site("nx", f"/{output}", "nx build")


def _build(app: App, site: node_static.Site | None, framework: str) -> tuple[str, ...]:
    if app.workspace and app.member:
        tool = node_workspace.build(app.workspace, app.member, app.project, app.manager.name)
        has = "build" in table(app.project.package.get("scripts")) or app.project.has("project.json")
        if tool and has:
            return tool
        before = node_workspace.build_before(app.workspace, app.member, app.manager.name)
    else:
        before = ()
    own = _own_build(app, site, framework)
    return (*before, *((within(app.member, own),) if own else ()))


def _own_build(app: App, site: node_static.Site | None, framework: str) -> str:
    if site and site.script != "build" and (text := app.script(site.script)):
        return text
    if text := app.script("build"):
        return text
    command = site.command if site else node_static.BUILDS.get(framework, "")
    return f"{BINARIES} && {command}" if command and app.member else command


def _kind(app: App, overrides: Overrides, site: node_static.Site | None, stack: str) -> tuple[str, str]:
    """(kind, start command)."""
    declared = app.project.processes
    if overrides.kind == "static":
        return "static", ""
    kind = "worker" if overrides.kind == "worker" else "web"
    if overrides.start:
        return kind, overrides.start
    if kind in declared:
        return kind, declared[kind]
    if kind == "web" and site:
        return "static", ""
    if kind == "web" and not overrides.kind and "worker" in declared and not app.script("start"):
        return "worker", declared["worker"]
    names = (
        (kind, "start:prod", "start") if kind == "worker" or node_static.server(app.project) == "nest" else ("start",)
    )
    started = next((text for name in names if (text := app.script(name))), "")
    served = node_static.SERVERS.get(node_static.server(app.project), "")
    started = started or (f"{BINARIES} && {served}" if served and app.member else served)
    return kind, started or _program(app, stack)


def _file(project: Project) -> str:
    main = project.package.get("main")
    if isinstance(main, str) and re.fullmatch(r"[\w./@-]+", main) and not main.startswith("-") and project.has(main):
        return main
    return project.first(*_PROGRAMS)


def _program(app: App, stack: str) -> str:
    project = app.project
    if file := _file(project):
        return f"{'bun' if stack == 'bun' else 'node'} {file}"
    if file := project.first(*_TYPED):
        if stack == "bun":
            return f"bun {file}"
        if {"tsx", "ts-node"} & {*node_manager.dependencies(project), *node_manager.dependencies(app.root)}:
            return f"tsx {file}" if "tsx" in node_manager.dependencies(project) else f"ts-node {file}"
    hint = "Add a `start` script to package.json, write `web: <command>` in a Procfile, or set the start command."
    raise no_start(f"{'Bun' if stack == 'bun' else 'Node.js'} app", hint)


def _version(project: Project, root: Project) -> Versions:
    for place in (project, root):
        engines = table(place.package.get("engines")).get("node")
        if isinstance(engines, str) and engines.strip():
            return {"node": (engines.strip(), "from engines in package.json")}
    found = pinned(project, "node", ".nvmrc", ".node-version")
    if found is None:
        return {"node": ("", "default")}
    word, origin = found
    if word.startswith(("lts", "node", "latest", "stable")):
        return {"node": ("", f"{origin}: {word[:30]}")}
    return {"node": (number(word), origin)}


DETECTOR = Detector(name="node", title="Node.js", looks_for="package.json", matches=matches, plan=plan, serious=runs)
