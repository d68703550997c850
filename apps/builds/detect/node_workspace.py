"""Monorepos of JavaScript: workspaces of npm, pnpm, yarn and bun, built by themselves, by Turborepo or by Nx."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property

from apps.builds.detect import node_manager
from apps.builds.detect.plan import within
from apps.builds.detect.project import Project, strings, table

MOST = 300  # members that are looked at
_DEEPEST = 5  # directories below the root
_NAME = re.compile(r"(@[\w.-]+/)?[\w.-]+")
BINARIES = 'export PATH="$PWD/node_modules/.bin:$PATH"'


@dataclass(frozen=True)
class Workspace:
    """`root` has the lockfile; `members` are the packages, by their directory beneath it."""

    root: Project
    patterns: tuple[str, ...]

    @cached_property
    def members(self) -> dict[str, Project]:
        found: dict[str, Project] = {}
        for pattern in self.patterns:
            if not pattern.startswith("!") and len(found) < MOST:
                for place in _expand(self.root, pattern):
                    if self.lists(place):
                        found.setdefault(place, self.root.beneath(place))
        return found

    def lists(self, place: str) -> bool:
        hit = any(_fits(place, p) for p in self.patterns if not p.startswith("!"))
        return hit and not any(_fits(place, p[1:]) for p in self.patterns if p.startswith("!"))

    def before(self, member: str) -> list[str]:
        """The members that `member` depends on, directly or not, each after its own; rings are cut somewhere."""
        names = {str(p.package.get("name")): place for place, p in self.members.items() if p.package.get("name")}
        done: dict[str, None] = {}
        seen = {member}

        def visit(place: str) -> None:
            for name in node_manager.dependencies(self.members[place]):
                other = names.get(name)
                if other and other not in seen:
                    seen.add(other)
                    visit(other)
                    done[other] = None

        if member in self.members:
            visit(member)
        return list(done)


def find(project: Project) -> Workspace | None:
    """The workspace that `project` is the root or a member of."""
    for place in (project, *project.above):
        patterns = _patterns(place)
        nx = place.has("nx.json")
        if not patterns and not nx:
            continue
        found = Workspace(place, patterns)
        inside = inner(place, project)
        if not inside or found.lists(inside) or (nx and project.has("project.json")):
            return found
    return None


def inner(root: Project, project: Project) -> str:
    """The directory of `project` beneath `root`."""
    return project.place.removeprefix(root.place).strip("/")


def build(workspace: Workspace, member: str, project: Project, manager: str) -> tuple[str, ...] | None:
    """How Turborepo or Nx builds `member`, or None: neither is there."""
    tools = node_manager.dependencies(workspace.root)
    if workspace.root.has("turbo.json", "turbo.jsonc") and "turbo" in tools:
        return (f"turbo run build --filter={shlex.quote('./' + member)}",)
    if workspace.root.has("nx.json") and "nx" in tools:
        name = project.json("project.json").get("name") or project.package.get("name") or member.rpartition("/")[2]
        return (f"nx build {shlex.quote(name)}",) if isinstance(name, str) and _NAME.fullmatch(name) else None
    return None


def build_before(workspace: Workspace, member: str, manager: str) -> tuple[str, ...]:
    """The builds of the members that `member` needs."""
    scripts = {place: table(workspace.members[place].package.get("scripts")) for place in workspace.before(member)}
    return tuple(within(place, f"{manager} run build") for place, own in scripts.items() if "build" in own)


def nx_output(root: Project, member: str, project: Project) -> str:
    """Where Nx puts what it builds for `member`, beneath the root; nothing if it is not said."""
    targets = table(project.json("project.json").get("targets"))
    options = table(table(targets.get("build")).get("options"))
    path = options.get("outputPath")
    return path if isinstance(path, str) and re.fullmatch(r"[\w./-]+", path) and ".." not in path else ""


def _patterns(project: Project) -> tuple[str, ...]:
    listed = project.package.get("workspaces") if project.has("package.json") else None
    if isinstance(listed, dict):
        listed = listed.get("packages")
    own = [*strings(listed), *_pnpm(project.text("pnpm-workspace.yaml"))]
    plain = [p.removeprefix("./").rstrip("/") for p in own[:100]]
    return tuple(p for p in plain if p and ".." not in p and not p.startswith("/"))


def _pnpm(text: str) -> list[str]:
    """The list `packages` of pnpm-workspace.yaml, which people write in one of two ways."""
    if match := re.search(r"^packages:\s*\[([^\]]*)\]", text, re.MULTILINE):
        return [word.strip().strip("'\"") for word in match[1].split(",")]
    match = re.search(r"^packages:\s*(?:#.*)?\n((?:[ \t]*(?:-.*|#.*)?\n?)+)", text, re.MULTILINE)
    return re.findall(r"^\s*-\s*['\"]?([^'\"#\n]+?)['\"]?\s*(?:#.*)?$", match[1], re.MULTILINE) if match else []


def _fits(place: str, pattern: str) -> bool:
    parts, wanted = place.split("/"), pattern.split("/")
    if "**" in wanted:
        at = wanted.index("**")
        head, tail = wanted[:at], wanted[at + 1 :]
        if len(parts) < len(head) + len(tail):
            return False
        ends = parts[len(parts) - len(tail) :] if tail else []
        return _same(parts[: len(head)], head) and _same(ends, tail)
    return _same(parts, wanted)


def _same(parts: list[str], wanted: list[str]) -> bool:
    return len(parts) == len(wanted) and all(fnmatch(part, word) for part, word in zip(parts, wanted, strict=True))


def _expand(root: Project, pattern: str) -> Iterator[str]:
    """Directories with a package.json that `pattern` may mean; links are not followed."""
    fixed = []
    for word in pattern.split("/"):
        if any(c in word for c in "*?["):
            break
        fixed.append(word)
    start = "/".join(fixed)
    if start == pattern:
        yield from [start] if root.has(f"{start}/package.json") else []
        return
    deepest = _DEEPEST if "**" in pattern else pattern.count("/") + 1
    waiting = [start]
    looked = 0
    while waiting and looked < MOST * 10:
        place = waiting.pop()
        for name in _directories(root, place):
            inside = f"{place}/{name}".lstrip("/")
            looked += 1
            if root.has(f"{inside}/package.json"):
                yield inside
            if inside.count("/") + 1 < deepest:
                waiting.append(inside)


def _directories(root: Project, place: str) -> list[str]:
    if place and not root.has_directory(place):
        return []
    try:
        with os.scandir(root.root / place) as entries:
            found = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted((n for n in found if n != "node_modules" and not n.startswith(".")), reverse=False)[:MOST]
