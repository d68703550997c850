"""An app that is really busy, on the whole platform: more instances while it is, fewer once it is not."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.test_push_to_live import Repository, add, deploy, ended, new_pod, request
from tests.stack.platform import Platform
from tests.stack.visitor import Visitor

# Figures are of 15 s each and the shortest cool-down is a minute: it takes minutes whatever the machine.
pytestmark = [pytest.mark.platform, pytest.mark.heavy]
BURNER = """
import os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        end = time.thread_time() + (0.05 if self.path == "/burn" else 0)
        while time.thread_time() < end:
            pass
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *words):
        pass

ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""


@contextmanager
def burning(port: int, host: str) -> Iterator[list[int]]:
    """Somebody asks for work all the while; the answers so far."""
    stop, answers = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            with suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("GET", "/burn", headers={"Host": host})
                answers.append(connection.getresponse().status)
                connection.close()

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join(90)


def instances(visitor: Visitor) -> set[str]:
    return set(re.findall(r"web\.\d", visitor.get("/pods/busy/resources/web/").text))


def until(condition: Callable[[], object], what: str) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < 600, f"not within 600 s: {what}"
        time.sleep(1)
    return time.monotonic() - began


def test_out_while_it_is_busy_and_in_after_the_cool_down(platform: Platform, tmp_path: Path) -> None:
    visitor = Visitor(platform)
    repository = Repository(platform, tmp_path, "busy")
    repository.push("first")
    (repository.work / "app.py").write_text(BURNER)
    repository._git("-c", "user.name=Olive", "-c", "user.email=o@example.com", "commit", "--quiet", "-am", "burn")
    repository._git("push", "--quiet", "origin", "main")
    new_pod(visitor, "busy")
    scaling = {
        "instance": "1x", "scaling": "auto", "minReplicas": "1", "maxReplicas": "3",
        "targetCpu": "10", "targetMemory": "0", "scaleCooldown": "60",
    }  # fmt: skip
    add(visitor, "busy", "App", "web", {"source.repo": repository.address, **scaling})
    add(visitor, "busy", "Route", "site", {"rules.0.path": "/", "rules.0.app": "web"})
    assert ended(visitor, deploy(visitor, "busy")) == "ready"
    with burning(platform.port, "busy.localhost") as answers:
        out = until(lambda: len(instances(visitor)) > 1, "more instances")
        assert re.search(r"CPU \d+ % of target 10 %: 1 → [23] instances", visitor.page.text), visitor.page.text
    calm = until(lambda: "→ 1 instances" in visitor.get("/pods/busy/resources/web/").text, "one instance again")
    until(lambda: request(platform, "busy.localhost")[0] == 200, "an answer")
    print(f"out after {out:.0f} s, in after {calm:.0f} s of calm, {len(answers)} answers")
    assert set(answers) == {200}
    visitor.close()
