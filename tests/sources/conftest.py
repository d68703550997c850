"""Real repositories, and a real https server with git's own backend on loopback."""

from __future__ import annotations

import base64
import http.server
import json
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest

from tests.sources.ssh_host import Host

AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Alice"), ("EMAIL", "alice@example.org"))
}


def git(*arguments: str, cwd: Path) -> str:
    """Runs git without the developer's own configuration."""
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C", **AUTHOR}
    command = ["git", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false", *arguments]
    return subprocess.run(command, cwd=cwd, env=env, check=True, capture_output=True, text=True).stdout.strip()


def basic(username: str, password: str) -> str:
    """The header in which git says both."""
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


@dataclass
class Served:
    """Bare repositories beneath `root`, at `url`/<name>.git; `ask` sees each request's path and may answer instead."""

    root: Path
    url: str
    certificate: Path
    ask: Callable[[str], tuple[int, dict[str, str]] | None] = field(default=lambda path: None)
    logins: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By a path's beginning: the user name and password without which what is there is not shown."""
    api: Callable[[str, dict[str, str], bytes], tuple[int, object]] | None = None
    """Answers POST requests beneath /api/ in JSON: path, headers, body → status, content."""
    pages: Callable[[str, str, dict[str, str], str], tuple[int, dict[str, str], bytes] | None] | None = None
    """Asked first, with method, path and query, headers, body; may answer instead."""
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """Host, path and Authorization of every request."""

    def push(self, work: Path, name: str) -> str:
        """Publishes the work tree's branches as <name>.git; the address."""
        bare = self.root / f"{name}.git"
        if not bare.exists():
            git("init", "--quiet", "--bare", str(bare), cwd=self.root)
            git("config", "http.receivepack", "true", cwd=bare)
        git("push", "--quiet", "--force", str(bare), "--all", cwd=work)
        return f"{self.url}/{name}.git"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work tree with one commit."""
    root = tmp_path / "work"
    root.mkdir()
    git("init", "--quiet", cwd=root)
    (root / "app.py").write_text("print('one')\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("app.py")
    git("add", "--all", cwd=root)
    git("commit", "--quiet", "-m", "First\n\nMore words", cwd=root)
    return root


@pytest.fixture
def host(tmp_path: Path, work: Path) -> Iterator[Host]:
    root = tmp_path / "served"
    root.mkdir()
    git("init", "--quiet", "--bare", str(root / "app.git"), cwd=root)
    git("push", "--quiet", str(root / "app.git"), "--all", cwd=work)
    made = Host(root)
    made.start(asyncssh.generate_private_key("ssh-ed25519"))
    yield made
    made.close()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """At https://localhost and https://127.0.0.1, for git one host and another."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the server's certificate and is not installed")
    root = tmp_path / "served"
    root.mkdir()
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    for name in ("GIT_SSL_CAINFO", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(certificate))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Backend)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.served = Served(root, f"https://localhost:{server.server_port}", certificate)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.served  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join(timeout=30)


class _Backend(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        served: Served = self.server.served  # type: ignore[attr-defined]
        served.seen.append((self.headers["Host"], self.path, self.headers.get("Authorization", "")))
        if served.pages and not self.path.partition("?")[0].endswith(("/info/refs", "/git-upload-pack")):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self._answer(*(served.pages(self.command, self.path, dict(self.headers.items()), body) or (404, {}, b"")))
            return
        if served.api and self.path.startswith("/api/"):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, told = served.api(self.path, dict(self.headers.items()), body)
            self._answer(status, {"Content-Type": "application/json"}, json.dumps(told).encode())
            return
        answer = served.ask(self.path) or self._stranger(served)
        if answer:
            self._answer(*answer)
            return
        path, _, query = self.path.partition("?")
        env = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(served.root), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "GIT_CONFIG_NOSYSTEM": "1",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "HOME": str(served.root),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }  # fmt: skip
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        done = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _answer(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stranger(self, served: Served) -> tuple[int, dict[str, str]] | None:
        """401 for who does not say the right name and password."""
        fitting = [start for start in served.logins if self.path.startswith(start)]
        wanted = served.logins[max(fitting, key=len)] if fitting else None
        if wanted is None or self.headers.get("Authorization", "") == basic(*wanted):
            return None
        return 401, {"WWW-Authenticate": 'Basic realm="git"'}

    def log_message(self, *_: object) -> None:
        pass
