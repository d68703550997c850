"""`certificate`: from a domain that is proven to nginx serving its certificate, issued by an ACME server (pebble)."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

from cryptography import x509
from django.conf import settings
from django.utils import timezone

from apps.certificates import certbot
from apps.certificates.pairs import names_of
from apps.deployments import domains
from apps.pods import actions as pods
from apps.pods.domains.settling import Outcome
from apps.pods.models import HostName, Pod
from bench import elsewhere
from bench.ground import Ground
from bench.row import Row, take_turns
from tests.stack.pebble import PROGRAMS

NAME = "certificate"
TARGET = 5.0  # seconds
PATIENCE = 120.0


def measure(ground: Ground) -> Row:
    if not settings.BRAINPOD.acme_on:
        if lacking := [program for program in PROGRAMS if not shutil.which(program)]:
            raise RuntimeError(f"{' and '.join(lacking)} is not installed")
        return elsewhere.measured(ground, NAME, on="pebble")
    pod = pods.create_pod(team=ground.team, name="certified", by=None)
    numbers = count()
    with tempfile.TemporaryDirectory(prefix="bp-b-") as work:
        hand = Hand(Path(work))

        def product() -> float:
            return _proven(pod, f"d{next(numbers)}.test")

        def limit() -> float:
            return hand.issue(f"h{next(numbers)}.test")

        product()  # the first makes the account
        pair = take_turns(ground.rounds, product, limit)
    seconds, by_hand = pair.medians
    return Row(
        NAME, "s", seconds, f"≤ {TARGET:.0f} s", seconds <= TARGET, by_hand, "certbot by hand, the same webroot",
        pair.samples(), details={"what": "a proven domain → its certificate served, no reload; every name a new one"},
    )  # fmt: skip


def _proven(pod: Pod, host: str) -> float:
    """Seconds from what follows upon a look-up that proved `host`, until a client is shown its certificate."""
    HostName.objects.create(pod=pod, host=host, custom=True, state="verified", verified_at=timezone.now())
    began = time.monotonic()
    domains.tell(Outcome([], moved=True))
    while not _served(host):
        if time.monotonic() - began > PATIENCE:
            raise TimeoutError(f"no certificate for {host} after {PATIENCE:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - began


def _served(host: str) -> bool:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", settings.BRAINPOD.https_port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        return names_of(x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")) == [host]


class Hand:
    """certbot as one would type it, with an account of its own."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self._run("register")

    def issue(self, host: str) -> float:
        began = time.monotonic()
        webroot = settings.BRAINPOD.state / "nginx" / "acme"
        self._run("certonly", "--webroot", "--webroot-path", str(webroot), "--domain", host)
        return time.monotonic() - began

    def _run(self, *arguments: str) -> None:
        folders = [f"--{name}-dir={self.work / name}" for name in ("config", "work", "logs")]
        more = ["--non-interactive", "--agree-tos", "--register-unsafely-without-email"]
        server = ["--server", settings.BRAINPOD.acme_directory]
        env = os.environ | {"REQUESTS_CA_BUNDLE": settings.BRAINPOD.acme_ca}
        command = [*certbot.PROGRAM, *arguments, *more, *folders, *server]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE)
        if done.returncode:
            raise RuntimeError(f"certbot: {done.stderr[-500:]}")
