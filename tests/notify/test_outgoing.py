"""Where nothing is sent to: private addresses however they are written or found, and other ports and schemes."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.core import outbound
from apps.core.errors import Invalid
from apps.notify import outgoing
from tests.notify.conftest import Add, How, Receiver, send, tell

BODY = b"{}"


@pytest.fixture
def closed(settings: Any) -> None:
    """The operator allows no private network."""
    settings.BRAINPOD = replace(settings.BRAINPOD, allowed_networks="")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "10.0.0.1",
        "172.16.5.5", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "[::1]", "[::]",
        "[fe80::1]", "[fc00::1]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]", "[ff02::1]",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_in_every_notation(host: str, closed: None, add: Add) -> None:
    with pytest.raises(Invalid) as refused:
        add(target=f"https://{host}/hook")
    assert [detail.path for detail in refused.value.details] == ["target"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "https://"), ("hook", "https://"), ("ftp://example.com/", "https://"), ("file:///etc/passwd", "https"),
        ("gopher://example.com/_x", "https://"), ("https://", "host"), ("https://user:pw@example.com/", "user name"),
        ("https://example.com:22/", "port"), ("https://example.com:25/", "port"), ("https://example.com:0/", "port"),
        ("https://example.com:99999/", "not an address"), ("https://example.com/#part", "#"),
        ("https://example.com/a b", "plain"), ("https://example.com/\r\nX: y", "plain"),
        ("https://exämple.com/", "plain"),
        ("https://example.com\\@127.0.0.1/", "plain"), ("https://example.com/" + "x" * 1000, "1000"),
        ("https://[::1", "not an address"),
    ],
)  # fmt: skip
def test_bad_addresses_are_refused_in_words(url: str, words: str, add: Add) -> None:
    with pytest.raises(Invalid) as refused:
        add(target=url)
    [detail] = refused.value.details
    assert detail.path == "target"
    assert words in detail.message


def test_plain_http_goes_to_the_operators_networks_alone(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    nets = settings.BRAINPOD.networks
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: _found("93.184.216.34"))
    with pytest.raises(Invalid, match="https"):
        outgoing.look_up(outgoing.parse("http://example.com/hook"), nets)
    assert outgoing.look_up(outgoing.parse("https://example.com/hook"), nets) == ["93.184.216.34"]


def test_a_network_that_was_allowed_and_is_no_more(add: Add, receiver: Receiver, settings: Any) -> None:
    endpoint = add()
    settings.BRAINPOD = replace(settings.BRAINPOD, allowed_networks="")
    [delivery] = tell(endpoint)
    send()
    delivery.refresh_from_db()
    assert receiver.got == []
    assert "private address" in delivery.words


def _found(*addresses: str) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]


def test_one_private_address_among_others_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: _found("93.184.216.34", "10.0.0.5"))
    with pytest.raises(outbound.Unanswered, match="private"):
        outgoing.post(outgoing.parse("https://example.com/"), BODY, {})


def test_a_name_that_leads_elsewhere_a_moment_later(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, settings: Any
) -> None:
    """The first answer of the resolver is checked and connected to; a second is never asked for."""
    real, asked = socket.getaddrinfo, []

    def rebinding(host: Any, *more: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name != "rebind.example.com":
            return real(host, *more, **named)
        asked.append(name)
        return _found("127.0.0.1") if len(asked) == 1 else _found("169.254.169.254")

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    port = receiver.server_address[1]
    target = outgoing.parse(f"http://rebind.example.com:{port}/here")
    answer = outgoing.post(target, BODY, {}, allowed=settings.BRAINPOD.networks)
    assert answer.status == 200
    assert asked == ["rebind.example.com"]
    assert receiver.got[0].headers["host"] == f"rebind.example.com:{port}"


def test_of_several_addresses_the_first_that_is_there_is_asked(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, settings: Any
) -> None:
    real = socket.getaddrinfo

    def resolver(host: Any, *more: Any, **named: Any) -> Any:
        return _found("127.0.0.0", "127.0.0.1") if host == "two.example.com" else real(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    target = outgoing.parse(f"http://two.example.com:{receiver.server_address[1]}/")
    assert outgoing.post(target, BODY, {}, allowed=settings.BRAINPOD.networks).status == 200
    assert len(receiver.got) == 1


def test_what_does_not_answer_is_said_in_words(add: Add, receiver: Receiver) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/"
    secure = receiver.url.replace("http:", "https:")
    for url, words in ((closed, "refused"), (secure, "does not answer")):
        [delivery] = tell(add(target=url))
        send()
        delivery.refresh_from_db()
        assert words in delivery.words
        assert delivery.attempts[0]["status"] is None


def test_an_answer_of_nonsense_is_kept_as_plain_text(add: Add, receiver: Receiver) -> None:
    receiver.how["/hook"] = How(200, body=b"\x00\xff<script>\x1b[31m\n\xe2\x80\xae")
    [delivery] = tell(add())
    send()
    delivery.refresh_from_db()
    assert delivery.state == "delivered"
    assert delivery.attempts[0]["answer"].isprintable()


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> Iterator[int]:
    """The port of a receiver that speaks https as hooks.example.com, by a certificate that is trusted."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=hooks", "-addext", "subjectAltName=DNS:hooks.example.com",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate))
    monkeypatch.setattr(outbound, "_proxy", lambda _: None)
    server = Receiver()
    server.got = receiver.got
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_https_is_checked_for_the_name_though_an_address_is_connected_to(
    secure: int, monkeypatch: pytest.MonkeyPatch, receiver: Receiver, settings: Any
) -> None:
    real = socket.getaddrinfo

    def resolver(host: Any, *more: Any, **named: Any) -> Any:
        ours = host in ("hooks.example.com", "other.example.com")
        return _found("127.0.0.1") if ours else real(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    nets = settings.BRAINPOD.networks
    right = outgoing.parse(f"https://hooks.example.com:{secure}/hook?a=b")
    assert outgoing.post(right, BODY, {}, allowed=nets).status == 200
    assert receiver.got[0].path == "/hook?a=b"
    with pytest.raises(outbound.Unanswered, match="certificate is not valid"):
        outgoing.post(outgoing.parse(f"https://other.example.com:{secure}/"), BODY, {}, allowed=nets)
    assert len(receiver.got) == 1
