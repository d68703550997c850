"""Which files decide what installing the modules of a JavaScript project leaves."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from apps.builds.detect.node_manager import dependencies
from apps.builds.detect.node_workspace import MOST, Workspace
from apps.builds.detect.project import Project, strings, table

EVERYTHING = (".",)
_HOOKS = ("preinstall", "install", "postinstall", "prepare")
_SETTINGS = (".npmrc", ".yarnrc", ".yarnrc.yml", "bunfig.toml", "pnpm-workspace.yaml")
_BROUGHT = ("patches/*", ".yarn/patches/*", ".yarn/releases/*")  # read or run by a package manager, and nobody else's
_LOCAL = re.compile(r"""["'\s](?:file|link|portal|exec):""")
_PLAIN = re.compile(r"!?[\w@.*/-]+")
_SCHEMA = "prisma/schema.prisma"  # what @prisma/client makes itself of while it is installed


def keyed(root: Project, lock: str, workspace: Workspace | None = None) -> tuple[str, ...]:
    """The files, relative to `root`, package.json of each of the workspace's packages among them.

    EVERYTHING where installing runs code of the repository, or puts more of it into the modules than a link.
    """
    places = () if workspace is None else tuple(place for place in workspace.members if place != ".")
    if workspace and (len(places) >= MOST or not all(_PLAIN.fullmatch(pattern) for pattern in workspace.patterns)):
        return EVERYTHING  # there may be more of them than are known
    packages = [root, *(workspace.members[place] for place in places if workspace)]
    if _runs_code(root, bool(workspace)) or any(map(_is_special, packages)):
        return EVERYTHING
    if any(package.has_directory("node_modules") or not _executable(package) for package in packages[1:]):
        return EVERYTHING
    found = [name for name in (lock, "package.json", *_SETTINGS) if name]
    found += [name for pattern in _BROUGHT for name in root.files(pattern)]
    for place, package in zip(("", *places), packages, strict=True):
        inside = f"{place}/" if place else ""
        found += [f"{inside}package.json", *(f"{inside}{name}" for name in _binaries(package) if place)]
        found += [f"{inside}{_SCHEMA}"] if "@prisma/client" in dependencies(package) else []
    return tuple(name for name in dict.fromkeys(found) if root.has(name))


def _runs_code(root: Project, whole: bool) -> bool:
    """Whether the package manager itself is told to; `whole`: as that of a workspace whose packages are known."""
    extended = root.has(".pnpmfile.cjs", ".pnpmfile.mjs", ".pnp.cjs") or bool(root.files(".yarn/plugins/*"))
    listed = "workspaces" in root.package or root.has("pnpm-workspace.yaml")
    return extended or (listed and not whole) or bool(_LOCAL.search(root.text("pnpm-workspace.yaml")))


def _is_special(package: Project) -> bool:
    scripts = table(package.package.get("scripts"))
    hooks = [name for name in _HOOKS if name in scripts and not re.match(r"\s*(npx )?husky\b", str(scripts[name]))]
    # One that is injected is copied, not linked.
    injected = any(table(meta).get("injected") for meta in table(package.package.get("dependenciesMeta")).values())
    local = any(wanted.startswith(".") for wanted in dependencies(package).values())
    return bool(hooks) or injected or local or package.has("binding.gyp") or bool(_LOCAL.search(_manifest(package)))


def _manifest(package: Project) -> str:
    """package.json without its scripts, in which anything may stand."""
    return str({name: value for name, value in package.package.items() if name != "scripts"})


def _binaries(package: Project) -> Iterator[str]:
    """The programs that the packages of a workspace find of this one; those a build makes are not there yet."""
    declared = package.package.get("bin")
    names = [declared] if isinstance(declared, str) else strings([*table(declared).values()])
    return (name for name in (os.path.normpath(name) for name in names) if package.has(name))


def _executable(package: Project) -> bool:
    """Whether linking its programs leaves them as they are: package managers set the mode of those that are not."""
    if "directories" in package.package:
        return False
    paths = [path for name in _binaries(package) if (path := package.path(name))]
    return all(os.access(path, os.X_OK) for path in paths)
