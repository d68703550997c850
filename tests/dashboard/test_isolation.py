"""What every page says where nothing is isolated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.dashboard import isolation
from apps.engines.process.client import ProcessEngine

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ask_again() -> Iterator[None]:
    isolation.forget()
    yield
    isolation.forget()


@pytest.fixture
def mine(client_of: Callable[..., Client], alice: User) -> Client:
    return client_of(alice)


def banner(client: Client) -> bool:
    return 'id="isolation"' in client.get("/account/").content.decode()


def test_switched_off(settings: Any, mine: Client) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, sandbox="off")
    page = mine.get("/account/").content.decode()
    assert "BRAINPOD_SANDBOX is off. Run only code you trust." in page


def test_impossible_here(monkeypatch: pytest.MonkeyPatch, plain_engine: ProcessEngine, mine: Client) -> None:
    monkeypatch.setattr(isolation, "named", lambda _: plain_engine)
    assert banner(mine)


def test_not_where_it_is_isolated_or_nobody_says(
    monkeypatch: pytest.MonkeyPatch, engine_agent: ProcessEngine, mine: Client
) -> None:
    assert not banner(mine)  # no engine answers
    isolation.forget()
    monkeypatch.setattr(isolation, "named", lambda _: engine_agent)
    assert banner(mine) is not engine_agent.check().sandbox
