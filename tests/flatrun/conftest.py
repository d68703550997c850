"""The services' own fixtures: a real engine, a real secret store."""

from __future__ import annotations

import pytest

from apps.accounts.models import User
from tests.infrastructure.services.conftest import healthy, platform_engine
from tests.people import make_user

__all__ = ["healthy", "platform_engine"]


@pytest.fixture
def operator(db: None) -> User:
    return make_user("operator", is_staff=True, is_superuser=True)
