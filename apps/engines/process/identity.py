"""As which operating-system user a pod's processes run, and what they may use of the machine."""

from __future__ import annotations

import hashlib
import os
import resource
import stat
from dataclasses import dataclass
from pathlib import Path

from apps.engines.base import Limits, RunSpec

FIRST_UID = 0x10000000
LIMIT = resource.RLIM_INFINITY


@dataclass(frozen=True, slots=True)
class Identity:
    """`drop`: the agent is root, and children become this user; else this is the agent's own user."""

    uid: int
    gid: int
    drop: bool

    def assume(self) -> None:
        """Become this user for good; for a child before it runs anything."""
        if self.drop:
            os.setgroups([])
            os.setgid(self.gid)
            os.setuid(self.uid)


def of_pod(pod: str) -> Identity:
    """Root gives every pod a user of its own, far above those of people; an ordinary user has only itself."""
    if os.getuid() != 0:
        return Identity(os.getuid(), os.getgid(), drop=False)
    number = FIRST_UID + int.from_bytes(hashlib.sha256(pod.encode()).digest()[:4], "big") % FIRST_UID
    return Identity(number, number, drop=True)


def of(spec: RunSpec) -> Identity:
    """Whose user `spec` runs as: its pod's, or one of its own."""
    return of_pod(f"{spec.pod}/{spec.owner}" if spec.owner else spec.pod)


def of_a_pod(uid: int) -> bool:
    """Whether `of_pod` gives such numbers."""
    return FIRST_UID <= uid < 2 * FIRST_UID


def own(directory: str, identity: Identity) -> None:
    """Give a writable mount, with what is in it, to its pod. Follows no symlink; nothing to do the second time."""
    if not identity.drop or os.lstat(directory).st_uid == identity.uid:
        return
    for _, directories, files, at in os.fwalk(directory, follow_symlinks=False):
        for name in (*directories, *files):
            info = os.stat(name, dir_fd=at, follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode) or info.st_nlink == 1:
                os.chown(name, identity.uid, identity.gid, dir_fd=at, follow_symlinks=False)
    os.chown(directory, identity.uid, identity.gid)  # last: an interrupted walk is made again


def reachable(path: str) -> bool:
    """Whether any user may enter `path` and everything above it."""
    real = Path(os.path.realpath(path))
    return all(os.stat(part).st_mode & 0o001 for part in (real, *real.parents))


def limit(limits: Limits, *, memory: bool, nice: int, processes: bool = False) -> None:
    """Limits of this process and its children; `memory` where no cgroup limits it."""
    size = limits.file_mb * 1_048_576
    wanted = {resource.RLIMIT_NOFILE: limits.open_files, resource.RLIMIT_FSIZE: size, resource.RLIMIT_CORE: 0}
    if memory:
        wanted[resource.RLIMIT_DATA] = limits.memory * 1_048_576
    if processes:
        wanted[resource.RLIMIT_NPROC] = limits.processes
    for kind, value in wanted.items():
        _, most = resource.getrlimit(kind)
        value = value if most == LIMIT else min(value, most)
        resource.setrlimit(kind, (value, value))
    if nice:
        os.nice(nice)
    os.umask(0o022)
