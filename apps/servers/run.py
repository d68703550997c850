"""A database server as a workload of an engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.core.errors import UserError
from apps.engines.base import LaunchSpec, Limits, Mount
from apps.servers.base import DATA, Installed, Server

IN_IMAGE = Server.script_of("image")
GRACE = 60.0  # seconds to write everything down, whoever ends it


@dataclass(frozen=True, slots=True)
class Credentials:
    """`password`: of the apps. `admin_password`: of the platform's own user."""

    password: str = field(repr=False)
    admin_password: str = field(repr=False)


def launch_spec(
    server: Server,
    version: str,
    *,
    id: str,
    pod: str,
    name: str,
    disk: str,
    limits: Limits,
    credentials: Credentials,
    image: str,
    region: str = "",
    admin: str = "",
) -> LaunchSpec:
    """`disk`: the directory that is its disk. `image`: what has its programs; empty: this host. `admin`: what the
    platform's own user is called, if not as usual; the same for as long as there is data.

    Raises UserError("server_missing") where this host has no such version.
    """
    env = {
        "LISTEN": "0.0.0.0" if image else "127.0.0.1",
        "MEMORY": str(limits.memory),
        "PASSWORD": credentials.password,
        "ADMIN": admin or server.admin,
        "ADMIN_PASSWORD": credentials.admin_password,
    }
    mounts = [Mount(disk, DATA, "write")]
    path: tuple[str, ...] = ()
    if not image:
        found = at_hand(server, version)
        mounts += [Mount(root, root) for root in found.roots]
        path = found.path
    command = (
        ("sh", "-c", IN_IMAGE, "sh", server.script, " ".join(server.owners)) if image else ("sh", "-c", server.script)
    )
    return LaunchSpec(
        id=id, pod=pod, name=name, owner=name, port=server.port, command=command, env=env, mounts=tuple(mounts),
        path=path, image=image, workdir=DATA, limits=limits, region=region, grace=GRACE,
        network=bool(image),  # containers are reached by their network; a sandbox needs no way out for it
    )  # fmt: skip


def at_hand(server: Server, version: str) -> Installed:
    """What this host has of `version`. Raises UserError("server_missing")."""
    there = server.installed()
    if version not in there:
        have = f"this host has {' and '.join(sorted(there))}" if there else "this host has none"
        raise UserError(
            "server_missing",
            f"{server.title} {version} is not installed: {have}.",
            f"Install the package {server.package.format(version)} on this host, or choose another version.",
        )
    return there[version]
