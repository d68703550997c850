"""Whether a service of the Procfile answers, for the health checks of compose.yaml: exit code 0, or 1 and why.

Standard library only, and nothing of the platform: it runs twice a minute for each service.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from pathlib import Path

SECONDS = 8.0
STATE = Path(os.environ.get("BRAINPOD_STATE", "/var/lib/brainpod"))
RUN = STATE / "run"


def check(name: str) -> None:
    """Raises OSError, ValueError or HTTPException when it does not."""
    match name:
        case "pages" | "git":
            _asked(_unix(RUN / f"{name}.sock"), "/healthz")
        case "nginx":
            port = int(os.environ.get("BRAINPOD_PORT", "80"))
            host = os.environ.get("BRAINPOD_DASHBOARD_HOST", "localhost")
            _asked(socket.create_connection(("127.0.0.1", port), SECONDS), "/healthz", host)
        case "openbao":
            port = json.loads((STATE / "bao" / "ports.json").read_text())[0]
            # It answers 200 only when it is unsealed.
            status = _asked(socket.create_connection(("127.0.0.1", port), SECONDS), "/v1/sys/health")
            if status != 200:
                raise ValueError(f"it answers {status}")
        case "valkey":
            with _unix(RUN / "valkey.sock") as connection:
                connection.sendall(b"PING\r\n")
                if not connection.recv(64).startswith(b"+PONG"):
                    raise ValueError("it answers something else")
        case "engine" | "sockets":
            _unix(RUN / f"{name}.sock").close()
        case "worker" | "beat":
            (RUN / f"{name}.ready").stat()
        case _:
            raise ValueError(f"there is no check of {name}")


def _unix(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(SECONDS)
    connection.connect(str(path))
    return connection


def _asked(connection: socket.socket, path: str, host: str = "localhost") -> int:
    """The answer's status; any answer is one, since a redirection to https is as good."""
    asking = http.client.HTTPConnection(host, timeout=SECONDS)
    with connection:
        asking.sock = connection
        asking.request("GET", path, headers={"Connection": "close"})
        status = asking.getresponse().status
    if status >= 500:
        raise ValueError(f"it answers {status}")
    return status


if __name__ == "__main__":
    try:
        check(sys.argv[1])
    except (OSError, ValueError, http.client.HTTPException) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
