"""What of a spec is refused, before anything of it is made. Raises Invalid naming the field."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from apps.core.errors import Detail, Invalid
from apps.engines.base import LaunchSpec, Mount, RunSpec

RESERVED = ("/proc", "/dev", "/sys", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/tmp", "/run")
NO_DISKS = (*RESERVED, "/etc", "/var/tmp", "/opt/brainpod", "/root", "/boot")
NO_FILES = (*RESERVED, "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/ssl")

PEER = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def within(path: str, parent: str) -> bool:
    """Whether `path` is `parent` or beneath it, as written."""
    return path == parent or path.startswith(parent.rstrip("/") + "/")


def check(spec: RunSpec) -> None:
    wrong = [*_strings(spec), *_mounts(spec), *_files(spec), *_peers(spec)]
    if wrong:
        raise Invalid(wrong, code="workload_refused")


def covering(mounts: tuple[Mount, ...], path: str) -> Mount | None:
    """The mount whose tree `path` lies in, the deepest one; not the mount at `path` itself."""
    holders = [mount for mount in mounts if mount.target != path and within(path, mount.target)]
    return max(holders, key=lambda mount: len(mount.target), default=None)


def touched(spec: RunSpec) -> tuple[Mount, ...]:
    """The mounts as they are made: a read-only one that something is put into becomes the workload's own copy."""
    inner = [at for at, _ in spec.links] + list(spec.files) + [mount.target for mount in spec.mounts]
    holders = {holder.target for at in inner if (holder := covering(spec.mounts, at)) and holder.mode == "read"}
    return tuple(
        Mount(mount.source, mount.target, "scratch") if mount.target in holders else mount for mount in spec.mounts
    )


def _strings(spec: RunSpec) -> list[Detail]:
    wrong = []
    if not (spec.command or spec.image) or any("\0" in word for word in spec.command):
        wrong.append(Detail("command", "must be a list of words without NUL."))
    for name, value in spec.env.items():
        if not name or "=" in name or "\0" in name + value:
            wrong.append(Detail("env", f"{name!r} cannot be a variable: no = or NUL in names, no NUL in values."))
    for at, to in spec.links:
        if not _plain(at) or "\0" in to:
            wrong.append(Detail("links", f"{at} must be an absolute path inside."))
    return wrong


def _plain(path: str) -> bool:
    return (
        path.startswith("/") and "\0" not in path and str(PurePosixPath(path)) == path and ".." not in path.split("/")
    )


def _mounts(spec: RunSpec) -> list[Detail]:
    wrong = []
    seen: set[str] = set()
    for number, mount in enumerate(spec.mounts):
        field = f"mounts.{number}"
        if not _plain(mount.target) or mount.target == "/":
            wrong.append(Detail(field, f"{mount.target} must be an absolute path such as /data."))
            continue
        if not _toolchain(mount) and any(within(mount.target, name) or within(name, mount.target) for name in NO_DISKS):
            wrong.append(Detail(field, f"{mount.target} would hide a part of the system: choose another path."))
        if mount.target in seen:
            wrong.append(Detail(field, f"{mount.target} is there twice."))
        seen.add(mount.target)
        if not Path(mount.source).is_dir():
            wrong.append(Detail(field, f"what belongs at {mount.target} is not there any more."))
        wrong += _place(spec, mount.target, field)
    return wrong


def _toolchain(mount: Mount) -> bool:
    """A directory of this host seen, unchanged, where it is: it hides nothing but what it is itself."""
    hidden = ("/proc", "/dev", "/sys", "/run")
    return mount.mode == "read" and mount.source == mount.target and not any(within(mount.target, h) for h in hidden)


def _files(spec: RunSpec) -> list[Detail]:
    wrong = []
    for path in spec.files:
        if not _plain(path) or path == "/" or any(within(path, name) or within(name, path) for name in NO_FILES):
            wrong.append(Detail("files", f"{path} would hide a part of the system: choose another path."))
        else:
            wrong += _place(spec, path, "files")
    return wrong


def _peers(spec: RunSpec) -> list[Detail]:
    names = [(peer.name, peer.port) for peer in spec.peers]
    if isinstance(spec, LaunchSpec) and spec.name:
        names.append((spec.name, spec.port or 0))
    return [
        Detail("peers", f"{name!r}:{port} must be a name as host names have, and a port.")
        for name, port in names
        if not PEER.fullmatch(name) or not 0 < port < 65536
    ]


def _place(spec: RunSpec, target: str, field: str) -> list[Detail]:
    """Nothing is mounted beneath what an app may write to, or through a symlink of its own."""
    holder = covering(spec.mounts, target)
    if holder is None:
        return []
    if holder.mode == "write":
        return [Detail(field, f"{target} lies on the disk at {holder.target}: put them side by side.")]
    here = Path(holder.source)
    for part in PurePosixPath(target).relative_to(holder.target).parts:
        here = here / part
        if here.is_symlink():
            return [Detail(field, f"{target} goes through a symlink of the app: choose another path.")]
    return []
