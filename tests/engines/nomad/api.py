"""A small server that answers as a real Nomad 2.0.5 did: what it said then lies in recorded/."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from apps.engines.nomad.client import NomadEngine
from apps.engines.nomad.cluster import Cluster, Names

RECORDED = Path(__file__).parent / "recorded"
INSTANCE = "00000000"
JOB = f"brainpod-{INSTANCE}-"
Answer = tuple[int, Any]


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())


class Api:
    """`answers`: status and body by "METHOD path"; a body of bytes or text goes as it is. Everything else is a 404."""

    def __init__(self, trust: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str], Any]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                what = f"{self.command} {url.path.removeprefix('/v1/')}"
                given = json.loads(body) if body else None
                api.asked.append((what, parse_qs(url.query), dict(self.headers), given))
                code, found = api.answers.get(what, (404, "not found"))
                if what.startswith("GET client/fs/readat/") and isinstance(found, dict):
                    found = api.part(parse_qs(url.query), found)
                data = found if isinstance(found, bytes) else found.encode() if isinstance(found, str) else b""
                data = data or json.dumps(found).encode() if not isinstance(found, bytes | str) else data
                self.send_response(code)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = _answer

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if trust is not None:
            self._server.socket = trust.wrap_socket(self._server.socket, server_side=True)
        self._secure = trust is not None
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"{'https' if self._secure else 'http'}://127.0.0.1:{self._server.server_port}"

    def part(self, query: dict[str, list[str]], files: Any) -> bytes:
        start, length = int(query["offset"][0]), int(query["limit"][0])
        return bytes(files[query["path"][0].removeprefix("alloc/logs/")][start : start + length])

    def knows(self, name: str, workload: str) -> dict[str, Any]:
        """Answer about `workload` as recorded under `name`; what was recorded, to be changed at will."""
        found = recorded(name)
        self.answers[f"GET job/{JOB}{workload}"] = (200, found["job"])
        self.answers["GET allocations"] = (200, found["allocations"])
        self.answers[f"GET job/{JOB}{workload}/evaluations"] = (200, found["evaluations"])
        return dict(found)

    def told(self, what: str) -> list[Any]:
        """The bodies of those requests."""
        return [body for asked, _, _, body in self.asked if asked == what]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def engine_on(address: str, state: Path, **fields: Any) -> NomadEngine:
    cluster = Cluster(address, **{"driver": "raw_exec"} | fields)
    engine = NomadEngine(cluster, state, lambda path: f"http://127.0.0.1:9{path}")
    engine.names = Names(INSTANCE)
    return engine
