"""What infrastructure.yml declares, done on a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.test import override_settings

from apps.core.errors import Conflict
from apps.engines.process.client import ProcessEngine
from apps.infrastructure import actions, declaring, lifecycle, workloads
from apps.infrastructure.models import Service, ServiceEvent
from tests.infrastructure.services.conftest import healthy


@pytest.fixture
def file(tmp_path: Path, settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "infrastructure.yml"
    monkeypatch.setattr(declaring, "_done", {})
    with override_settings(BRAINPOD=replace(settings.BRAINPOD, infrastructure=str(path))):
        yield path


def redis(*lines: str) -> str:
    return "infrastructure:\n  redis:\n" + "".join(f"    {line}\n" for line in lines)


def test_a_service_of_the_file_through_its_life(
    platform_engine: ProcessEngine, file: Path, monkeypatch: pytest.MonkeyPatch, operator
) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "first-password")
    file.write_text(redis("enabled: true", "container: flatrun-redis", "password: ${REDIS_PASSWORD}"))
    assert declaring.tend()
    service = Service.objects.get(name="redis")
    healthy(service)
    assert service.declared == "file"
    assert service.container == "flatrun-redis"
    assert workloads.place(service).password == "first-password"
    assert not declaring.tend(), "nothing changed"
    for refused in (lambda: actions.change(service, memory=512, by=operator), lambda: actions.remove(
        service, confirm="redis", by=operator
    )):  # fmt: skip
        with pytest.raises(Conflict) as error:
            refused()
        assert error.value.code == "declared_in_file"

    # A stop by hand holds until `enabled` changes.
    lifecycle.stop(service, operator)
    monkeypatch.setattr(declaring, "_done", {})
    declaring.tend()
    assert lifecycle.status(service).state == "stopped"
    lifecycle.start(service, operator)

    monkeypatch.setenv("REDIS_PASSWORD", "second-password")
    assert declaring.tend()
    healthy(service)
    assert workloads.place(service).password == "second-password"

    file.write_text(redis("enabled: false", "container: flatrun-redis"))
    assert declaring.tend()
    service.refresh_from_db()
    assert lifecycle.status(service).state == "stopped"

    # What does not hold changes nothing.
    file.write_text(redis("enabled: tru"))
    assert not declaring.tend()

    file.write_text("infrastructure:\n")
    assert declaring.tend()
    service.refresh_from_db()
    assert service.declared == "dashboard"
    actions.remove(service, confirm="redis", by=operator)


def test_what_is_there_already_as_something_else_is_told_once(
    platform_engine: ProcessEngine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Service.objects.create(name="redis", type="postgresql", managed=False, host="db.example.com", port=5432)
    file.write_text(redis("enabled: true"))
    for _ in range(2):
        monkeypatch.setattr(declaring, "_done", {})
        declaring.tend()
    (event,) = ServiceEvent.objects.filter(service="redis")
    assert "of another kind" in event.words
