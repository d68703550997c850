"""A spec as bubblewrap's arguments. Pure but for looking at which system directories this host has."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from apps.engines.base import LaunchSpec, Mount, RunSpec
from apps.engines.checks import touched, within
from apps.engines.process.host import Host
from apps.engines.process.ways import address

ETC = (
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/pki/ca-trust",
    "/etc/pki/tls",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
)
# Runs as the workload's user inside: process limit, links (each replaces what its place held), then the command.
START = """ulimit -u "$1" 2>/dev/null || ulimit -p "$1" 2>/dev/null
shift
while [ "$1" != -- ]; do
  case "$1" in */*/*) mkdir -p -- "${1%/*}" ;; esac
  rm -rf -- "$1"
  ln -s -- "$2" "$1" || exit 125
  shift 2
done
shift
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Features:
    """What this bubblewrap on this kernel can do."""

    overlay: bool
    disable_userns: bool


@dataclass(frozen=True, slots=True)
class Inside:
    """Who the workload is and what it is told apart from its spec."""

    uid: int
    gid: int
    env: Mapping[str, str]


def environment(spec: RunSpec, host: Host, *, proxy_port: int | None, build: bool) -> dict[str, str]:
    """What the workload gets; the spec's own variables win."""
    env = {"HOME": "/tmp", "LANG": "C.UTF-8", "PATH": ":".join((*spec.path, host.system_path)), **host.certificates}
    if build:
        env |= host.registries
    if proxy_port is not None and spec.network:
        url = f"http://127.0.0.1:{proxy_port}"
        env |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), url)
        near = (word for peer in spec.peers for word in (peer.name, address(peer.pod or spec.pod, peer.name)))
        env |= dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(("localhost", "127.0.0.1", "::1", *near)))
    env |= spec.env
    if isinstance(spec, LaunchSpec) and spec.port is not None:
        env["PORT"] = str(spec.port)
    return env


def arguments(
    spec: RunSpec,
    inside: Inside,
    host: Host,
    features: Features,
    *,
    where: Callable[[str], str],
    data: Callable[[bytes], int],
) -> list[str]:
    """bubblewrap's arguments without its descriptors' ones, up to and including `--` and the command.

    `where` says under which path a host directory is reached when bubblewrap starts; `data` puts bytes into a
    descriptor that bubblewrap inherits.
    """
    args = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"]
    args += ["--unshare-cgroup-try", "--hostname", "app", "--new-session", "--cap-drop", "ALL"]
    if features.disable_userns:
        args += ["--disable-userns"]
    args += ["--clearenv"]
    for name, value in inside.env.items():
        args += ["--setenv", name, value]
    args += _system(spec, inside, host, where, data)
    size = str(spec.limits.memory * 1_048_576)
    args += ["--proc", "/proc", "--dev", "/dev"]
    for target in ("/tmp", "/var/tmp", "/dev/shm", "/run"):
        args += ["--perms", "1777", "--size", size, "--tmpfs", target]
    for mount in sorted(touched(spec), key=lambda mount: mount.target.count("/")):
        args += _mount(mount, where(mount.source), features)
    for path, content in spec.files.items():
        args += ["--perms", "0444", "--ro-bind-data", str(data(content)), path]
    if not any(within(spec.workdir, mount.target) for mount in spec.mounts):
        args += ["--dir", spec.workdir]
    args += ["--remount-ro", "/", "--chdir", spec.workdir]
    links = [word for link in spec.links for word in link]
    return [*args, "--", "/bin/sh", "-c", START, "sh", str(spec.limits.processes), *links, "--", *spec.command]


def _system(
    spec: RunSpec, inside: Inside, host: Host, where: Callable[[str], str], data: Callable[[bytes], int]
) -> list[str]:
    args = ["--ro-bind", "/usr", "/usr"]
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"):
        if Path(name).is_symlink():
            args += ["--symlink", str(Path(name).readlink()), name]
        elif Path(name).is_dir():
            args += ["--ro-bind", name, name]
    for name in ETC:
        if Path(name).exists():
            args += ["--ro-bind", os.path.realpath(name), name]
    peers = "".join(f"{address(peer.pod or spec.pod, peer.name)} {peer.name}\n" for peer in spec.peers)
    made = {
        "/etc/passwd": f"app:x:{inside.uid}:{inside.gid}::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
        "/etc/group": f"app:x:{inside.gid}:\nnogroup:x:65534:\n",
        "/etc/hosts": f"127.0.0.1 localhost app\n::1 localhost\n{peers}",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        "/etc/resolv.conf": "",
    }
    for path, text in made.items():
        args += ["--perms", "0444", "--ro-bind-data", str(data(text.encode())), path]
    for source, target in host.binds.items():
        args += ["--ro-bind", where(source), target]
    return args


def _mount(mount: Mount, source: str, features: Features) -> list[str]:
    match mount.mode:
        case "write":
            return ["--bind", source, mount.target]
        case "read":
            return ["--ro-bind", source, mount.target]
    if features.overlay:
        return ["--overlay-src", source, "--tmp-overlay", mount.target]
    args = ["--tmpfs", mount.target]  # no overlays here: a directory of the workload's own with the entries in it
    for entry in sorted(Path(mount.source).iterdir()):
        if entry.is_symlink():
            args += ["--symlink", str(entry.readlink()), f"{mount.target}/{entry.name}"]
        else:
            args += ["--ro-bind", f"{source}/{entry.name}", f"{mount.target}/{entry.name}"]
    return args
