"""Package managers of JavaScript: which one a project uses, its version, and how it installs a lockfile."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.builds.detect.plan import Versions, caches
from apps.builds.detect.project import Project, table
from apps.core.errors import UserError

LOCKS = (
    ("pnpm", "pnpm-lock.yaml"), ("yarn", "yarn.lock"), ("bun", "bun.lock"), ("bun", "bun.lockb"),
    ("npm", "package-lock.json"), ("npm", "npm-shrinkwrap.json"),
)  # fmt: skip
_QUIET = "--no-audit --no-fund --no-progress"
_EXACT = re.compile(r"\d+\.\d+\.\d+(?:-[\w.]+)?")
# Which version writes which lockfile.
_PNPM = {"5": "7", "6": "8", "7": "9", "9": "9"}
_BERRY = {"4": "2", "5": "3", "6": "3", "7": "4", "8": "4"}


@dataclass(frozen=True, slots=True)
class Manager:
    """`lock` is its lockfile, or nothing; `wanted` the version and where that stands, as in a plan."""

    name: str
    lock: str
    wanted: tuple[str, str]

    @property
    def berry(self) -> bool:
        """Whether this is yarn 2 or later: another program with other options."""
        return self.name == "yarn" and self.wanted[0] != "" and not self.wanted[0].startswith(("0", "1"))

    @property
    def versions(self) -> Versions:
        return {} if self.name == "npm" and not self.wanted[0] else {self.name: self.wanted}

    @property
    def caches(self) -> tuple[str, ...]:
        return caches(self.name)


def find(project: Project) -> Manager:
    """By the packageManager field, then by the lockfile that is there. Raises UserError("unknown_package_manager")."""
    there = [(name, lock) for name, lock in LOCKS if project.has(lock)]
    field = project.package.get("packageManager")
    named, _, asked = field.partition("@") if isinstance(field, str) else ("", "", "")
    if named in dict(LOCKS):
        match = _EXACT.match(asked)
        lock = next((lock for name, lock in there if name == named), "")
        wanted = (match[0], "from packageManager in package.json") if match else _by_lock(project, named, lock)
        return Manager(named, lock, wanted)
    if named:
        raise UserError(
            "unknown_package_manager", f"package.json asks for the package manager {named[:40]}.",
            "Set packageManager to npm, pnpm, yarn or bun.",
        )  # fmt: skip
    name, lock = there[0] if there else ("npm", "")
    return Manager(name, lock, _by_lock(project, name, lock))


def _by_lock(project: Project, name: str, lock: str) -> tuple[str, str]:
    engines = table(project.package.get("engines")).get(name)
    if isinstance(engines, str) and name != "npm" and (match := re.search(r"\d+(\.\d+)*", engines)):
        return match[0].partition(".")[0] if name == "pnpm" else match[0], "from engines in package.json"
    head = project.text(lock)[:2000] if lock else ""
    if name == "pnpm" and (match := re.search(r"^lockfileVersion:\s*['\"]?(\d+)", head, re.MULTILINE)):
        return _PNPM.get(match[1], ""), f"from {lock}"
    if name == "yarn":
        match = re.search(r"^__metadata:\s+version:\s*['\"]?(\d+)", head, re.MULTILINE)
        if match or project.has(".yarnrc.yml"):
            return _BERRY.get(match[1] if match else "", "4"), f"from {lock if match else '.yarnrc.yml'}"
        return "1", f"from {lock}" if lock else "default"
    return "", "default"


def dependencies(project: Project) -> dict[str, str]:
    kinds = ("dependencies", "devDependencies", "optionalDependencies")
    return {name: str(v) for kind in kinds for name, v in table(project.package.get(kind)).items()}


def install(project: Project, manager: Manager, *, needed: bool) -> tuple[str, ...]:
    """`needed`: there is something to install even if package.json itself names nothing."""
    if not manager.lock:
        if not dependencies(project) and not needed:
            return ()
        # A lockfile of this run alone would be shipped with the app, or not, as the dependencies are fresh or reused.
        npm = f"npm install --include=dev --no-package-lock {_QUIET}"
        return (npm if manager.name == "npm" else f"{manager.name} install",)
    commands = {
        "npm": f"npm ci --include=dev {_QUIET}",
        "pnpm": "pnpm install --frozen-lockfile --prod=false",
        "yarn": "yarn install --immutable" if manager.berry else "yarn install --frozen-lockfile --production=false",
        "bun": "bun install --frozen-lockfile",
    }
    return (commands[manager.name],)


def notes(project: Project, lock: str) -> tuple[str, ...]:
    said = (
        []
        if lock or not dependencies(project)
        else ["There is no lockfile: commit one to get the same versions every time."]
    )
    others = [name for _, name in LOCKS if project.has(name) and name != lock]
    if others and lock:
        said.append(f"There are several lockfiles; {lock} is used, {', '.join(others)} not.")
    elif others:
        said.append(f"{', '.join(others)} belongs to another package manager than package.json names: it is not used.")
    return tuple(said)
