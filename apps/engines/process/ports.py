"""Where a workload is reached from outside, and where it listens when it has no network of its own."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from apps.engines.base import LaunchSpec
from apps.engines.process import ways
from apps.engines.process.launcher import label

BACKLOG = 4096


def socket_path(sockets: Path, workload: str) -> Path:
    return sockets / f"{label(workload)}.sock"


def listen(sockets: Path, spec: LaunchSpec) -> dict[str, int]:
    """The descriptors of where `spec` is reached: `listener`, and `door` for one that has a name."""
    return {"listener": _for_the_edge(sockets, spec.id)} | (_door(spec) if spec.name else {})


def addresses(sockets: Path, spec: LaunchSpec, fds: Mapping[str, int]) -> dict[str, str]:
    """What of a workload's handle says where it is reached; `fds`: those it has."""
    if spec.port is None:
        return {}
    found = {"address": f"unix:{socket_path(sockets, spec.id)}"}
    if "door" in fds:
        found["tcp"] = "{}:{}".format(*ways.door(spec.pod, spec.name))
    return found


def _for_the_edge(sockets: Path, workload: str) -> int:
    """A socket to which any user may connect, in a directory nobody may list."""
    path = socket_path(sockets, workload)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.bind(str(path))
    path.chmod(0o666)
    listener.listen(BACKLOG)
    return listener.detach()


def on_loopback(spec: LaunchSpec) -> LaunchSpec:
    """`spec` with a port of this host's loopback that is free now."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return at(spec, trial.getsockname()[1])


def at(spec: LaunchSpec, port: int) -> LaunchSpec:
    """`spec` with another port, if it listens and `port` is one."""
    return spec if spec.port is None else replace(spec, port=port or spec.port)


def answers(port: int) -> str | None:
    """Without a namespace of its own a workload's sockets cannot be told from the host's: try the one it was given."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return f"listens on nothing yet; it should listen on $PORT {port}"
    return None


def _door(spec: LaunchSpec) -> dict[str, int]:
    """The descriptor `door`, for programs of this host; nothing where a stranger has the port.

    One that replaces another listens beside it: whichever gets a connection, it is carried to the one that has the
    name now.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(ways.door(spec.pod, spec.name))
        sock.listen(128)
    except OSError:
        sock.close()
        return {}
    return {"door": sock.detach()}
