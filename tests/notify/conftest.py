"""A team with a real receiver of webhooks on loopback, a real mail server, and a real secret store."""

from __future__ import annotations

import datetime
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.core.ids import new_id
from apps.deployments.models import Deployment
from apps.notify import actions, outbox, sending
from apps.notify.models import Delivery, Endpoint
from apps.pods.models import Pod
from apps.secretstore.vault import Vault

Add = Callable[..., Endpoint]


@dataclass
class Got:
    """A request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class How:
    """How a path is answered; `drip`: seconds between bytes of an answer that does not end."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"thanks"
    delay: float = 0.0
    drip: float = 0.0


class Receiver(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.how: dict[str, How] = defaultdict(How)
        self.got: list[Got] = []
        self.open: dict[str, int] = defaultdict(int)
        self.most_open: dict[str, int] = defaultdict(int)
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def at(self, path: str) -> list[Got]:
        return [one for one in self.got if one.path == path]

    def ids(self, path: str) -> list[str]:
        return [one.headers["webhook-id"] for one in self.at(path)]


class Answering(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        server, path = self.server, self.path
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with server.lock:
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.got.append(Got(path, headers, body, time.monotonic()))
            server.open[path] += 1
            server.most_open[path] = max(server.most_open[path], server.open[path])
        try:
            self._answer(server.how[path])
        except OSError:
            pass
        finally:
            with server.lock:
                server.open[path] -= 1

    def _answer(self, how: How) -> None:
        time.sleep(how.delay)
        self.send_response(how.status)
        for name, value in how.headers.items():
            self.send_header(name, value)
        if how.drip:
            self.end_headers()
            for _ in range(600):
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(how.drip)
            return
        self.send_header("Content-Length", str(len(how.body)))
        self.end_headers()
        self.wfile.write(how.body)

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture(scope="session")
def receiver_server() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def receiver(receiver_server: Receiver) -> Receiver:
    for kept in (receiver_server.how, receiver_server.got, receiver_server.most_open):
        kept.clear()
    return receiver_server


class Mailbox:
    """`mails`: those that came in. `receivers`: whom the last was for, by what the server was told."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.receivers: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        self.receivers = envelope.rcpt_tos
        return "250 OK"


@pytest.fixture(scope="session")
def mail_server() -> Iterator[Controller]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(Mailbox(), hostname="127.0.0.1", port=port)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def mailbox(mail_server: Controller, settings: Any) -> Mailbox:
    """Of a mail server that the platform is set up for."""
    settings.BRAINPOD = replace(
        settings.BRAINPOD, smtp_host="127.0.0.1", smtp_port=mail_server.port, smtp_security="none",
        smtp_from="us@example.com",
    )  # fmt: skip
    mail_server.handler.mails.clear()
    return mail_server.handler  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def loopback(settings: Any, openbao: Vault, db: None) -> None:
    """The operator lets people send to this machine."""
    settings.BRAINPOD = replace(settings.BRAINPOD, allowed_networks="127.0.0.0/8")


@pytest.fixture
def add(team: Team, alice: User, receiver: Receiver) -> Add:
    """`add(path="/here", kind="webhook", …)`: an endpoint at the receiver; a webhook's key is `endpoint.key`."""

    def make(path: str = "/hook", **given: Any) -> Endpoint:
        fields = {"kind": "webhook", "name": new_id(), "target": receiver.url + path, "team": team, "by": alice}
        made, made.key = actions.add(**fields | given)  # type: ignore[attr-defined]
        return made

    return make


@pytest.fixture
def pod(team: Team, alice: User) -> Pod:
    made = Pod.objects.create(team=team, name=f"p{new_id()}", created_by=alice)
    revision = made.revisions.create(version=1, sealed_at=timezone.now(), summary="first")
    revision.resources.create(kind="App", name="web", spec={"source": {"repo": "https://git.example.com/a/b.git"}})
    made.live = made.head = revision
    made.save()
    return made


@pytest.fixture
def deployment(pod: Pod, alice: User) -> Deployment:
    return Deployment.objects.create(pod=pod, revision=pod.head, trigger="manual", actor=alice)


def tell(*endpoints: Endpoint, event: str = "backup.failed", words: str = "It failed.") -> list[Delivery]:
    """One message for all of them, due now."""
    message = outbox.write(team=endpoints[0].team, event=event, data={"words": words, "url": "http://localhost/"})
    outbox.enqueue(message, endpoints)
    return [message.deliveries.get(endpoint=endpoint) for endpoint in endpoints]


def send() -> None:
    sending.send_due()


class Clock:
    """`django.utils.timezone.now`, moved by hand."""

    def __init__(self) -> None:
        self.ahead = datetime.timedelta()
        self._real = timezone.now

    def __call__(self) -> datetime.datetime:
        return self._real() + self.ahead

    def pass_by(self, **amount: float) -> None:
        self.ahead += datetime.timedelta(**amount)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timezone, "now", made)
    return made
