"""A domain through real deployments, asked for at a real nginx: from unknown to answering, released, rolled back."""

from __future__ import annotations

import dataclasses
import http.client
from collections.abc import Iterator

import pytest
from django.conf import settings

from apps import edge
from apps.deployments import actions, domains
from apps.deployments.desired import edge_state
from apps.pods.domains.claims import text_of
from apps.pods.models import DomainProof, HostName
from tests.deployments.standing import Shop
from tests.dns.nameserver import NameServer

pytestmark = pytest.mark.django_db(transaction=True)
WWW = "www.example.com"
RULES = [{"path": "/", "app": "web"}]


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    with NameServer() as server:
        address, port = server.endpoint
        config = dataclasses.replace(settings.BRAINPOD, dns_resolvers=f"{address}:{port}")
        monkeypatch.setattr(settings, "BRAINPOD", config)
        monkeypatch.setattr(domains, "SECONDS", 120.0)
        yield server


def ask(shop: Shop, host: str) -> int:
    client = http.client.HTTPConnection("127.0.0.1", shop.stand.port, timeout=120)
    try:
        client.request("GET", "/", headers={"Host": host})
        return client.getresponse().status
    finally:
        client.close()


def look() -> None:
    """What a worker does, and the reconciler after it."""
    domains.check(HostName.objects.filter(custom=True).select_related("pod"))
    edge.edge().apply(edge_state)


def test_from_unknown_to_answering_and_back(shop: Shop, dns: NameServer) -> None:
    shop.save("App", "web", source={"repo": "https://git.example.com/team/shop.git"}, instance="1x")
    shop.save("Route", "front", rules=RULES, domains=["WWW.Example.com."])
    assert shop.deploy().state == "ready"
    with_domain = shop.pod.live
    assert with_domain
    unknown = ask(shop, "nobody.example.com")
    assert (ask(shop, shop.host), ask(shop, WWW)) == (200, unknown)
    dns.set(f"_brainpod.{WWW}", "TXT", text_of(DomainProof.objects.get()))
    look()
    assert ask(shop, WWW) == 200
    shop.save("Route", "front", rules=RULES)
    assert shop.deploy().state == "ready"
    edge.edge().apply(edge_state)
    assert (ask(shop, shop.host), ask(shop, WWW)) == (200, unknown)
    assert not HostName.objects.filter(custom=True).exists()
    back = shop.run(actions.deploy_revision(pod=shop.pod, revision=with_domain, by=shop.by))
    assert (back.state, back.trigger) == ("ready", "rollback")
    assert (ask(shop, shop.host), ask(shop, WWW)) == (200, unknown)  # released: it has to be proven again
    look()
    assert ask(shop, WWW) == 200
