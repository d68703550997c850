"""The few lines of sh with which a task of the exec and raw_exec drivers begins. Pure.

Such a task has no mounts of its own: what a spec says of the inside is made in a directory of the allocation, and
every path is turned to it. What is secret is in none of these lines.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from apps.engines.base import APP, LAYERS, LaunchSpec, Mount, RunSpec
from apps.engines.checks import touched

ROOT = "$NOMAD_TASK_DIR/root"  # what stands for / of the inside, in words of sh
INTERPOLATED = "${NOMAD_TASK_DIR}/root"  # the same where Nomad puts its variables in
FETCHED = "local/fetched"  # where archives of trees arrive, seen from the task's directory
FILES = "secrets/files"  # where files of Config arrive
VARIABLES = "secrets/variables.sh"
BESIDE = "secrets/beside.sh"
BESIDE_COMMAND = ("/bin/sh", "-c", '. "$NOMAD_SECRETS_DIR/beside.sh"', "sh")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LACKING = 78  # the exit code of a node that lacks what it should have


class Turned:
    """Paths of the inside turned to where they are on a node."""

    def __init__(self, spec: RunSpec) -> None:
        toolchains = {mount.target for mount in spec.mounts if is_toolchain(mount)}
        targets = {APP, LAYERS, *(mount.target for mount in spec.mounts), *spec.files} - toolchains
        longest = sorted(map(re.escape, targets), key=len, reverse=True)
        self._pattern = re.compile(rf"(?<![\w./~-])(?:{'|'.join(longest)})(?![\w.-])")

    def path(self, text: str, root: str) -> str:
        """`text` with every path of the inside put beneath `root`."""
        return self._pattern.sub(lambda found: f"{root}{found.group()}", text)

    def quoted(self, text: str) -> str:
        """The same as one word of sh, the root as sh knows it."""
        mark = "\0"
        parts = self.path(text, mark).split(mark)
        return f'"{ROOT}"'.join(shlex.quote(part) if part else "" for part in parts) or "''"


def is_toolchain(mount: Mount) -> bool:
    """A directory that is where it is: programs in it know their own path, so every node has to have it there."""
    return mount.mode == "read" and mount.source == mount.target


# A shell that is the first process of its own process namespace, where the kernel lets nothing end by a signal that it
# does not handle: it passes TERM on, takes in what others left, and ends as the command ended.
INIT = """trap 'kill -s TERM "$C" 2>/dev/null' TERM
"$@" &
C=$!
while :; do wait "$C"; S=$?; kill -0 "$C" 2>/dev/null || break; done
wait "$C" 2>/dev/null; E=$?
[ "$E" = 127 ] && [ "$S" != 127 ] && E=$S
exit "$E"
"""


def start(spec: RunSpec, fetched: Mapping[str, int], disks: Mapping[str, str], *, isolated: bool = False) -> str:
    """The arguments of these lines are the command. `isolated`: by a driver with a cgroup and a process namespace,
    where they stay its parent, see INIT.

    `fetched`: the number of the archive of each target whose tree was sent; `disks`: where each disk is on the node.
    """
    turned = Turned(spec)
    lines = [
        "set -e",
        f"R={ROOT}",
        *_node_has(spec, disks),
        'if [ ! -e "$R/.made" ]; then',
        'rm -rf -- "$R"',
        'mkdir -p -- "$R"',
    ]
    for mount in sorted(touched(spec), key=lambda mount: mount.target.count("/")):
        if not is_toolchain(mount):
            lines += _mount(mount, fetched, disks)
    for number, path in enumerate(spec.files):
        lines += _parents(path)
        lines += [f'rm -rf -- "$R"{_q(path)}', f'cp -- "$NOMAD_SECRETS_DIR/files/{number}" "$R"{_q(path)}']
        lines += [f'chmod 0444 -- "$R"{_q(path)}']
    for at, to in spec.links:
        lines += _parents(at)
        lines += [f'rm -rf -- "$R"{_q(at)}', f'ln -s -- {turned.quoted(to)} "$R"{_q(at)}']
    lines += [f'mkdir -p -- "$R"{_q(spec.workdir)}', ': > "$R/.made"', "fi"]
    # Where no cgroup limits it, as the process engine does: what asks for more is refused it.
    own = [] if isolated else [f"ulimit -d {spec.limits.memory * 1024} 2>/dev/null || :"]
    return "\n".join([*lines, *own, *_enter(spec, turned), INIT if isolated else 'exec "$@"\n'])


def beside(spec: RunSpec) -> str:
    """For a command beside the workload: the same surroundings, nothing made."""
    return "\n".join(["set -e", f"R={ROOT}", *_enter(spec, Turned(spec)), 'exec "$@"', ""])


def variables(values: Mapping[str, str], spec: RunSpec) -> str:
    """Variables as lines of sh, byte for byte but for paths of the inside."""
    turned = Turned(spec)
    return "".join(f"export {name}={turned.quoted(value)}\n" for name, value in values.items())


def _enter(spec: RunSpec, turned: Turned) -> list[str]:
    limits = spec.limits
    files = f'ulimit -n {limits.open_files} 2>/dev/null || ulimit -n "$(ulimit -H -n)"'
    path = ":".join(turned.quoted(directory) for directory in spec.path)
    lines = ['[ ! -e "$NOMAD_SECRETS_DIR/variables.sh" ] || . "$NOMAD_SECRETS_DIR/variables.sh"', files, "ulimit -c 0"]
    if path:
        lines.append(f'export PATH={path}:"${{PATH:-{SYSTEM_PATH}}}"')
    return [*lines, f'cd -- "$R"{_q(spec.workdir)}', "unset R", "set +e"]


def _node_has(spec: RunSpec, disks: Mapping[str, str]) -> list[str]:
    wanted = [*(mount.source for mount in spec.mounts if is_toolchain(mount)), *disks.values()]
    return [
        f"[ -d {_q(path)} ] || {{ echo {_q(f'This node has no directory {path}.')} >&2; exit {LACKING}; }}"
        for path in wanted
    ]


def _mount(mount: Mount, fetched: Mapping[str, int], disks: Mapping[str, str]) -> list[str]:
    place = f'"$R"{_q(mount.target)}'
    if mount.target in fetched:
        archive = f'"$NOMAD_TASK_DIR/fetched/{fetched[mount.target]}.tar.gz"'
        return [f"mkdir -p -- {place}", f"tar -xzf {archive} -C {place}"]
    return [*_parents(mount.target), f"ln -s -- {_q(disks[mount.target])} {place}"]


def _parents(path: str) -> list[str]:
    parent = path.rpartition("/")[0]
    return [f'mkdir -p -- "$R"{_q(parent)}'] if parent else []


def _q(text: str) -> str:
    return shlex.quote(text)


def env_of(spec: RunSpec) -> dict[str, str]:
    """The spec's variables, and what every workload has."""
    env = {"HOME": "/tmp", "LANG": "C.UTF-8", **spec.env}
    if isinstance(spec, LaunchSpec) and spec.port is not None:
        env.pop("PORT", None)  # the node's choice
    return env
