"""Services on a real engine, with a real secret store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from apps import engines, secretstore
from apps.engines.process.client import ProcessEngine
from apps.infrastructure import credentials, lifecycle, workloads
from apps.infrastructure.models import Service
from apps.secretstore.vault import Vault
from tests.people import make_user


@pytest.fixture
def operator(db: None):
    return make_user("operator", is_staff=True, is_superuser=True)


@pytest.fixture
def platform_engine(
    engine_agent: ProcessEngine, openbao: Vault, valkey: str, monkeypatch: pytest.MonkeyPatch, db: None
) -> Iterator[ProcessEngine]:
    """What a test leaves running is stopped."""
    monkeypatch.setattr(engines, "engine", lambda: engine_agent)
    monkeypatch.setattr(engines, "default", lambda: "process")
    monkeypatch.setattr(engines, "offered", lambda: ("process",))
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    monkeypatch.setattr(credentials, "store", lambda: openbao)
    yield engine_agent
    for service in Service.objects.exclude(run=""):
        engine_agent.stop({"id": service.run}, 0)


def until(condition: Callable[[], object], what: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def healthy(service: Service) -> None:
    def now() -> bool:
        service.refresh_from_db()
        return lifecycle.status(service).health == "healthy"

    try:
        until(now, service.name)
    except AssertionError:
        handle = {**service.handle, "id": service.run}
        lines = [line.text for line in workloads.runner(service).logs(handle)]
        raise AssertionError((lifecycle.status(service), service.last_error, lines[-30:])) from None
