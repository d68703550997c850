"""What a Python app depends on, by name, and how that is installed into the environment in $VIRTUAL_ENV."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from fnmatch import fnmatch

from apps.builds.detect.project import Project, strings, table
from apps.core.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_INSTALL = "uv pip install --compile-bytecode"
_FILE = '"$TMPDIR/requirements.txt"'
_EXPORTED = f"{_INSTALL} --requirement {_FILE}"
# Exported, and installed by uv, which needs nothing of an index but what every mirror has; all refuse stale lockfiles.
_POETRY = (
    "uv tool run --quiet --with poetry-plugin-export poetry export --only main --format requirements.txt"
    f" --output {_FILE} && {_EXPORTED}"
)
_PIPENV = (
    f"uv tool run --quiet pipenv verify && uv tool run --quiet pipenv requirements --hash > {_FILE} && {_EXPORTED}"
)
_PDM_TOOL = "uv tool run --quiet --from 'pdm[locked]' pdm"
_PDM = (
    f"{_PDM_TOOL} lock --check && {_PDM_TOOL} export --production --format requirements --output {_FILE} && {_EXPORTED}"
)


@dataclass(frozen=True, slots=True)
class Dependencies:
    """`root` and `member` are those of a plan: of an app that is part of a workspace of uv."""

    manager: str
    names: frozenset[str]  # normalised
    install: tuple[str, ...]
    lockfiles: tuple[str, ...]
    notes: tuple[str, ...] = ()
    root: str = ""
    member: str = ""


def dependencies(project: Project) -> Dependencies:
    """By the first lockfile found. Raises UserError for what cannot be installed here."""
    if project.has("uv.lock"):
        return _uv(project)
    if project.has("pdm.lock"):
        return Dependencies("pdm", _declared(project), (_PDM,), ("pdm.lock", "pyproject.toml"))
    if workspace := _workspace(project):
        return _uv_member(project, workspace)
    if project.has("poetry.lock") or (
        "poetry" in table(project.pyproject.get("tool")) and not project.has("requirements.txt")
    ):
        return _poetry(project)
    if project.has("Pipfile"):
        return _pipenv(project)
    if project.has("requirements.txt"):
        return _requirements(project)
    if project.has("pyproject.toml") and "project" in project.pyproject:
        return _pyproject(project)
    if project.has("setup.py"):
        return Dependencies("pip", _setup(project), (f"{_INSTALL} --editable .",), (".",))
    return Dependencies("", frozenset(), (), ())


def normal(name: str) -> str:
    """PEP 503: My.Package_x → my-package-x."""
    return re.sub(r"[-_.]+", "-", name).lower()


def minor(version: str) -> str:
    """3.11.4 → 3.11: the patch level is the machine's."""
    match = re.fullmatch(r"(?:cpython-?|python-?)?(\d+\.\d+)(?:\.\d+)?\S*", version)
    return match[1] if match else version


def _names(requirements: list[str]) -> frozenset[str]:
    """Names and extras, as `uvicorn` and `fastapi[standard]` of "fastapi[standard]>=1"."""
    found: set[str] = set()
    for requirement in requirements:
        if match := _NAME.match(requirement.strip()):
            found.add(normal(match[0]))
            if extra := re.match(r"\s*\[([^\]]*)\]", requirement.strip()[match.end() :]):
                found |= {f"{normal(match[0])}[{normal(e.strip())}]" for e in extra[1].split(",")}
    return frozenset(found)


def _declared(project: Project) -> frozenset[str]:
    """The names in pyproject.toml, by PEP 621 and poetry's own table."""
    own = strings(table(project.pyproject.get("project")).get("dependencies"))
    poetry = table(table(table(project.pyproject.get("tool")).get("poetry")).get("dependencies"))
    return _names([*own, *(name for name in poetry if name != "python")])


def _setup(project: Project) -> frozenset[str]:
    """The names in setup.py's install_requires, as far as they are written there."""
    match = re.search(r"install_requires\s*=\s*\[(.*?)\]", project.text("setup.py"), re.DOTALL)
    return _names(re.findall(r"""['"]([^'"]+)['"]""", match[1])) if match else frozenset()


