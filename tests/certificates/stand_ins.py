"""Stand-ins over real sockets: a zone at Cloudflare with its records, and an authority that has had enough."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.certificates.dns_server import DnsServer
from tests.stack.cloudflare import Answer, answering, done, serving
from tests.stack.pebble import Pebble


class Cloudflare:
    """One zone, whose records `dns` answers with. `token` is the one that counts."""

    def __init__(self, dns: DnsServer, token: str) -> None:
        self.dns, self.token = dns, token
        self.zone = dns.zone.to_text(omit_final_dot=True)
        self.records: dict[str, dict[str, Any]] = {}

    def reply(self, method: str, path: str, query: dict[str, str], sent: dict[str, Any]) -> Answer:
        if path == "/zones":
            return done([{"id": "z1", "name": self.zone}] if query["name"] == self.zone else [])
        _, _, zone, _, *rest = path.split("/")
        assert zone == "z1"
        if method == "POST":
            record = {"id": f"r{len(self.records)}", **sent}
            self.records[record["id"]] = record
            self.dns.texts.setdefault(f"{sent['name']}.", set()).add(sent["content"].strip('"'))
            return done(record)
        if method == "DELETE":
            gone = self.records.pop(rest[0])
            self.dns.texts[f"{gone['name']}."].discard(gone["content"].strip('"'))
            return done({"id": rest[0]})
        asked = (query["name"], query["type"])
        return done([one for one in self.records.values() if (one["name"], one["type"]) == asked])

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its address."""
        with answering(self.token, self.reply) as address:
            yield address


@contextmanager
def limiting(pebble: Pebble, retry_after: str) -> Iterator[str]:
    """The address of a directory like that of `pebble`, where no order is taken."""
    words = {
        "type": "urn:ietf:params:acme:error:rateLimited",
        "detail": "too many certificates already issued for this name",
        "status": 429,
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/order-plz":
                self._say(429, {"Retry-After": retry_after, "Content-Type": "application/problem+json"}, words)
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            address = f"https://127.0.0.1:{pebble.port}{self.path}"
            got = httpx.request(
                self.command, address, headers=headers, content=sent, verify=False, trust_env=False, timeout=60
            )
            kept = ("content-type", "replay-nonce", "location", "link")
            self._say(got.status_code, {name: got.headers[name] for name in kept if name in got.headers}, got.content)

        def _say(self, status: int, headers: dict[str, str], body: Any) -> None:
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)

        do_GET = do_POST = do_HEAD = answer

        def log_message(self, *_: Any) -> None:
            """Tests read other things."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pebble.ca, pebble.root / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server) as port:
        yield f"https://localhost:{port}/dir"
