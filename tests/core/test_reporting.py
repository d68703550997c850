"""Errors reach a Sentry that the settings name, without secrets; without one nothing of its client is loaded."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET, TOKEN = "planted/secret+of-the-metrics=", "dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4"
CODE = """
import django, sys
django.setup()
import structlog
from django.conf import settings
from django.test import Client
if {loaded}:
    import sentry_sdk
    log = structlog.get_logger("apps.x")
    try:
        value = settings.BRAINPOD.metrics_token
        raise ValueError("broke with {secret} and " + settings.SECRET_KEY + " at /invitations/{token}/")
    except ValueError:
        log.exception("it_broke")
    sentry_sdk.flush(20)
else:
    assert "sentry_sdk" not in sys.modules
"""


@pytest.fixture
def sentry() -> Iterator[tuple[str, list[str]]]:
    """Its DSN, and what arrived."""
    arrived: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            arrived.append((gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://abcdef0123@127.0.0.1:{server.server_port}/7", arrived
        server.shutdown()


def run(state: Path, loaded: bool, **settings: str) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("BRAINPOD_") and k != "DATABASE_URL"}
    environment = kept | settings | {"BRAINPOD_STATE": str(state), "DJANGO_SETTINGS_MODULE": "brainpod.settings"}
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(loaded=loaded, secret=SECRET, token=TOKEN)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_an_error_arrives_and_no_secret_does(sentry: tuple[str, list[str]], short_state: Path) -> None:
    dsn, arrived = sentry
    run(short_state, True, BRAINPOD_SENTRY_DSN=dsn, BRAINPOD_METRICS_TOKEN=SECRET, BRAINPOD_SENTRY_ENVIRONMENT="trial")
    (told,) = [text for text in arrived if "it_broke" in text or "broke with" in text]
    event = json.loads(told.splitlines()[-1])
    assert event["environment"] == "trial"
    assert event["exception"]["values"][-1]["type"] == "ValueError"
    key = (short_state / "secret-key").read_text()
    for secret in (SECRET, key, TOKEN):
        assert secret not in told
    assert "broke with" in told
    assert "/invitations/…/" in event["exception"]["values"][-1]["value"]
    assert "modules" not in event
    assert "vars" not in event["exception"]["values"][-1]["stacktrace"]["frames"][-1]


def test_without_the_setting_nothing_of_it_is_loaded(short_state: Path) -> None:
    run(short_state, False)
