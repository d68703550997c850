"""What the tests of accounts share."""

from __future__ import annotations

import pytest

from apps.accounts import throttle


@pytest.fixture(autouse=True)
def no_failures_before() -> None:
    """Where Valkey is not running, failed sign-ins are counted in this process."""
    throttle._local.rows.clear()
