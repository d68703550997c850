"""Python: requirements.txt, pyproject.toml with uv or poetry, Pipfile; Django, Flask, FastAPI and plain programs."""

from __future__ import annotations

from apps.builds.detect import python_web
from apps.builds.detect.plan import Overrides, Plan, Versions
from apps.builds.detect.project import Project
from apps.builds.detect.python_dependencies import Dependencies, dependencies, minor

NAME = "python"
_MANIFESTS = ("requirements.txt", "pyproject.toml", "Pipfile", "poetry.lock", "uv.lock")
_PROGRAMS = ("main.py", "app.py", "server.py", "bot.py", "worker.py")
_VENV = 'uv venv --quiet --relocatable --clear --python "$(readlink -f "$BRAINPOD_PYTHON")" "$VIRTUAL_ENV"'


def matches(project: Project) -> bool:
    return project.has(*_MANIFESTS, "main.py", "manage.py")


def carries_node(project: Project) -> bool:
    """Whether a package.json beside is a second toolchain by custom: Django projects build their styles with it."""
    return project.has("manage.py")


def plan(project: Project, overrides: Overrides) -> Plan:
    found = dependencies(project)
    site = _mkdocs(project, found)
    if site or overrides.kind == "static":
        return _static(project, found, overrides)
    app = python_web.find(project, found.names)
    kind, start = _start(project, overrides, app)
    return Plan(
        stack=NAME,
        framework=app.framework,
        kind=kind,
        manager=found.manager,
        versions=_version(project),
        tools=("python",),
        install=(_VENV, *found.install),
        build=app.build,
        start=start,
        release=project.processes.get("release", ""),
        caches=("uv",),
        lockfiles=found.lockfiles,
        notes=found.notes,
    )


def _start(project: Project, overrides: Overrides, app: python_web.App) -> tuple[str, str]:
    """(kind, start command)."""
    kind = "worker" if overrides.kind == "worker" else "web"
    declared = project.processes
    if kind == "web" and not overrides.kind and "web" not in declared and "worker" in declared and not app.framework:
        kind = "worker"
    if overrides.start:
        return kind, overrides.start
    if kind in declared:
        return kind, declared[kind]
    if kind == "web" and app.framework:
        return kind, app.start()
    names = (*reversed(_PROGRAMS),) if kind == "worker" else _PROGRAMS
    if program := project.first(*names):
        return kind, f"python {program}"
    hint = f"Write `{kind}: <command>` in a Procfile, or set the start command of the app."
    raise python_web.no_start("Python app", hint)


def _mkdocs(project: Project, found: Dependencies) -> bool:
    return project.has("mkdocs.yml", "mkdocs.yaml") and any(name.startswith("mkdocs") for name in found.names)


def _static(project: Project, found: Dependencies, overrides: Overrides) -> Plan:
    site = _mkdocs(project, found)
    return Plan(
        stack=NAME,
        framework="mkdocs" if site else "",
        kind="static",
        manager=found.manager,
        versions=_version(project),
        tools=("python",),
        install=(_VENV, *found.install),
        build=("mkdocs build",) if site else (),
        output=overrides.output or ("site" if site else "public"),
        caches=("uv",),
        lockfiles=found.lockfiles,
        notes=found.notes,
    )


def _version(project: Project) -> Versions:
    if wanted := _line(project, ".python-version"):
        return {"python": (minor(wanted), "from .python-version")}
    if wanted := _line(project, "runtime.txt"):
        return {"python": (minor(wanted.removeprefix("python-")), "from runtime.txt")}
    project_table = project.pyproject.get("project")
    asked = project_table.get("requires-python") if isinstance(project_table, dict) else None
    if isinstance(asked, str) and asked:
        return {"python": (asked, "from requires-python in pyproject.toml")}
    requires = project.pipfile.get("requires")
    asked = requires.get("python_version") if isinstance(requires, dict) else None
    if isinstance(asked, str) and asked:
        return {"python": (minor(asked), "from Pipfile")}
    return {"python": ("", "default")}


def _line(project: Project, name: str) -> str:
    lines = (line.strip() for line in project.text(name).splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")
