"""What managed services use, measured by the same watches as pods' servers and drawn on their page; what is in them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.test import Client

from apps.deployments import measured
from apps.engines.process.client import ProcessEngine
from apps.infrastructure import actions
from apps.metrics import retention, store
from apps.metrics.databases.watch import DatabaseWatch
from apps.metrics.instances import Watch
from apps.metrics.models import Bucket
from apps.metrics.steps import Batch
from apps.pods.models import Pod
from apps.servers.base import SERVICES
from tests.infrastructure.services.conftest import healthy, until
from tests.infrastructure.services.looking import look_at_keys, look_at_tables, work_with_tables

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
    if type == "valkey":
        look_at_keys(browser, service)
    else:
        look_at_tables(browser, service)
        work_with_tables(browser, service)
    assert browser.get(f"{HOME}valkey/browser/").status_code == 404, "the platform's own"
    actions.remove(service, confirm=name, by=operator)
    assert not Bucket.objects.filter(pod=SERVICES, app=name).exists()
