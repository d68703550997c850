"""A pod with a web app that really runs behind a real edge, deployed without a build; and a worker that settles."""

from __future__ import annotations

import asyncio
import http.client
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from channels.db import database_sync_to_async
from django.db import connection

from apps import artifacts
from apps.accounts.models import User
from apps.builds.models import Artifact, Build
from apps.deployments import actions, pipeline, settling
from apps.deployments.models import AppControl, Deployment, Trigger, Workload
from apps.deployments.waker import Waker
from apps.pods import actions as pods
from tests.edge.conftest import Stand

SERVER = """
import os, socket, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/slow":
            time.sleep(3)
        self.answer(f"{os.environ['BRAINPOD_REPLICA']} {os.environ.get('GREETING')} {os.getpid()} {Server.began}")

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def answer(self, text):
        self.send_response(int(os.environ.get("STATUS", "200")))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words):
        pass

Server.began = time.time()
time.sleep(float(os.environ.get("LATE", "0")))
if "PORT" not in os.environ:
    time.sleep(9e6)
Server(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""
APP: dict[str, Any] = {"type": "web", "source": {"repo": "https://git.example.com/team/shop.git"}, "instance": "1x"}


def until(condition: Callable[[], Any], seconds: float = 60, what: str = "") -> Any:
    """What `condition` gave once it held."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain {what}"
        time.sleep(0.05)
    return found


class Shop:
    """The pod, and what a test does with it."""

    def __init__(self, stand: Stand, by: User, team: Any) -> None:
        self.stand, self.by = stand, by
        self.pod = pods.create_pod(team=team, name=f"shop-{secrets.token_hex(4)}", by=by)

    def save(self, kind: str, name: str, **spec: Any) -> None:
        there = self.pod.draft or self.pod.live
        create = there is None or name not in there.snapshot()
        pods.save_resource(pod=self.pod, kind=kind, name=name, spec=spec, by=self.by, create=create)
        self.pod.refresh_from_db()

    def deploy(
        self, *, env: dict[str, str] | None = None, code: str = "", release: str = "", **spec: Any
    ) -> Deployment:
        """The app `web` with `spec`, its build there already; everything else as it was saved.

        `release`: the line of that name in its Procfile.
        """
        pairs = [{"name": name, "value": value} for name, value in (env or {}).items()]
        self.save("App", "web", **(APP | {"env": pairs} | spec))
        if "front" not in self.pod.draft.snapshot():  # type: ignore[union-attr]
            self.save("Route", "front", rules=[{"path": "/", "app": "web"}])
        revision = pods.seal(pod=self.pod, summary="", by=self.by)
        deployment = actions.start(pod=self.pod, revision=revision, trigger=Trigger.MANUAL, by=self.by)
        manifest = {**self.built(deployment, code or SERVER), "release": release}
        made = Artifact.objects.create(team=self.pod.team, kind=manifest["kind"], manifest=manifest)
        Build.objects.filter(revision=revision).update(artifact=made)
        return self.run(deployment)

    def built(self, deployment: Deployment, code: str) -> dict[str, Any]:
        """The manifest of an artifact whose server.py is `code`."""
        place = artifacts.artifacts().scratch(f"shop-{deployment.pk}")
        tree = place / "app"
        tree.mkdir()
        (tree / "server.py").write_text(code)
        return {
            "kind": "bundle", "app": artifacts.artifacts().adopt(tree).digest, "start": "exec python3 -u server.py",
            "env": {},
        }  # fmt: skip

    def run(self, deployment: Deployment) -> Deployment:
        pipeline.run(deployment.pk)
        deployment.refresh_from_db()
        self.pod.refresh_from_db()
        return deployment

    @property
    def host(self) -> str:
        return str(self.pod.hosts.filter(custom=False).exclude(route="").get().host)

    def ask(self, path: str = "/", method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
        client = http.client.HTTPConnection("127.0.0.1", self.stand.port, timeout=120)
        try:
            client.request(method, path, body, {"Host": self.host})
            answer = client.getresponse()
            return answer.status, answer.read().decode()
        finally:
            client.close()

    def control(self, app: str = "web") -> AppControl:
        return AppControl.objects.get(pod=self.pod, app=app)

    def serving(self) -> list[Workload]:
        return list(Workload.objects.filter(pod=self.pod, serving=True).order_by("replica"))

    def running(self) -> int:
        """Rows of processes that are there or on their way, serving or not."""
        return Workload.objects.filter(pod=self.pod).exclude(state="stopped").count()

    def settle(self, app: str = "web") -> None:
        settling.settle(self.pod.pk, app)

    def words(self) -> list[str]:
        """The events, the oldest first."""
        return [event.words for event in self.pod.events.order_by("id")]


@contextmanager
def worker() -> Iterator[None]:
    """Somebody who does what is due, as Celery's worker would."""
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.wait(0.05):
                for pod, app in list(AppControl.objects.filter(due=True).values_list("pod", "app")):
                    settling.settle(pod, app)
        finally:
            connection.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(120)
        assert not thread.is_alive()


class _Door(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    request_queue_size = 512
    waker: Waker
    loop: asyncio.AbstractEventLoop


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Door

    def do_GET(self) -> None:
        pod, _, app = self.headers["X-Brainpod-App"].partition("/")
        waiting = asyncio.run_coroutine_threadsafe(self.server.waker.address(pod, app), self.server.loop)
        status, address = waiting.result(120)
        self.send_response(status)
        if address:
            self.send_header("X-Brainpod-Upstream", f"{address}:" if address.startswith("unix:") else address)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = do_HEAD = do_GET

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *args: Any) -> None: ...


@contextmanager
def waker_at(path: Path, waker: Waker | None = None) -> Iterator[None]:
    """The waker where nginx asks for it: the same coroutines, behind a small server of our own."""
    loop = asyncio.new_event_loop()
    looping = threading.Thread(target=loop.run_forever, daemon=True)
    looping.start()
    with suppress(FileNotFoundError):
        path.unlink()
    path.parent.mkdir(exist_ok=True)
    door = _Door(str(path), _Asked)
    path.chmod(0o666)
    door.waker, door.loop = waker or Waker(), loop
    serving = threading.Thread(target=door.serve_forever, args=(0.02,), daemon=True)
    serving.start()
    try:
        yield
    finally:
        door.shutdown()
        door.server_close()
        serving.join(30)
        asyncio.run_coroutine_threadsafe(_close_connections(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        looping.join(30)
        loop.close()
        path.unlink(missing_ok=True)


async def _close_connections() -> None:
    """Those of the thread that database_sync_to_async works in."""
    await database_sync_to_async(lambda: connection.close())()  # the connection of whichever thread it is
