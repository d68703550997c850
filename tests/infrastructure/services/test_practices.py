"""Good practice: what is found of services, and the page that says it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.core.errors import Unavailable
from apps.infrastructure import credentials, places, practices, workloads
from apps.infrastructure.models import Service, Type
from apps.secretstore.vault import Vault

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("password", "strong"),
    [("", False), ("aaaaaaaaaaaaaaaaaaaaaaaa", False), ("password", False), ("12345678901234567890", False),
     ("nV4x9QpR2tLs8wYd", True), ("x-Zk3_pQ9.vT2+mL", True)],
)  # fmt: skip
def test_how_hard_a_password_is_to_guess(password: str, strong: bool) -> None:
    assert (practices.bits(password) >= practices.STRONG) == strong


def found(title: str) -> dict[str, bool | None]:
    (one,) = [practice for practice in practices.every() if practice.title == title]
    return {finding.service: finding.holds for finding in one.findings}


def test_what_is_found_and_said(
    openbao: Vault, monkeypatch: pytest.MonkeyPatch, operator: Any, client_of: Callable[..., Client]
) -> None:
    monkeypatch.setattr(credentials, "store", lambda: openbao)
    for name, password, host in (("weak", "password-123", "192.168.7.7"), ("strong", "nV4x9QpR2tLs8wYd", "1.1.1.1")):
        service = Service(name=name, type=Type.MYSQL, managed=False, host=host, port=3306)
        credentials.keep(service, password)
        service.save(force_insert=True)
    old = Service.objects.create(name="old", type=Type.VALKEY, managed=True, engine="process", version="1")
    assert found("Strong passwords") == {"weak": False, "strong": True, "old": False}
    assert found("Network isolation") == {"weak": True, "strong": False, "old": True}
    assert found("Updates") == {"old": False}
    assert found("Resource use") == {}, "it does not run"
    Service.objects.filter(pk=old.pk).update(version=workloads.newest(old))
    assert found("Updates") == {"old": True}
    text = client_of(operator).get("/operators/practices/").content.decode()
    assert "1.1.1.1 is an address of the internet" in text
    assert "/operators/services/weak/" in text
    assert "password-123" not in text


def test_a_server_that_others_can_reach_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own address is tried nowhere but there: what is forwarded is the port of another address of this machine."""
    monkeypatch.setattr(places, "outside", lambda: ["127.0.0.77"])
    with socket.create_server(("127.0.0.77", 0)) as forwarder:
        port = forwarder.getsockname()[1]
        handle = {"tcp": f"127.0.0.78:{port}"}
        Service.objects.create(name="open", type=Type.VALKEY, managed=True, engine="process", run="r", handle=handle)
        assert found("Network isolation") == {"open": False}
    assert found("Network isolation") == {"open": True}


def test_where_this_machine_is_reached_is_no_loopback() -> None:
    assert not any(ipaddress.ip_address(address).is_loopback for address in places.outside())


def test_without_the_secret_store_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(service: Service) -> None:
        raise Unavailable("secrets_unavailable", "It does not answer.")

    monkeypatch.setattr(credentials, "read", away)
    Service.objects.create(name="db", type=Type.MYSQL, managed=False, host="192.168.7.7", port=3306)
    assert found("Strong passwords") == {"db": None}


def test_others_add_checks_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(practices, "_CHECKS", {})
    practices.register("Backups", lambda services: [practices.Finding("db", False, "None yet", "Make one.")])
    (one,) = practices.every()
    assert (one.title, one.holds) == ("Backups", False)
