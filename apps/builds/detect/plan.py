"""What a build will do, decided from the files alone: data, so that it can be shown, stored and compared."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Literal

from apps.engines.base import LAYERS

CACHE = f"{LAYERS}/cache"
Versions = dict[str, tuple[str, str]]
"""Tool → (what is asked for, where that stands): ("3.11", "from .python-version"); ("", "default") when nowhere."""
Layer = Literal["", "deps", "modules"]


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the app's settings say instead of what is found; empty: nothing.

    `kind` web leaves it to the detection whether there is anything to run; static and worker are final. `builder`
    image: a Dockerfile at the root beats everything; else it counts only where nothing else is found.
    """

    kind: str = ""
    framework: str = ""  # the name of a detector
    install: str = ""
    build: str = ""
    output: str = ""
    start: str = ""
    release: str = ""
    builder: Literal["", "bundle", "image", "railpack"] = ""
    dockerfile: str = ""  # empty: Dockerfile
    versions: Versions = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)  # of the app, that Railpack plans by


@dataclass(frozen=True, slots=True)
class Plan:
    """Command lines are run by `sh -c` in the directory `root` of the repository; `output` is relative to it.

    `member` is the app's own directory beneath `root` where the app is part of a workspace that is installed as a
    whole. `layer` is what installing leaves: "deps", a tree in /layers/deps; "modules", node_modules; "", nothing but
    what is in the caches and the app's directory. `lockfiles` are the files whose content decides that layer; ".":
    installing runs code of the repository, so it is made each time. `env` is for the commands and for the app.
    `caches` are directories that the commands fill and later builds of the app find again: of tools, beneath
    /layers/cache, and relative to the app what its framework keeps there. `packages` are the
    system's, for an image. `release` runs before the start of each deployment.
    """

    stack: str  # the name of a detector, or docker
    kind: str  # web | worker | static
    framework: str = ""
    manager: str = ""
    root: str = ""
    member: str = ""
    versions: Versions = field(default_factory=dict)
    tools: tuple[str, ...] = ()  # programs the machine must have
    packages: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    build: tuple[str, ...] = ()
    start: str = ""
    release: str = ""
    output: str = ""
    layer: Layer = ""
    env: dict[str, str] = field(default_factory=dict)
    caches: tuple[str, ...] = ()
    lockfiles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def packages_beneath(self) -> tuple[str, ...]:
        """The directories beneath `root` that installing may put a node_modules of their own into."""
        places = [name.rpartition("/")[0] for name in self.lockfiles if name.endswith("/package.json")]
        return tuple(dict.fromkeys(places)) if self.layer == "modules" else ()

    @property
    def title(self) -> str:
        """One line for people: "Django, Python 3.11, pip"."""
        words = [self.framework or {"static": "static files"}.get(self.stack, self.stack)]
        words += [f"{tool} {version}".strip() for tool, (version, _) in self.versions.items() if tool != words[0]]
        words += [self.manager] if self.manager and self.manager not in self.versions else []
        return ", ".join(words)

    def rows(self) -> list[tuple[str, str]]:
        """The plan for people, as (what, value); a name may be there several times."""
        said = [("Stack", self.stack + (f" ({self.framework})" if self.framework else ""))]
        said += [(tool, f"{version or 'any'} ({origin})") for tool, (version, origin) in self.versions.items()]
        said += [("Packages", ", ".join(self.packages))] if self.packages else []
        said += [("Directory", f"{self.member} of {self.root or 'the repository'}")] if self.member else []
        said += [("Install", command) for command in self.install]
        said += [("Build", command) for command in self.build]
        said += [(f"Start ({self.kind})", self.start)] if self.start else []
        said += [("Release", self.release)] if self.release else []
        said += [("Output", self.output)] if self.output else []
        return [*said, *(("Note", note) for note in self.notes)]

    def lines(self) -> list[str]:
        """The head of every build's log."""
        return [f"{name}: {value}" for name, value in self.rows()]


def caches(*names: str) -> tuple[str, ...]:
    """Directories of the build cache by the name of the tool that fills them; stages/commands.py tells the tools."""
    return tuple(f"{CACHE}/{name}" for name in names)


def within(member: str, command: str) -> str:
    """`command` in the directory `member`."""
    return f"cd {shlex.quote(member)} && {command}" if member and command else command
