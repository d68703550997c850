"""The interpreters and package managers of this machine that a plan asks for."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import uv

from apps.builds.detect.plan import Plan
from apps.builds.versions import fits_node, fits_python
from apps.core.errors import UserError
from apps.engines.base import Mount

_PYTHONS = tuple(f"3.{minor}" for minor in range(15, 7, -1))
_PACKAGES = {
    "node": "nodejs (Debian: apt install nodejs; or nodejs.org)",
    "npm": "npm (Debian: apt install npm)",
    "pnpm": "pnpm (npm install --global pnpm)",
    "yarn": "yarn (npm install --global yarn)",
    "bun": "bun (npm install --global bun)",
}


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What a sandbox needs to have the tools: directories mounted where they are, put into PATH, and variables.

    `versions` are exact, and part of the key of a dependency layer. `prefixes` are what runs the app later.
    """

    versions: dict[str, str]
    prefixes: tuple[str, ...]
    path: tuple[str, ...]
    mounts: tuple[Mount, ...]
    env: dict[str, str]

    @property
    def lines(self) -> list[str]:
        return [f"Using {tool} {version}" for tool, version in self.versions.items()]


def find(plan: Plan, tools: Path) -> Toolchain:
    """The tools of `plan`. Raises UserError("missing_build_tool") naming the package to install."""
    if plan.stack == "python":
        return _python(*plan.versions.get("python", ("", "default")), tools)
    if plan.stack == "node":
        return _node(plan)
    return Toolchain({}, (), (), (), {})


def _python(wanted: str, origin: str, tools: Path) -> Toolchain:
    found = _interpreter(wanted)
    if found is None:
        name = wanted if wanted[:1].isdigit() else ""
        install = f"python{name} python{name}-venv" if name else f"a Python that fits {wanted}"
        ours = ".".join(map(str, sys.version_info[:2]))
        hint = f"Install {install} on the machine that builds, or ask for {ours}, which is there."
        raise UserError("missing_build_tool", f"Python {wanted} ({origin}) is not on this machine.", hint)
    executable, prefix, version = found
    prefixes = _outside((prefix,))
    ours = str(_uv(tools).parent)
    return Toolchain(
        versions={"python": version, "uv": importlib.metadata.version("uv")},
        prefixes=prefixes,
        path=("/layers/deps/venv/bin", ours, *(f"{p}/bin" for p in prefixes)),
        mounts=(Mount(ours, ours), *(Mount(p, p) for p in prefixes)),
        env={"BRAINPOD_PYTHON": executable},
    )


def _interpreter(wanted: str) -> tuple[str, str, str] | None:
    """(executable, prefix, version) of the best interpreter that fits: the platform's own first."""
    own = str(Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}"))
    names = [own, *(f"python{version}" for version in _PYTHONS)]
    if wanted[:1].isdigit():
        names = [own, f"python{wanted}"]
    for name in names:
        found = _ask(name)
        if found and fits_python(found[2], wanted):
            return found
    return None


@functools.lru_cache(maxsize=64)
def _ask(name: str) -> tuple[str, str, str] | None:
    program = shutil.which(name)
    if program is None:
        return None
    question = "import sys; print(sys.executable, sys.base_prefix, '%d.%d.%d' % sys.version_info[:3], sep='\\n')"
    answer = _output([program, "-I", "-S", "-c", question]).split("\n")
    if len(answer) < 3:
        return None
    executable, prefix, version = answer[:3]
    return str(Path(executable).resolve()), str(Path(prefix).resolve()), version


def _node(plan: Plan) -> Toolchain:
    wanted, origin = plan.versions.get("node", ("", "default"))
    programs = {tool: shutil.which(tool) for tool in plan.tools}
    for tool, program in programs.items():
        if program is None:
            hint = f"Install {_PACKAGES[tool]} on the machine that builds."
            raise UserError("missing_build_tool", f"{tool} is not on this machine.", hint)
    versions = {tool: _version(str(program)) for tool, program in programs.items()}
    if not fits_node(versions["node"], wanted):
        hint = f"Install Node.js {wanted}, or ask for {versions['node'].partition('.')[0]}, which is there."
        raise UserError("missing_build_tool", f"Node.js {wanted} ({origin}) is not on this machine.", hint)
    homes = tuple(dict.fromkeys(str(Path(str(program)).resolve().parent) for program in programs.values()))
    prefixes = _outside(tuple(str(Path(home).parent) if Path(home).name == "bin" else home for home in homes))
    where = tuple(dict.fromkeys(str(Path(str(program)).parent) for program in programs.values()))
    extra = _outside(where)
    mounted = tuple(p for p in extra if not any(p.startswith(f"{prefix}/") for prefix in prefixes))
    return Toolchain(
        versions=versions,
        prefixes=(*prefixes, *mounted),
        path=("/app/node_modules/.bin", *extra),
        mounts=tuple(Mount(p, p) for p in (*prefixes, *mounted)),
        env={},
    )


def _version(program: str) -> str:
    return _asked_version(program, os.stat(program).st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _asked_version(program: str, changed: int) -> str:
    return _output([program, "--version"]).strip().removeprefix("v")


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _outside(directories: tuple[str, ...]) -> tuple[str, ...]:
    """Those that a sandbox does not have anyway."""
    usual = ("/usr", "/bin", "/lib")
    return tuple(d for d in directories if not any(d == base or d.startswith(f"{base}/") for base in usual))


def _uv(tools: Path) -> Path:
    """uv in a directory of its own: what lies beside it in the platform's environment is none of a build's business."""
    program = Path(uv.find_uv_bin())
    status = program.stat()
    target = tools / f"uv-{status.st_size}-{status.st_mtime_ns}" / "uv"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        for directory in (tools, target.parent):
            directory.chmod(0o755)
        beside = target.with_name(f".uv-{os.getpid()}-{os.urandom(4).hex()}")
        shutil.copy(program, beside)
        beside.chmod(0o755)
        beside.rename(target)
    return target
