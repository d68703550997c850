"""The platform's database is a PostgreSQL server, which goes away and comes back while deployments are under way."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.faults.conftest import breakable
from tests.faults.rig import Rig, load
from tests.faults.test_mishaps import pods
from tests.stack.postgres import Server

pytestmark = pytest.mark.platform
SECONDS = 3.0  # without a database
WITHIN = 30  # seconds after its return until a page is answered
POINTS = ("before-clone", "after-build", "workload.launched", "between-switch-and-edge", "deployment.ending")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def rig(server: Server) -> Iterator[Rig]:
    with breakable(len(POINTS), DATABASE_URL=server.url) as made:
        yield made


def ready(rig: Rig) -> bool:
    return httpx.get(rig.platform.url(path="/readyz"), timeout=30, trust_env=False).status_code == 200


def test_the_server_goes_and_comes_back(rig: Rig, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Twice: while all are held, who go on without it; and while those that took over are at work."""
    held = dict(zip(pods(rig, len(POINTS)), POINTS, strict=True))
    names = list(held)
    with load(rig, names) as failures:
        for name, point in held.items():
            rig.arm(point, name)
        version = rig.deploy(names)
        rig.hold_all(held)
        server.stop(signal.SIGQUIT)
        for name, point in held.items():
            rig.let_go(point, name)
        time.sleep(SECONDS)
        assert not ready(rig)
        server.start()
        back = time.monotonic()
        answers = rig.until(lambda: ready(rig), "pages are answered again", WITHIN)
        time.sleep(1)
        server.stop(signal.SIGQUIT)
        server.start()
        rig.until(lambda: ready(rig), "pages are answered again", WITHIN)
        rig.until_ended(names)
        ended = time.monotonic() - back
        last = rig.do("last", names=names)
        with capsys.disabled():
            print(f"\npages after {answers:.1f} s, all ended after {ended:.1f} s", end="")
        assert {name: one for name, one in last.items() if one["state"] != "ready"} == {}
        rig.check_live(names, version)
    assert failures == []
