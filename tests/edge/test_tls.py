"""TLS: whose certificate a name gets, how it changes, and that a bad one is nobody else's trouble."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import ssl
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from cryptography import x509

from apps.core.errors import Invalid
from apps.core.ports import free_port
from apps.edge.base import DEFAULT, EdgeState, Site
from apps.edge.certificates import SELF_SIGNED, ensure_default, self_signed
from apps.edge.nginx import NginxEdge
from apps.edge.tls import CHALLENGES
from tests.edge.conftest import Stand, app, prepared, wait_for

NAMES = ("pods.test", "*.pods.test", "127.0.0.1")


class TlsStand:
    """A stand whose edge answers on TLS too."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.port = free_port()
        stand.edge = stand.another(tls_port=self.port, names=NAMES)

    @property
    def edge(self) -> NginxEdge:
        return self.stand.edge

    def apply(self, *sites: Site, **state: str) -> bool:
        return self.edge.apply(lambda: EdgeState(sites, **state)).reloaded

    def keep(self, name: str, *hosts: str) -> None:
        self.edge.keep_certificate(name, *self_signed(hosts))

    def talk(self, host: str | None, **options: object) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for option, value in options.items():
            setattr(context, option, value) if option != "alpn" else context.set_alpn_protocols(value)  # type: ignore[arg-type]
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        return context.wrap_socket(plain, server_hostname=host)

    def names(self, host: str | None) -> list[str]:
        """Of the certificate that a client gets who asks for `host`."""
        with self.talk(host) as connection:
            found = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return named.get_values_for_type(x509.DNSName)

    def ask(self, host: str, request: bytes) -> bytes:
        with self.talk(host) as connection:
            connection.sendall(request)
            with connection.makefile("rb") as answer:
                return answer.read()

    def plain(self, request: bytes) -> bytes:
        """What it answers to plain HTTP."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request)
            with connection.makefile("rb") as answer:
                return answer.read()


@pytest.fixture(scope="module")
def _tls() -> Iterator[TlsStand]:
    with prepared() as stand:
        made = TlsStand(stand)
        made.edge.prepare()
        stand.start()
        yield made


@pytest.fixture
def tls(_tls: TlsStand) -> Iterator[TlsStand]:
    yield _tls
    _tls.stand.clear()
    _tls.edge.forget_certificates(_tls.edge.certificates() - {SELF_SIGNED})


def own(host: str, certificate: str = DEFAULT, **more: str) -> Site:
    return replace(Site(host, answer="maintenance"), certificate=certificate, **more)  # type: ignore[arg-type]


def test_everything_answers_on_tls_with_the_default(tls: TlsStand) -> None:
    upstream = tls.stand.upstream()
    tls.apply(app("shop.pods.test", upstream.address), own("own.test"))
    for host in ("shop.pods.test", "own.test", "OWN.test", "nobody.test", "panel.test", None):
        assert tls.names(host) == ["panel.test", "pods.test", "*.pods.test"]
    said = tls.ask("shop.pods.test", b"GET / HTTP/1.0\r\nHost: shop.pods.test\r\n\r\n")
    assert b" 200 " in said
    assert b'"x-forwarded-proto": "https"' in said
    assert b" 404 " in tls.ask("nobody.test", b"GET / HTTP/1.0\r\nHost: nobody.test\r\n\r\n")
    assert b" 503 " in tls.ask("own.test", b"GET / HTTP/1.0\r\nHost: own.test\r\n\r\n")


def test_a_certificate_is_served_renewed_and_taken_away_without_a_reload(tls: TlsStand) -> None:
    tls.apply(own("own.test"), own("other.test"))
    tls.keep("one-1", "own.test", "first.test")
    tls.keep("one-2", "own.test", "second.test")
    for name, extra in (("one-1", "first.test"), ("one-2", "second.test")):
        assert tls.apply(own("own.test", name), own("other.test")) is False
        wait_for(lambda expected=extra: expected in tls.names("own.test"))
        assert "pods.test" in tls.names("other.test")
    assert tls.apply(own("own.test"), own("other.test")) is False
    wait_for(lambda: "pods.test" in tls.names("own.test"))


def test_the_wildcard_and_the_dashboards_own(tls: TlsStand) -> None:
    tls.keep("wild-1", "*.pods.test")
    tls.keep("panel-1", "panel.test")
    assert tls.apply() in (True, False)
    assert tls.apply(certificate="wild-1", panel="panel-1") is False
    wait_for(lambda: tls.names("shop.pods.test") == ["*.pods.test"])
    wait_for(lambda: tls.names("panel.test") == ["panel.test"])
    assert tls.apply(certificate="gone-1") is False
    wait_for(lambda: "pods.test" in tls.names("shop.pods.test"))


@pytest.mark.parametrize("breakage", ["missing", "empty", "nonsense", "foreign key", "no key"])
def test_a_broken_certificate_is_nobody_elses_trouble(tls: TlsStand, breakage: str) -> None:
    tls.keep("good-1", "good.test")
    tls.keep("bad-1", "bad.test")
    kept = tls.edge.layout.certificates / "bad-1"
    match breakage:
        case "missing":
            shutil.rmtree(kept)
        case "no key":
            (kept / "key.pem").unlink()
        case "foreign key":
            shutil.copy(tls.edge.layout.certificates / "good-1" / "key.pem", kept / "key.pem")
        case "empty":
            (kept / "chain.pem").write_text("")
        case "nonsense":
            (kept / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    tls.apply(own("good.test", "good-1"), own("bad.test", "bad-1"))
    assert tls.apply(own("good.test", "good-1"), own("bad.test", "bad-1"), own(f"new-{len(breakage)}.test")) is True
    wait_for(lambda: tls.names("good.test") == ["good.test"])
    if breakage in ("missing", "no key"):
        assert "pods.test" in tls.names("bad.test"), "the default in its place"
    else:
        with pytest.raises((ssl.SSLError, OSError)):
            tls.names("bad.test")
    assert "pods.test" in tls.names("nobody.test")


def test_keys_are_read_by_workers_and_nobody_else(tls: TlsStand) -> None:
    tls.keep("one-1", "own.test")
    worker = tls.edge.layout.user.split()[0] if os.geteuid() == 0 else ""
    for name in ("chain.pem", "key.pem"):
        found = (tls.edge.layout.certificates / "one-1" / name).stat()
        assert stat.S_IMODE(found.st_mode) == 0o600
        if worker:
            assert found.st_uid == pwd.getpwnam(worker).pw_uid
    assert tls.edge.certificates() >= {"one-1", SELF_SIGNED}
    tls.edge.forget_certificates(["one-1"])
    assert "one-1" not in tls.edge.certificates()


def test_http2_and_old_protocols(tls: TlsStand) -> None:
    with tls.talk("x.test", alpn=["h2", "http/1.1"]) as connection:
        assert connection.selected_alpn_protocol() == "h2"
    with tls.talk("x.test", maximum_version=ssl.TLSVersion.TLSv1_2) as connection:
        assert "GCM" in (connection.cipher() or ("",))[0]
    old = "@SECLEVEL=0"
    client = ["openssl", "s_client", "-connect", f"127.0.0.1:{tls.port}", "-tls1_1", "-cipher", f"ALL:{old}"]
    done = subprocess.run(client, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0


def test_sessions_are_resumed(tls: TlsStand) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # the ticket comes with the handshake
    session = None
    for expected in (False, True):
        with (
            socket.create_connection(("127.0.0.1", tls.port), timeout=60) as plain,
            context.wrap_socket(plain, server_hostname="x.test", session=session) as connection,
        ):
            assert connection.session_reused is expected
            session = connection.session


def test_plain_http_on_the_tls_port_is_sent_to_https(tls: TlsStand) -> None:
    upstream = tls.stand.upstream()
    tls.apply(app("shop.test", upstream.address), Site("off.test", answer="disabled"))
    for host in ("shop.test", "off.test", "nobody.test", "panel.test"):
        said = tls.plain(f"POST /a?b=c HTTP/1.0\r\nHost: {host}:{tls.port}\r\n\r\n".encode()).decode()
        assert " 308 " in said.splitlines()[0]
        assert f"Location: https://{host}:{tls.port}/a?b=c\r\n" in said


def test_challenges_are_answered_by_every_name(tls: TlsStand) -> None:
    upstream = tls.stand.upstream()
    tls.apply(
        app("shop.test", upstream.address), app("none.test"), app("api.test", upstream.address, path="/api/"),
        Site("off.test", answer="disabled"), Site("new.test"), own("own.test"),
    )  # fmt: skip
    token = tls.edge.challenges() / CHALLENGES.strip("/") / "token-1_A"
    token.write_text("token.thumb")
    token.chmod(0o644)
    try:
        for host in ("shop.test", "none.test", "api.test", "off.test", "new.test", "own.test", "nobody", "panel.test"):
            found = tls.stand.ask(host, f"{CHALLENGES}token-1_A")
            assert (found.status_code, found.text) == (200, "token.thumb"), host
            for missing in ("token-2", "", "../../../conf/nginx.conf", "%2e%2e/%2e%2e/%2e%2e/conf/nginx.conf"):
                said = tls.stand.raw(f"GET {CHALLENGES}{missing} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
                assert b" 200 " not in said.partition(b"\r\n")[0] or b"generation" not in said
            assert tls.stand.ask(host, f"{CHALLENGES}token-2").status_code == 404
    finally:
        token.unlink()


def test_without_a_port_there_is_no_tls(cold: Stand) -> None:
    cold.start()
    cold.apply(own("own.test"))
    assert "ssl" not in cold.edge.layout.configuration.read_text()


def test_the_default_is_made_anew_before_it_ends_or_for_other_names(cold: Stand) -> None:
    layout = cold.edge.layout
    chain = layout.certificates / SELF_SIGNED / "chain.pem"
    first = chain.read_text()
    ensure_default(layout, ("panel.test",))
    assert chain.read_text() == first
    ensure_default(layout, ("panel.test", "more.test"))
    second = chain.read_text()
    assert second != first
    chain.write_text("broken")
    ensure_default(layout, ("panel.test", "more.test"))
    assert "CERTIFICATE" in chain.read_text()


@pytest.mark.parametrize("name", ["../x", "a/b", "A", "x" * 81, "a;b", "a b", '"', "$x"])
def test_names_of_certificates_are_plain(tls: TlsStand, name: str) -> None:
    with pytest.raises(Invalid):
        tls.apply(own("own.test", name))
    for field in ("certificate", "panel"):
        with pytest.raises(Invalid):
            tls.apply(**{field: name})


def test_a_stored_state_keeps_its_certificates(cold: Stand) -> None:
    made = TlsStand(cold)
    made.edge.prepare()
    cold.start()
    made.keep("one-1", "own.test")
    made.keep("wild-1", "*.pods.test")
    made.apply(own("own.test", "one-1"), certificate="wild-1")
    cold.end()
    shutil.rmtree(made.edge.layout.tls)
    made.edge.prepare()
    cold.start()
    assert made.names("own.test") == ["own.test"]
    assert made.names("x.pods.test") == ["*.pods.test"]
