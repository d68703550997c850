"""`railpack prepare` in bubblewrap: it sees the app, read-only, a directory for its answer, and the network.

It runs nothing of the app's: mise reads the app's configuration in its safe mode. It fetches mise, once, and asks for
the versions of tools. Root runs it as a user of its own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apps.builds.image.railpack.program import unfit
from apps.core.errors import PlatformError
from apps.engines.base import Limits
from apps.engines.process import identity
from apps.engines.process.binaries import Bubblewrap
from apps.engines.process.binaries import find as find_bubblewrap
from apps.engines.process.host import SYSTEM_PATH, look
from apps.engines.process.launcher import Staging
from apps.engines.process.sandbox import ETC
from apps.infrastructure.embedded import binaries, process

APP, WORK = "/app", "/work"
_PROGRAM = "/opt/railpack"
_MISE = "/tmp/railpack/mise"  # where Railpack keeps mise: there is no setting for it
_NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
_LIMITS = Limits(memory=2048, processes=256, file_mb=1024)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True, slots=True)
class Task:
    """`app`: the app's directory. `work`: for the answer, written by Railpack. `mise`: kept from one to the next.

    `words` follow `railpack prepare`. `env` reaches it by its environment alone.
    """

    program: Path
    app: Path
    work: Path
    mise: Path
    words: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def start(task: Task) -> subprocess.Popen[bytes]:
    """The running process, in a group of its own, its output in one pipe. Raises UserError without a sandbox."""
    bwrap = _bubblewrap()
    who = identity.of_pod("railpack")
    for place in (task.work, task.mise):
        place.mkdir(parents=True, exist_ok=True)
        identity.own(str(place), who)
    os.utime(task.mise)  # it is in use: what was not for long goes (caching/sweep.py)
    staging = Staging(who, frozenset({str(task.app)})) if who.drop else None
    where = staging.where if staging else str
    command = arguments(task, bwrap, where, look().binds)
    lasting = process.dies_with_parent()

    def become() -> None:
        lasting()
        if staging is not None:
            staging.mount()
        who.assume()
        identity.limit(_LIMITS, memory=False, nice=10)
        lasting()  # becoming another user takes it back

    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_environment(task),
        cwd="/", start_new_session=True, preexec_fn=become,
    )  # fmt: skip


def arguments(task: Task, bwrap: Bubblewrap, where: Callable[[str], str], binds: Mapping[str, str]) -> list[str]:
    """bubblewrap's, and Railpack's behind them. `where` says under which path a directory of this host is reached."""
    args = [str(Path(where(str(bwrap.root))) / bwrap.path.relative_to(bwrap.root))]
    args += ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    args += ["--hostname", "railpack", "--new-session", "--die-with-parent", "--cap-drop", "ALL"]
    args += ["--disable-userns"] if bwrap.features.disable_userns else []
    args += [*_system(), "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for source, target in binds.items():
        args += ["--ro-bind", where(source), target]
    args += ["--ro-bind", where(str(task.program)), _PROGRAM, "--bind", where(str(task.mise)), _MISE]
    args += ["--ro-bind", where(str(task.app)), APP, "--bind", where(str(task.work)), WORK]
    args += ["--remount-ro", "/", "--chdir", APP, "--"]
    return [*args, _PROGRAM, "prepare", "--hide-pretty-plan", *task.words, APP]


def _system() -> Iterable[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"):
        if Path(name).is_symlink():
            yield from ("--symlink", str(Path(name).readlink()), name)
        elif Path(name).is_dir():
            yield from ("--ro-bind", name, name)
    for name in (*ETC, *_NETWORK):
        if Path(name).exists():
            yield from ("--ro-bind", os.path.realpath(name), name)


def _environment(task: Task) -> dict[str, str]:
    proxies = {n: v for name in _PROXIES for n in (name, name.lower()) if (v := os.environ.get(n))}
    own = {"PATH": SYSTEM_PATH, "HOME": "/tmp", "LANG": "C.UTF-8", "NO_COLOR": "1"}
    return {**task.env, **look().certificates, **proxies, **own}


def _bubblewrap() -> Bubblewrap:
    try:
        found = find_bubblewrap(str(binaries.resolve("bwrap").path))
    except PlatformError:
        found = None
    if found is None:
        what = "Railpack is run in a sandbox only, and bubblewrap is not on the machine that builds."
        raise unfit(what, "Choose another builder, or have an operator install bubblewrap.")
    return found
