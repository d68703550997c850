"""A real nginx with TLS, a real ACME server that asks it, and the DNS between them."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from django.utils import timezone

from apps import edge, secretstore
from apps.accounts.models import Team, User
from apps.certificates import following
from apps.certificates.models import Certificate, DnsZone
from apps.core.ids import new_id
from apps.core.ports import free_port
from apps.pods.models import HostName, Pod
from apps.secretstore.vault import Vault
from tests.certificates.dns_server import DnsServer
from tests.edge.conftest import Stand, prepared
from tests.stack.pebble import PROGRAMS, Pebble

KEY_NAME, KEY = "platform.", "c2VjcmV0IGtleSBvZiB0aGUgem9uZSwgMzIgYnl0ZXMu"
ZONE = "zone.test"
missing = [program for program in PROGRAMS if shutil.which(program) is None]
needs_pebble = pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} is not installed")


class Door:
    """The edge with its nginx, and what shakes hands with it. `config`: what the platform is set to."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.tls_port = free_port()
        stand.edge = stand.another(tls_port=self.tls_port)

    def shown(self, host: str) -> x509.Certificate:
        """The certificate that a client gets who asks for `host`."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.tls_port), timeout=60) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")

    def trusted(self, host: str, root: str) -> bool:
        """Whether a client that trusts `root` is content with what it gets."""
        context = ssl.create_default_context(cadata=root)
        try:
            with (
                socket.create_connection(("127.0.0.1", self.tls_port), timeout=60) as plain,
                context.wrap_socket(plain, server_hostname=host),
            ):
                return True
        except ssl.SSLError:
            return False


@pytest.fixture(scope="session")
def _door() -> Iterator[Door]:
    with prepared() as stand:
        door = Door(stand)
        stand.edge.prepare()
        stand.start()
        yield door


@pytest.fixture(scope="session")
def _state() -> Iterator[Path]:
    """One for all: an account is made once."""
    state = Path(tempfile.mkdtemp(prefix="bp-c-"))
    (state / "run").mkdir()
    yield state
    shutil.rmtree(state)


@pytest.fixture
def door(
    _door: Door, _state: Path, openbao: Vault, settings: Any, monkeypatch: pytest.MonkeyPatch, db: None
) -> Iterator[Door]:
    """The platform's edge and its secret store, for this test; `settings.BRAINPOD` is its own."""
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, state=_state, acme="on", domain="pods.test")
    monkeypatch.setattr(edge, "edge", lambda: _door.stand.edge)
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    yield _door
    Certificate.objects.all().delete()


@pytest.fixture(scope="session")
def zone() -> Iterator[DnsServer]:
    """The DNS that the authority asks."""
    with DnsServer(ZONE, KEY_NAME, KEY).serving() as server:
        yield server


@pytest.fixture(scope="session")
def _pebble(_door: Door, zone: DnsServer) -> Iterator[Pebble]:
    root = Path(tempfile.mkdtemp(prefix="bp-a-"))
    try:
        with Pebble(root, _door.stand.port, dns=f"127.0.0.1:{zone.port}").serving() as pebble:
            yield pebble
    finally:
        shutil.rmtree(root)


@pytest.fixture
def pebble(_pebble: Pebble, door: Door, settings: Any) -> Pebble:
    """What the platform requests certificates from."""
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, acme_url=_pebble.directory, acme_ca=str(_pebble.ca))
    return _pebble


@pytest.fixture
def pod(team: Team, alice: User) -> Pod:
    return Pod.objects.create(team=team, name=f"p{new_id()}", created_by=alice)


@pytest.fixture
def proven(pod: Pod) -> Callable[[str], Certificate]:
    """The certificate of a domain that has just been proven; none yet."""

    def prove(host: str) -> Certificate:
        HostName.objects.create(host=host, pod=pod, custom=True, state="verified", verified_at=timezone.now())
        following.follow()
        return Certificate.objects.get(host=host)

    return prove


@pytest.fixture
def name() -> str:
    """A domain that no other test has."""
    return f"d{new_id()}.test"


def make_zone(vault: Vault, **fields: Any) -> DnsZone:
    secret = fields.pop("secret", KEY)
    zone = DnsZone(**{"zone": ZONE, "provider": "rfc2136", "key_name": KEY_NAME, "wait": 0, **fields})
    zone.path = f"platform/dns/{zone.pk}"
    zone.version = vault.write(zone.path, {"secret": secret})
    zone.save()
    return zone
