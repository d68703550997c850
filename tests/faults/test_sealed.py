"""The secret store is sealed: what runs goes on, what is new waits, and nothing starts with an empty environment."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from apps.infrastructure.embedded import openbao
from tests.faults.rig import Rig, load
from tests.faults.test_mishaps import pods, states
from tests.stack.at_large import at_large

pytestmark = pytest.mark.platform
SEALED = 503  # what it says of its health then


def health(rig: Rig) -> int:
    address = openbao.access(rig.platform.state).address
    try:
        return httpx.get(f"{address}/v1/sys/health", timeout=10, trust_env=False).status_code
    except httpx.HTTPError:
        return 0


@contextmanager
def sealed(rig: Rig) -> Iterator[None]:
    """The store is started with another key than that of its data, as long as the block lasts."""
    key = rig.platform.state / "bao" / "seal.key"
    good = key.read_bytes()
    key.chmod(0o600)
    try:
        key.write_bytes(os.urandom(len(good)))
        rig.platform.kill("openbao")
        rig.until(lambda: health(rig) == SEALED, "the store is sealed")
        yield
    finally:
        key.write_bytes(good)
        key.chmod(0o400)
        rig.platform.kill("openbao")


def test_a_deployment_waits_until_it_is_open(rig: Rig) -> None:
    [name] = pods(rig, 1)
    with load(rig, [name]) as failures:
        rig.arm("before-secrets", name)
        version = rig.deploy([name])
        rig.hold_all({name: "before-secrets"})
        with sealed(rig):
            rig.let_go("before-secrets", name)
            time.sleep(3)
            assert states(rig, [name]) == ["pending"]
            assert list(rig.do("workloads").values()).count(name) == 1, "nothing new was started"
        rig.until_ended([name])
        rig.check_live([name], version)
    assert failures == []
    assert at_large(rig.platform, rig.secret) == []
