"""What managed services use, measured by the same watches as pods' servers and drawn on their page; what is in them."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable

import pytest
from django.test import Client

from apps.databases import keyspace
from apps.databases.targets import of_service
from apps.deployments import measured
from apps.engines.process.client import ProcessEngine
from apps.infrastructure import actions
from apps.infrastructure.models import Service
from apps.metrics import retention, store
from apps.metrics.databases.watch import DatabaseWatch
from apps.metrics.instances import Watch
from apps.metrics.models import Bucket
from apps.metrics.steps import Batch
from apps.pods.models import Pod
from apps.servers.base import SERVICES
from tests.infrastructure.services.conftest import healthy, until

HOME = "/operators/services/"


@pytest.mark.parametrize(("type", "user"), [("postgresql", "boss"), ("mariadb", "boss"), ("valkey", "")])
def test_a_managed_service_is_measured_drawn_and_looked_into(
    platform_engine: ProcessEngine, operator, client_of: Callable[..., Client], type: str, user: str
) -> None:
    name = f"main-{type}"
    service = actions.add_managed(name=name, type=type, memory=256, user=user, by=operator)
    healthy(service)
    batch, began = Batch(), time.time()
    watch, servers = Watch(platform_engine, measured.instances), DatabaseWatch(measured.database_servers)
    try:
        for clock in (0.0, 15.0):
            watch.look(batch, wall=began, clock=clock, restarts={})
        until(lambda: servers.look(batch) or any("limit" in sums.figures for sums in batch.fine.values()), "figures")
    finally:
        servers.close()
    earlier = Batch()
    for key, sums in batch.fine.items():
        earlier.at(key.pod, key.app, key.start - 120).add(sums)  # charts end before what may still grow
    store.write(store.reading("test"), {}, earlier.buckets())
    retention.apply(Pod.objects.values("pk"))

    browser = client_of(operator)
    data = browser.get(f"{HOME}{name}/metrics.json").json()
    for line in ("memory", "cpu", "limit", "connections"):
        assert [value for value in data[line] if value is not None], line
    assert max(value or 0 for value in data["limit"]) >= 10
    assert browser.get(f"{HOME}{name}/metrics.json?range=9h").status_code == 404
    page = browser.get(f"{HOME}{name}/?range=6h").content.decode()
    assert f'data-source="{HOME}{name}/metrics.json?range=6h"' in page
    assert 'data-chart="connections"' in page
    assert browser.get(f"{HOME}nginx/metrics.json").status_code == 404
    assert "data-chart" not in browser.get(f"{HOME}nginx/").content.decode()
    (_keys if type == "valkey" else _tables)(browser, service)
    assert browser.get(f"{HOME}valkey/data/").status_code == 404, "the platform's own"
    actions.remove(service, confirm=name, by=operator)
    assert not Bucket.objects.filter(pod=SERVICES, app=name).exists()


def _tables(browser: Client, service: Service) -> None:
    """The databases of a server, whoever has them."""
    with of_service(service).open_admin() as server:
        server.create_database("shop")
        server.query("shop", "CREATE TABLE things (id int PRIMARY KEY, word varchar(50))", read_only=False)
        server.insert("shop", "things", {"id": "1", "word": "<script>alert(1)</script>"})
        for number in range(2, 103):
            server.insert("shop", "things", {"id": str(number), "word": None})
    here = f"{HOME}{service.name}/data/"
    assert f'href="{here}"' in browser.get(f"{HOME}{service.name}/").content.decode()
    assert "database=shop" in browser.get(here).content.decode()
    assert "table=things" in browser.get(here, {"database": "shop"}).content.decode()
    rows = browser.get(here, {"database": "shop", "schema": "", "table": "things"}).content.decode()
    assert "&lt;script&gt;alert(1)" in rows
    following = re.search(r'href="([^"]+)" rel="next"', rows)
    assert following
    last = browser.get(html.unescape(following[1])).content.decode()
    assert "102" in last
    assert "These are the last" in last
    assert browser.get(here, {"database": "shop", "table": "nothing"}).status_code == 404
    assert browser.get(here, {"database": "shop", "table": "things", "sort": "no"}).status_code == 422


def _keys(browser: Client, service: Service) -> None:
    with keyspace.connected(of_service(service)) as client:
        client.hset("user:1", "name", "<b>Olive</b>")
        client.set("other", "x", ex=900)
    here = f"{HOME}{service.name}/data/"
    page = browser.get(here).content.decode()
    assert "user:1" in page
    assert "2 keys in all" in page
    assert "other" not in browser.get(here, {"pattern": "user:*"}).content.decode()
    value = browser.get(here, {"key": b"user:1".hex()}).content.decode()
    assert "&lt;b&gt;Olive" in value
    for wrong, status in (({"key": "zz"}, 422), ({"cursor": "x"}, 422), ({"type": "y"}, 422), ({"key": "00"}, 404)):
        assert browser.get(here, wrong).status_code == status, wrong
