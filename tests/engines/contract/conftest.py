"""The engines the contract is held to."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.engines.base import Engine
from apps.engines.process.client import ProcessEngine


@pytest.fixture(params=["engine_agent", "plain_engine"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Every engine in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def sandboxed(request: pytest.FixtureRequest) -> Engine:
    """An engine with a sandbox, or a skip that says why."""
    engine: Engine = request.getfixturevalue("engine_agent")
    if not engine.check().sandbox:
        pytest.skip("this host lets no sandbox be made")
    return engine


@pytest.fixture
def state_of_engine(engine_agent: ProcessEngine) -> Path:
    """Where the sandboxed engine keeps everything."""
    return engine_agent.path.parent.parent
