"""The Pythons of this machine, and uv, which installs what they need."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import shutil
import sys
from pathlib import Path

import uv

from apps.builds.toolchains.base import Part, missing, output
from apps.builds.versions import fits_python

_PYTHONS = tuple(f"3.{minor}" for minor in range(15, 7, -1))


def find(wanted: str, origin: str, tools: Path) -> Part:
    """Raises UserError("missing_toolchain")."""
    found = _interpreter(wanted)
    if found is None:
        name = wanted if wanted[:1].isdigit() else ""
        install = f"python{name} python{name}-venv" if name else f"a Python that fits {wanted}"
        ours = ".".join(map(str, sys.version_info[:2]))
        raise missing(f"Python {wanted} ({origin})", f"install {install}, or ask for {ours}, which is there")
    executable, prefix, version = found
    return Part(
        versions={"python": version, "uv": importlib.metadata.version("uv")},
        home=(prefix,),
        path=(f"{prefix}/bin",),
        env={"BRAINPOD_PYTHON": executable},
    )


def uv_home(tools: Path) -> Part:
    """uv: only while building."""
    ours = str(_uv(tools).parent)
    return Part({}, (ours,), (ours,), runs=False)


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
    answer = output([program, "-I", "-S", "-c", question]).split("\n")
    if len(answer) < 3:
        return None
    executable, prefix, version = answer[:3]
    return str(Path(executable).resolve()), str(Path(prefix).resolve()), version


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
