"""A spec as the configuration of a container. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.core.errors import Detail, Invalid
from apps.engines import checks
from apps.engines.base import APP, LaunchSpec, RunSpec
from apps.engines.docker.images import Image

# What the start of an image without a user of its own needs to give its directories away and become somebody else.
ROOT_NEEDS = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LOG = {"Type": "json-file", "Config": {"max-size": "4m", "max-file": "3"}}
NO_LOG: dict[str, Any] = {"Type": "none", "Config": {}}
MB = 1_048_576
SHORTEST = 6  # MB: less memory Docker does not give


def check(spec: RunSpec) -> None:
    """Raises Invalid naming the field."""
    wrong = []
    if not spec.image:
        wrong.append(Detail("image", "must be given: this engine runs images."))
    for name, value in spec.env.items():
        try:
            (name + value).encode()
        except UnicodeEncodeError:
            wrong.append(Detail("env", f"{name} is no UTF-8, which is all Docker passes on."))
    if wrong:
        raise Invalid(wrong, code="workload_refused")
    checks.check(spec)


def container(
    spec: RunSpec,
    image: Image,
    *,
    labels: Mapping[str, str],
    networks: tuple[str, ...],
    files: Mapping[str, str],
    address: str = "",
    host_port: int | None = None,
    cores: float = 1024,
    runtime: str = "",
    keep_log: bool = True,
) -> dict[str, Any]:
    """The body of POST /containers/create. `files`: path inside → path of this host. No networks: none at all.

    `address`: its own in the first network. `host_port`: where it is published, on this machine's loopback.
    """
    config: dict[str, Any] = {
        "Image": image.id,
        "Hostname": "app",
        "Env": [f"{name}={value}" for name, value in _environment(spec, image).items()],
        "WorkingDir": image.workdir if image.workdir and spec.workdir == APP else spec.workdir,
        "Labels": dict(labels),
        "HostConfig": _host(spec, image, files, cores, runtime),
        "NetworkingConfig": {},
    }
    host = config["HostConfig"]
    host["LogConfig"] = LOG if keep_log else NO_LOG
    host["NetworkMode"] = networks[0] if networks else "none"
    if spec.command:
        config["Entrypoint"] = list(spec.command)  # in the place of the image's own, and of its CMD
    if networks:
        alias = [spec.env["BRAINPOD_APP"]] if spec.env.get("BRAINPOD_APP") else []
        alias += [spec.name] if isinstance(spec, LaunchSpec) and spec.name else []
        own = {"IPAMConfig": {"IPv4Address": address}} if address else {}
        config["NetworkingConfig"] = {"EndpointsConfig": {networks[0]: {"Aliases": alias, **own}}}
    if isinstance(spec, LaunchSpec) and spec.port is not None and host_port is not None:
        inside = f"{spec.port}/tcp"
        config["ExposedPorts"] = {inside: {}}
        host["PortBindings"] = {inside: [{"HostIp": "127.0.0.1", "HostPort": str(host_port)}]}
    return config


def _environment(spec: RunSpec, image: Image) -> dict[str, str]:
    env = dict(spec.env)
    if spec.path:
        env["PATH"] = ":".join((*spec.path, env.get("PATH") or image.path or SYSTEM_PATH))
    if isinstance(spec, LaunchSpec) and spec.port is not None:
        env["PORT"] = str(spec.port)
    return env


def _host(spec: RunSpec, image: Image, files: Mapping[str, str], cores: float, runtime: str) -> dict[str, Any]:
    limits = spec.limits
    memory = max(limits.memory, SHORTEST) * MB
    temporary = f"rw,nosuid,nodev,exec,mode=1777,size={memory}"
    fsize = limits.file_mb * MB
    host: dict[str, Any] = {
        "CapDrop": ["ALL"],
        "CapAdd": list(ROOT_NEEDS) if image.root else [],
        "SecurityOpt": ["no-new-privileges:true"],
        "ReadonlyRootfs": image.read_only,
        "Init": True,
        "RestartPolicy": {"Name": "no"},
        "PidsLimit": limits.processes,
        "Memory": memory,
        "MemorySwap": memory,  # both together: no swap
        "NanoCpus": int(min(max(limits.cpu, 0.01), cores) * 1e9),
        "Ulimits": [
            {"Name": "nofile", "Soft": limits.open_files, "Hard": limits.open_files},
            {"Name": "fsize", "Soft": fsize, "Hard": fsize},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        "Tmpfs": {"/tmp": temporary} | ({"/run": temporary, "/var/tmp": temporary} if image.read_only else {}),
        "ShmSize": min(memory, 64 * MB),
        "Mounts": _mounts(spec, files),
    }
    if runtime:
        host["Runtime"] = runtime
    return host


def _mounts(spec: RunSpec, files: Mapping[str, str]) -> list[dict[str, Any]]:
    kept = [mount for mount in checks.touched(spec) if mount.mode != "scratch"]
    binds = [(mount.source, mount.target, mount.mode == "read") for mount in kept]
    binds += [(source, target, True) for target, source in files.items()]
    return [
        {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only,
         "BindOptions": {"Propagation": "rprivate"}}
        for source, target, read_only in binds
    ]  # fmt: skip
