"""Python: requirements.txt, pyproject.toml with uv or poetry, Pipfile; Django, Flask, FastAPI and plain programs."""

from __future__ import annotations

import re

from apps.builds.detect import node_assets, python_web
from apps.builds.detect.detector import Detector, no_start, started
from apps.builds.detect.pins import NONE, pinned
from apps.builds.detect.plan import Overrides, Plan, Versions, caches
from apps.builds.detect.project import Project, table
from apps.builds.detect.python_dependencies import Dependencies, dependencies, minor

_MANIFESTS = ("requirements.txt", "pyproject.toml", "Pipfile", "poetry.lock", "uv.lock", "pdm.lock", "setup.py")
_SITES = ("mkdocs.yml", "mkdocs.yaml")
_PROGRAMS = ("main.py", "app.py", "server.py", "bot.py", "worker.py")
_VENV = 'uv venv --quiet --relocatable --clear --python "$(readlink -f "$BRAINPOD_PYTHON")" "$VIRTUAL_ENV"'


_PACKAGES = {
    "psycopg2": "libpq-dev", "mysqlclient": "default-libmysqlclient-dev", "pycairo": "libcairo2-dev",
    "weasyprint": "libpango-1.0-0", "pdf2image": "poppler-utils", "pydub": "ffmpeg", "python-ldap": "libldap2-dev",
}  # fmt: skip


def _plan(project: Project, overrides: Overrides) -> Plan:
    found = dependencies(project)
    if _mkdocs(project, found) or overrides.kind == "static":
        return _static(project, found, overrides)
    app = python_web.find(project, found.names)
    kind, start = _start(project, overrides, app)
    assets = app.framework == "django" and bool(node_assets.tools(project))
    made = (*node_assets.install(project), *node_assets.away(project)) if assets else ()
    return Plan(
        stack="python",
        framework=app.framework,
        kind=kind,
        manager=found.manager,
        root=found.root,
        member=found.member,
        versions=_version(project),
        tools=("python", *(node_assets.tools(project) if assets else ())),
        packages=tuple(_PACKAGES[name] for name in sorted(found.names & _PACKAGES.keys())),
        install=(_VENV, *found.install),
        build=(*made, *app.build),
        start=start,
        layer="deps",
        env={"PYTHONUNBUFFERED": "1"},
        caches=caches("uv", *(node_assets.cached(project) if assets else ())),
        lockfiles=found.lockfiles,
        notes=found.notes,
    )


def _start(project: Project, overrides: Overrides, app: python_web.App) -> tuple[str, str]:
    """(kind, start command)."""

    def find(kind: str) -> str:
        if kind == "web" and app.framework:
            return app.start()
        names = (*reversed(_PROGRAMS),) if kind == "worker" else _PROGRAMS
        if program := project.first(*names):
            return f"python {program}"
        if package := _runnable(project):
            return f"python -m {package}"
        hint = f"Write `{kind}: <command>` in a Procfile, or set the start command of the app."
        raise no_start("Python app", hint)

    return started(project, overrides, find, web=bool(app.framework))


def _runnable(project: Project) -> str:
    """The package with a __main__.py, if there is one."""
    found = [*project.files("*/__main__.py"), *project.files("src/*/__main__.py")]
    names = [name.split("/")[-2] for name in found if not name.startswith(("tests/", "test/", "docs/"))]
    return names[0] if len(names) == 1 and names[0].isidentifier() else ""


def _mkdocs(project: Project, found: Dependencies) -> bool:
    return project.has(*_SITES) and (not found.manager or any(name.startswith("mkdocs") for name in found.names))


def _static(project: Project, found: Dependencies, overrides: Overrides) -> Plan:
    site = _mkdocs(project, found)
    text = project.text(project.first(*_SITES))
    output = re.search(r"^site_dir:\s*['\"]?(?:\./)?([\w][\w./-]*)", text, re.MULTILINE)
    install = found.install
    if site and not found.manager:  # nothing but the site: MkDocs itself, and the theme most people take
        theme = " mkdocs-material" if re.search(r"^\s*name:\s*['\"]?material", text, re.MULTILINE) else ""
        install = (f"uv pip install --compile-bytecode mkdocs{theme}",)
    return Plan(
        stack="python",
        framework="mkdocs" if site else "",
        kind="static",
        manager=found.manager,
        root=found.root,
        member=found.member,
        versions=_version(project),
        tools=("python",),
        install=(_VENV, *install),
        build=("mkdocs build",) if site else (),
        output=((output[1].rstrip("/") if output and ".." not in output[1] else "site") if site else "public"),
        layer="deps",
        env={"PYTHONUNBUFFERED": "1"},
        caches=caches("uv"),
        lockfiles=found.lockfiles,
        notes=found.notes,
    )


def _version(project: Project) -> Versions:
    if found := pinned(project, "python", ".python-version", "runtime.txt"):
        return {"python": (minor(found[0].removeprefix("python-")), found[1])}
    asked = table(project.pyproject.get("project")).get("requires-python")
    if isinstance(asked, str) and asked:
        return {"python": (asked, "from requires-python in pyproject.toml")}
    asked = table(table(table(project.pyproject.get("tool")).get("poetry")).get("dependencies")).get("python")
    if isinstance(asked, str) and (match := re.fullmatch(r"[\^~]\s*(\d+\.\d+)(?:\.\d+)?|(>=?[\d.,<>=! ]+)", asked)):
        least = f">={match[1]},<{int(match[1].partition('.')[0]) + 1}" if match[1] else match[2]
        return {"python": (least, "from tool.poetry in pyproject.toml")}
    asked = table(project.toml("Pipfile").get("requires")).get("python_version")
    if isinstance(asked, str) and asked:
        return {"python": (minor(asked), "from Pipfile")}
    return {"python": NONE}


def _serious(project: Project) -> bool:
    """A site for the documentation, or settings for tools, are often beside an app in another language."""
    if project.has("pyproject.toml") and not project.has(*(n for n in _MANIFESTS if n != "pyproject.toml"), "main.py"):
        own = project.pyproject
        return "project" in own or "poetry" in table(own.get("tool")) or project.has("manage.py", "app.py")
    others = ("package.json", "go.mod", "Cargo.toml", "composer.json", "Gemfile", "pom.xml", "build.gradle", "mix.exs")
    return project.has(*_MANIFESTS, "main.py", "manage.py") or not project.has(*others)


DETECTOR = Detector(
    name="python",
    title="Python",
    looks_for="requirements.txt, pyproject.toml, Pipfile, poetry.lock, uv.lock, main.py or mkdocs.yml",
    matches=lambda project: project.has(*_MANIFESTS, *_SITES, "main.py", "manage.py"),
    plan=_plan,
    serious=_serious,
    carries=lambda project: frozenset({"node", "bun"}) if project.has("manage.py") else frozenset(),
)
