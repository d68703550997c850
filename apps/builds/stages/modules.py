"""node_modules as a layer: taken out of the app once they are installed, and linked to from where they were.

In the layer they lie as they did in the app: the workspace's beneath it, and those of its packages beneath
theirs, so that what Node.js looks for in the directories above, and links among them, lead to the same files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from apps import artifacts
from apps.builds.detect.plan import Plan
from apps.builds.stages import commands
from apps.builds.stages.room import Room
from apps.engines.base import APP

MODULES = "node_modules"


def several(plan: Plan) -> bool:
    """Whether packages of a workspace may have modules of their own."""
    return bool(plan.packages_beneath)


def take(room: Room, plan: Plan, *, whole: bool) -> bool:
    """Move what was installed into the layer; False if nothing was.

    `whole`: that of the workspace's packages too. Without, the layer is this build's alone, and they keep theirs.
    """
    app, layer = room.app(plan.root), room.dependencies
    if not _is_real(app / MODULES):
        return False
    places = ["", *(place for place in plan.packages_beneath if whole and _is_real(app / place / MODULES))]
    places = [place for place in places if _is_straight(app, place) and _is_straight(layer, place)]
    for place in places:
        (layer / place).mkdir(parents=True, exist_ok=True)
        (app / place / MODULES).rename(layer / place / MODULES)
    taken = [f"{place}/{MODULES}".lstrip("/") for place in places]
    for link in _links(layer, taken, deep=several(plan)):
        _mend(link, layer, taken)
    return True


def link(room: Room, plan: Plan, digest: str) -> None:
    """The app sees the layer where it expects its modules; modules in the repository make room."""
    app, layer = room.app(plan.root), artifacts.artifacts().path(digest)
    places = ("", *(place for place in plan.packages_beneath if _is_real(layer / place / MODULES)))
    for number, place in enumerate(places):
        modules = app / place / MODULES
        if not _is_straight(app, place) or not modules.parent.is_dir():
            continue
        if modules.is_symlink():
            modules.unlink()
        elif modules.exists():
            modules.rename(room.directory("replaced") / f"{number}-{os.urandom(4).hex()}")
        modules.symlink_to("/".join(part for part in (commands.DEPS, place, MODULES) if part))


def _is_real(directory: Path) -> bool:
    return directory.is_dir() and not directory.is_symlink()


def _is_straight(base: Path, place: str) -> bool:
    """Whether no link lies on the way: what was installed and built can make ones that lead out."""
    return os.path.realpath(base / place) == os.path.join(os.path.realpath(base), place).rstrip("/")


def _links(layer: Path, taken: list[str], *, deep: bool) -> Iterator[Path]:
    """Those that may lead to packages of the workspace: not `deep`, at the top alone."""
    for name in taken:
        if not deep:
            yield from (one for one in [*(layer / name).glob("*"), *(layer / name).glob("@*/*")] if one.is_symlink())
            continue
        for base, directories, names in os.walk(layer / name):
            yield from (one for one in (Path(base, n) for n in (*directories, *names)) if one.is_symlink())


def _mend(link: Path, layer: Path, taken: list[str]) -> None:
    """One that leads to a package of the workspace, which stays in the app, is made to lead there from the layer."""
    target = str(link.readlink())
    if target.startswith("/"):
        return
    inside = os.path.normpath(link.parent.relative_to(layer) / target)
    if inside.startswith("..") or any(f"{inside}/".startswith(f"{name}/") for name in taken):
        return
    link.unlink()
    link.symlink_to(f"{APP}/{inside}")
