"""Where a workload is reached from outside, and where it listens when it has no network of its own."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

from apps.engines.base import LaunchSpec
from apps.engines.process.launcher import short

BACKLOG = 4096


def socket_path(sockets: Path, workload: str) -> Path:
    return sockets / f"{short(workload)}.sock"


def listen(sockets: Path, workload: str) -> int:
    """The socket the edge connects to: any user may, in a directory nobody may list."""
    path = socket_path(sockets, workload)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.bind(str(path))
    path.chmod(0o666)
    listener.listen(BACKLOG)
    return listener.detach()


def on_loopback(spec: LaunchSpec) -> LaunchSpec:
    """`spec` with a port of this host's loopback that is free now."""
    if spec.port is None:
        return spec
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return replace(spec, port=trial.getsockname()[1])


def answers(port: int) -> str | None:
    """Without a namespace of its own a workload's sockets cannot be told from the host's: try the one it was given."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return f"listens on nothing yet; it should listen on $PORT {port}"
    return None
