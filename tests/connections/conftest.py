"""A team with git hosts of its own on loopback, and a real secret store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import Team, User
from apps.connections import actions
from apps.connections.models import Connection
from apps.secretstore.vault import Vault
from tests.sources.conftest import Served, host, served, work

__all__ = ["host", "served", "work"]  # fixtures
TOKEN = "planted-token-of-the-team"
Connect = Callable[..., Connection]


@pytest.fixture(autouse=True)
def loopback(settings: Any, openbao: Vault, db: None) -> None:
    """Hosts on loopback may be reached."""
    settings.BRAINPOD = replace(settings.BRAINPOD, allowed_networks="127.0.0.0/8,::1/128")
    (settings.BRAINPOD.state / "repositories").mkdir(exist_ok=True)


@pytest.fixture
def private(served: Served, work: Path) -> str:
    """The address of acme/shop, which asks for `oauth2` and TOKEN."""
    (served.root / "acme").mkdir()
    url = served.push(work, "acme/shop")
    served.logins["/acme/"] = ("oauth2", TOKEN)
    return url


@pytest.fixture
def authority(served: Served) -> str:
    return served.url.removeprefix("https://")


@pytest.fixture
def connect(team: Team, alice: User, authority: str) -> Connect:
    """`connect(scope=…, token=…)`: a token of the team for the https host."""

    def make(**given: object) -> Connection:
        fields: dict[str, object] = {"host": authority, "provider": "gitlab", "token": TOKEN}
        return actions.connect_token(**{"team": team, "by": alice} | fields | given)  # type: ignore[arg-type]

    return make
