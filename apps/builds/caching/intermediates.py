"""What the tools of a site keep in the app's directory for their next run: taken out after a build, put back before.

Restored even when the source has changed: the tools know themselves what of it still fits. It is copied, never
mounted or linked: what a build does to it stays that build's.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from apps import artifacts, engines
from apps.artifacts.objects import ObjectsAway
from apps.builds.caching import keys
from apps.builds.caching.index import INTERMEDIATES
from apps.builds.detect.plan import CACHE, Plan
from apps.builds.stages.room import Room
from apps.core.errors import UserError

LARGEST_MB = 1024
MODULES = "node_modules/"
VARIABLE = "BRAINPOD_MODULE_CACHES"  # stages/commands.py links these places in the app to `elsewhere`
ELSEWHERE = ".modules"  # in the build's temporary directory


@dataclass(frozen=True, slots=True)
class Kept:
    """`name` in the tree that is stored is `base`/`inside` on this host while building, `base` a directory mounted.

    `shared`: the output has it too, so it is copied out.
    """

    name: str
    base: Path
    inside: str
    shared: bool = False

    @property
    def place(self) -> Path:
        return self.base / self.inside

    @property
    def straight(self) -> bool:
        """Whether no link lies on the way: repository and build can make ones that lead out."""
        return os.path.realpath(self.place) == os.path.join(os.path.realpath(self.base), self.inside)


def restore(room: Room, plan: Plan, versions: Mapping[str, str]) -> dict[str, str]:
    """Put back what an earlier build left; variables for the build's commands."""
    wanted = [one for one in _declared(room, plan) if one.straight]
    entry = room.caching.find(INTERMEDIATES, _key(room, plan, versions)) if wanted else None
    if entry:
        began, tree = time.monotonic(), artifacts.artifacts().path(entry.digest)
        found = [one for one in wanted if (tree / one.name).is_dir() and _free(one.place)]
        for one in found:
            shutil.copytree(tree / one.name, one.place, symlinks=True, dirs_exist_ok=True)
        if found:
            took = (time.monotonic() - began) * 1000
            room.write(f"Cache: restored {_names(found)} ({entry.size / 1e6:.1f} MB) in {took:.0f} ms")
    linked = [one for one in wanted if one.inside.startswith(ELSEWHERE)]
    for one in linked:
        one.place.mkdir(parents=True, exist_ok=True)
    for one in wanted:
        _give(one)
    return {VARIABLE: " ".join(one.inside.removeprefix(f"{ELSEWHERE}/") for one in linked)} if linked else {}


def keep(room: Room, plan: Plan, versions: Mapping[str, str]) -> None:
    """Take out what the tools left, after a build that went well."""
    if not room.caching.on:
        return
    filled = [one for one in _declared(room, plan) if one.straight and one.place.is_dir() and any(one.place.iterdir())]
    size = sum(path.lstat().st_size for one in filled for path in one.place.rglob("*"))
    if size > LARGEST_MB * 1_000_000:
        room.write(f"Cache: {_names(filled)} not kept: {size // 1_000_000} MB")
        return
    taken = room.directory("intermediates")
    try:
        for one in filled:
            target = taken / one.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if one.shared:
                shutil.copytree(one.place, target, symlinks=True)
            else:
                one.place.rename(target)
        if filled:
            room.caching.keep(INTERMEDIATES, _key(room, plan, versions), artifacts.artifacts().adopt(taken))
    except (UserError, OSError, ObjectsAway) as error:  # odd files in it: the build is none the worse for it
        room.write(f"Cache: {_names(filled)} not kept: {error}")


def _declared(room: Room, plan: Plan) -> Iterator[Kept]:
    """What the plan declares in the app's directory; beneath node_modules, while that is a layer, in another place."""
    base = room.app(plan.root)
    layered = (base / plan.member / MODULES).is_symlink() or (plan.layer == "modules" and not plan.member)
    for name in plan.caches:
        if name.startswith(CACHE):
            continue
        inside = f"{plan.member}/{name}" if plan.member else name
        if name.startswith(MODULES) and layered:
            # Without a sandbox the layer could be the stored tree itself, in which nothing may be put.
            if engines.builder().check().sandbox and not re.search(r"\s", inside):
                yield Kept(name, room.directory("tmp"), f"{ELSEWHERE}/{inside}")
            continue
        output = f"{plan.output}/"
        yield Kept(name, base, inside, f"{inside}/".startswith(output) or output.startswith(f"{inside}/"))


def _names(kept: list[Kept]) -> str:
    return ", ".join(one.name for one in kept)


def _key(room: Room, plan: Plan, versions: Mapping[str, str]) -> str:
    return keys.intermediates(plan, room.app(plan.root), versions)


def _free(place: Path) -> bool:
    return not place.exists() or (place.is_dir() and not any(place.iterdir()))


def _give(one: Kept) -> None:
    """To whom the mounted directory belongs: the engine gives it away as a whole once, at the first command."""
    owner = one.base.lstat()
    if os.geteuid() != 0 or owner.st_uid == 0 or not one.place.exists():
        return
    way = one.place
    while way != one.base:
        os.lchown(way, owner.st_uid, owner.st_gid)
        way = way.parent
    for base, directories, files in os.walk(one.place):
        for name in (*directories, *files):
            os.lchown(os.path.join(base, name), owner.st_uid, owner.st_gid)
