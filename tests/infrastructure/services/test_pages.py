"""The operators' pages of services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from apps import engines
from apps.engines.process.client import ProcessEngine
from apps.infrastructure.models import Service
from tests.infrastructure.services.conftest import healthy

HOME = "/operators/services/"


@pytest.fixture
def browser(operator, client_of: Callable[..., Client]) -> Client:
    return client_of(operator)


def test_the_list_has_the_platform_s_own(browser: Client, platform_engine: ProcessEngine) -> None:
    text = browser.get(HOME).content.decode()
    for name in ("nginx", "valkey", "openbao", "certbot"):
        assert f'href="{HOME}{name}/"' in text
    for name in ("nginx", "certbot"):
        assert browser.get(f"{HOME}{name}/").status_code == 200
    answer = browser.post(f"{HOME}valkey/lifecycle/", {"action": "stop"})
    assert answer.status_code == 409
    assert "without it there is no page" in answer.content.decode()
    assert browser.get(f"{HOME}nope/").status_code == 404
    assert browser.post(f"{HOME}valkey/lifecycle/", {"action": "burn"}).status_code == 404


def test_a_docker_that_is_away_hides_nothing_else(
    browser: Client, platform_engine: ProcessEngine, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BRAINPOD = replace(settings.BRAINPOD, docker_host="unix:///nowhere/docker.sock")
    monkeypatch.setattr(engines, "offered", lambda: ("process", "docker"))
    text = browser.get(HOME).content.decode()
    assert "The Docker daemon does not answer" in text
    assert f'href="{HOME}nginx/"' in text


def test_a_managed_service_from_the_form_to_its_removal(browser: Client, platform_engine: ProcessEngine) -> None:
    answer = browser.post(f"{HOME}new/managed/", {"name": "Keys!", "type": "valkey", "memory": 5})
    assert answer.status_code == 422
    assert "lower-case letters" in answer.content.decode() or "128" in answer.content.decode()
    answer = browser.post(f"{HOME}new/managed/", {"name": "keys", "type": "valkey", "memory": 256})
    assert answer.headers.get("Location") == f"{HOME}keys/", answer.content.decode()
    service = Service.objects.get(name="keys")
    healthy(service)
    text = browser.get(f"{HOME}keys/").content.decode()
    assert "Running" in text
    assert f'data-stream="{service.stream}"' in text
    assert browser.get(f"{HOME}keys/log/").status_code == 200
    assert "name_taken" not in text
    again = browser.post(f"{HOME}new/managed/", {"name": "keys", "type": "valkey", "memory": 256})
    assert again.status_code == 422
    assert "a service called keys already" in again.content.decode()
    assert browser.post(f"{HOME}keys/lifecycle/", {"action": "stop"}).status_code == 302
    assert "Stopped" in browser.get(f"{HOME}keys/").content.decode()
    assert browser.post(f"{HOME}keys/", {"memory": 256, "shared": "on"}).status_code == 302
    assert "shared: pods may have databases there" in browser.get(f"{HOME}keys/").content.decode()
    assert browser.post(f"{HOME}keys/", {"memory": 300}).status_code == 302
    service.refresh_from_db()
    assert (service.memory, service.shared, service.run) == (300, False, "")
    wrong = browser.post(f"{HOME}keys/deletion/", {"confirm": "kees"})
    assert wrong.status_code == 422
    assert "to make sure" in wrong.content.decode()
    assert browser.post(f"{HOME}keys/deletion/", {"confirm": "keys"}).status_code == 302
    assert not Service.objects.filter(name="keys").exists()


def test_an_external_one_is_tested_and_nothing_secret_is_repeated(
    browser: Client, platform_engine: ProcessEngine
) -> None:
    form = {
        "name": "far",
        "type": "postgresql",
        "host": "127.0.0.1",
        "port": "1",
        "user": "u",
        "password": "hunter2hunter2",
    }
    answer = browser.post(f"{HOME}new/external/", form)
    assert answer.status_code == 422
    assert "No server answers" in answer.content.decode()
    assert "hunter2" not in answer.content.decode()
    answer = browser.post(f"{HOME}new/external/", form | {"host": "127.44.1.9"})
    assert "this platform" in answer.content.decode()
    answer = browser.post(f"{HOME}new/external/", form | {"host": "postgres://a:b@c/d"})
    assert answer.status_code == 422
    assert not Service.objects.exists()