def _uv(project: Project) -> Dependencies:
    if not project.has("pyproject.toml"):
        raise UserError("lockfile_out_of_sync", "There is uv.lock and no pyproject.toml.", "Commit pyproject.toml too.")
    package = "build-system" in project.pyproject
    only = "" if package else " --no-install-project"
    install = f"uv sync --active --locked --no-default-groups --compile-bytecode{only}"
    members = "workspace" in table(table(project.pyproject.get("tool")).get("uv"))
    locks = (".",) if members else ("uv.lock", "pyproject.toml")
    return Dependencies("uv", _declared(project), (install,), locks)


def _workspace(project: Project) -> Project | None:
    """The root of the uv workspace that lists `project` as a member."""
    for above in project.above if project.has("pyproject.toml") else ():
        listed = table(table(table(above.pyproject.get("tool")).get("uv")).get("workspace"))
        inside = project.place.removeprefix(above.place).strip("/")
        if above.has("uv.lock") and any(fnmatch(inside, pattern) for pattern in strings(listed.get("members"))):
            return above
    return None


def _uv_member(project: Project, workspace: Project) -> Dependencies:
    member = project.place.removeprefix(workspace.place).strip("/")
    install = f"cd {shlex.quote(member)} && uv sync --active --locked --no-default-groups --compile-bytecode"
    names = _declared(project)
    return Dependencies("uv", names, (install,), (".",), root=workspace.place, member=member)


def _poetry(project: Project) -> Dependencies:
    if not project.has("poetry.lock"):
        raise UserError(
            "lockfile_out_of_sync", "pyproject.toml uses poetry and there is no poetry.lock.",
            "Run `poetry lock` and commit poetry.lock.",
        )  # fmt: skip
    return Dependencies("poetry", _declared(project), (_POETRY,), ("poetry.lock", "pyproject.toml"))


def _pipenv(project: Project) -> Dependencies:
    try:
        locked = table(json.loads(project.text("Pipfile.lock") or "null"))
    except (ValueError, RecursionError):
        locked = {}
    if not locked:
        raise UserError(
            "lockfile_out_of_sync", "There is a Pipfile and no Pipfile.lock that can be read.",
            "Run `pipenv lock` and commit Pipfile.lock.",
        )  # fmt: skip
    names = _names([*table(project.toml("Pipfile").get("packages")), *table(locked.get("default"))])
    return Dependencies("pipenv", names, (_PIPENV,), ("Pipfile.lock", "Pipfile"))


def _requirements(project: Project) -> Dependencies:
    files, lines, local = ["requirements.txt"], [], False
    for name in files:  # grows while it is read: files may include files
        base = name.rpartition("/")[0]
        for line in project.text(name).splitlines():
            line = line.split(" #")[0].strip()
            included = re.fullmatch(r"(?:-r|--requirement|-c|--constraint)[ =]?\s*(\S+)", line)
            if included:
                path = f"{base}/{included[1]}".lstrip("/")
                if path not in files and len(files) < 50 and project.has(path):
                    files.append(path)
            elif line and not line.startswith("#"):
                local = local or bool(re.match(r"(-e|--editable)[ =]?\s*\.|\.|file:|\S+\s*@\s*file:", line))
                lines.append(re.sub(r"^(-e|--editable)[ =]?\s*", "", line))
    locks = (".",) if local else tuple(files)
    return Dependencies("pip", _names(lines), (f"{_INSTALL} --requirement requirements.txt",), locks)


def _pyproject(project: Project) -> Dependencies:
    if "build-system" in project.pyproject:
        return Dependencies("pip", _declared(project), (f"{_INSTALL} --editable .",), (".",))
    install = f"{_INSTALL} --requirement pyproject.toml"
    note = "There is no lockfile: run `uv lock` and commit uv.lock to get the same versions every time."
    return Dependencies("pip", _declared(project), (install,), ("pyproject.toml",), (note,))
