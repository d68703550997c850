"""Apps that run on the process engine, for the tests of health checks."""

from __future__ import annotations

from typing import Any

from apps.deployments.models import Workload
from apps.engines.base import LaunchSpec
from apps.engines.process.client import ProcessEngine
from tests.engines.workloads import name, until

HTTP = """
import http.server, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep({pause})
        self.send_response({status})
        self.end_headers()
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(("{host}", {port}), Handler).serve_forever()
"""
PORT = 'int(os.environ["PORT"])'


def server(*, status: int = 200, pause: float = 0.0, host: str = "0.0.0.0", port: str = PORT) -> str:
    """A program that answers every path with `status` after `pause` seconds."""
    return HTTP.format(status=status, pause=pause, host=host, port=port)


class Apps:
    """Starts apps and stops them afterwards."""

    def __init__(self, engine: ProcessEngine) -> None:
        self.engine = engine
        self.handles: list[dict[str, Any]] = []

    def start(self, program: str, **fields: Any) -> Workload:
        given: dict[str, Any] = {"command": ("python3", "-c", program), "env": {}, "port": 8080, "grace": 1.0}
        handle = self.engine.launch(LaunchSpec(id=name("said"), pod="pod-a", **given | fields))
        self.handles.append(handle)
        return Workload(app="web", handle=handle)

    def listening(self, program: str, **fields: Any) -> Workload:
        """One that has begun to listen on its port."""
        workload = self.start(program, **fields)
        until(lambda: self.engine.probe(workload.handle) is None, "it to listen")
        return workload

    def stop(self) -> None:
        for handle in self.handles:
            self.engine.stop(handle, 1.0)
