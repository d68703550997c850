"""Looking into an allocation that runs: a command beside its task, what listens, who is connected, what it uses."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import time
from typing import Any
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from apps.core.errors import PlatformError
from apps.engines import probe
from apps.engines.base import Usage
from apps.engines.nomad.job import TASK
from apps.engines.nomad.server import ANSWER, Server

MOST_OUTPUT = 1_048_576  # bytes; the rest is dropped
TIMED_OUT = 124
MB = 1_048_576
TRIAL = 2.0  # seconds a connection to a workload may take
# Two lines of /proc of every process of the allocation but this one: its times, and its memory. With nothing but grep
# and cat, which the smallest image has.
PROCESSES = """for p in $(grep -ls "NOMAD_ALLOC_ID=$NOMAD_ALLOC_ID" /proc/[0-9]*/environ); do p=${p%/environ}
[ "$p" = "/proc/$$" ] || { cat "$p/stat" && { grep VmRSS "$p/status" || echo; }; } 2>/dev/null; done; :"""
TICKS = slice(11, 15)  # of the words after a process's name: its own time and its children's
TICK = 0.01  # seconds: what Linux tells programs on every processor


def run(server: Server, allocation: str, command: tuple[str, ...], timeout: float) -> tuple[int, str]:
    """Exit code (124: took longer than `timeout`, and is ended) and output of both streams."""
    deadline = time.monotonic() + timeout
    output = bytearray()
    with opened(server, allocation, command) as connection:
        try:
            connection.send(json.dumps({"stdin": {"close": True}}))
            while True:
                message = json.loads(connection.recv(max(0.0, deadline - time.monotonic())))
                for stream in ("stdout", "stderr"):
                    data = base64.b64decode((message.get(stream) or {}).get("data") or "")
                    output += data[: MOST_OUTPUT - len(output)]
                if message.get("exited"):
                    code = int((message.get("result") or {}).get("exit_code") or 0)
                    return code, output.decode("utf-8", "replace")
        except TimeoutError:
            return TIMED_OUT, output.decode("utf-8", "replace")
        except ConnectionClosed as error:
            reason = error.rcvd.reason if error.rcvd else str(error)
            raise PlatformError("engine_nomad", f"The command was not run: {reason}") from error


def opened(server: Server, allocation: str, command: tuple[str, ...], *, tty: bool = False) -> ClientConnection:
    """The conversation with a command that was started there; with `tty` it has a terminal."""
    cluster = server.cluster
    query = {"task": TASK, "tty": str(tty).lower(), "command": json.dumps(command), "namespace": cluster.namespace}
    if cluster.region:
        query["region"] = cluster.region
    scheme = "wss" if server.secure else "ws"
    host = cluster.address.partition("://")[2].rstrip("/")
    headers = {"X-Nomad-Token": cluster.token} if cluster.token else {}
    try:
        return connect(
            f"{scheme}://{host}/v1/client/allocation/{allocation}/exec?{urlencode(query)}",
            additional_headers=headers,
            ssl=trust(server) if server.secure else None,
            open_timeout=ANSWER,
            close_timeout=1.0,
            max_size=16 * MB,
            proxy=None,
        )
    except InvalidHandshake as error:
        raise PlatformError("engine_nomad", f"Nomad does not run commands there: {error}") from error
    except (OSError, TimeoutError) as error:
        raise server.away(str(error)) from error


def trust(server: Server) -> ssl.SSLContext:
    cluster = server.cluster
    context = ssl.create_default_context(cafile=cluster.ca or None)
    if cluster.certificate:
        context.load_cert_chain(cluster.certificate, cluster.key or None)
    return context


def answers(address: str) -> bool:
    """Whether something takes connections there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), TRIAL).close()
    except OSError:
        return False
    return True


def listens(server: Server, allocation: str, port: int, *, own_network: bool) -> str:
    """What was found where nothing answered. On the node's network others' sockets are there too."""
    if not own_network:
        return f"listens on nothing yet; it should listen on $PORT {port}"
    return probe.reachable(tables(server, allocation), port) or f"is not reached on $PORT {port} from here"


def tables(server: Server, allocation: str) -> str:
    """/proc/net/tcp and tcp6 as the task has them."""
    code, text = run(server, allocation, ("cat", "/proc/net/tcp", "/proc/net/tcp6"), 10.0)
    return text if code in (0, 1) else ""


def usage(server: Server, allocation: str) -> Usage | None:
    """As its processes say: Nomad tells a percentage of now, and on some nodes nothing."""
    code, text = run(server, allocation, ("sh", "-c", PROCESSES), 10.0)
    return added(text) if code == 0 else None


def added(text: str) -> Usage | None:
    """The sum of what PROCESSES printed; None where nothing runs."""
    lines = text.split("\n")
    rows = [line.rpartition(") ")[2].split() for line in lines if ") " in line]
    if not rows:
        return None
    spent = sum(int(word) for row in rows for word in row[TICKS])
    kilobytes = sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return Usage(spent * TICK, kilobytes // 1024, len(rows))


def measured(task: dict[str, Any]) -> int:
    """MB a task of the stats uses now."""
    memory = (task.get("ResourceUsage") or {}).get("MemoryStats") or {}
    return max(memory.get("RSS") or 0, memory.get("Usage") or 0) // MB
