"""What a sandbox needs to have one tool, or several."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from apps.core.errors import UserError
from apps.engines.base import Mount


@dataclass(frozen=True, slots=True)
class Part:
    """One tool: its exact version, directories mounted where they are, and those put into PATH.

    `home` are the directories it consists of, `runs` whether the app needs them when it runs, not just its build.
    """

    versions: dict[str, str]
    home: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    runs: bool = True


@dataclass(frozen=True, slots=True)
class Toolchain:
    """All tools of a plan: what is mounted, put into PATH and set as variables while building.

    `versions` are exact, and part of the key of a dependency layer. `prefixes` and `run_path` are the directories, and
    the part of PATH, that the app needs later.
    """

    versions: dict[str, str]
    prefixes: tuple[str, ...]
    path: tuple[str, ...]
    run_path: tuple[str, ...]
    mounts: tuple[Mount, ...]
    env: dict[str, str]

    @property
    def lines(self) -> list[str]:
        return [f"Using {tool} {version}" for tool, version in self.versions.items()]


def together(parts: Sequence[Part], before: tuple[str, ...] = ()) -> Toolchain:
    """`before` comes first in PATH."""
    homes = top(outside(d for part in parts for d in part.home))
    lasting = top(outside(d for part in parts if part.runs for d in part.home))
    return Toolchain(
        versions={tool: version for part in parts for tool, version in part.versions.items()},
        prefixes=lasting,
        path=_searched((*before, *(d for part in parts for d in part.path))),
        run_path=_searched((*before, *(d for part in parts if part.runs for d in part.path))),
        mounts=tuple(Mount(d, d) for d in homes),
        env={name: value for part in parts for name, value in part.env.items()},
    )


def missing(what: str, install: str) -> UserError:
    """`install`: the package to install, and how."""
    return UserError("missing_toolchain", f"{what} is not on this machine.", f"On the machine that builds: {install}.")


def outside(directories: Iterable[str]) -> tuple[str, ...]:
    """Those that a sandbox does not have anyway."""
    usual = ("/usr", "/bin", "/lib", "/sbin")
    return tuple(d for d in directories if not any(d == base or d.startswith(f"{base}/") for base in usual))


def top(directories: tuple[str, ...]) -> tuple[str, ...]:
    """Without those that lie in others of them."""
    return _once(tuple(d for d in directories if not any(d.startswith(f"{other}/") for other in directories)))


def output(command: list[str]) -> str:
    """What a program of this machine prints; nothing if it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def asked(program: str, *arguments: str) -> str:
    """What `program` prints, asked once as long as it stays the same file."""
    try:
        changed = os.stat(program).st_mtime_ns
    except OSError:
        return ""
    return _remembered(program, arguments, changed)


@functools.lru_cache(maxsize=128)
def _remembered(program: str, arguments: tuple[str, ...], changed: int) -> str:
    return output([program, *arguments])


def prefix(program: str) -> str:
    """The directory that holds all of a program: the one above its bin."""
    home = Path(program).resolve().parent
    return str(home.parent if home.name in ("bin", "sbin") else home)


def _searched(directories: tuple[str, ...]) -> tuple[str, ...]:
    """Without those that are in every sandbox's PATH."""
    usual = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
    return _once(tuple(d for d in directories if d not in usual))


def _once(directories: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(directories))
