"""`manage.py restart` on the whole platform: another one afterwards, and no app, site or request noticed."""

from __future__ import annotations

from datetime import datetime

import httpx
import pytest

from apps.engines.process.client import ProcessEngine
from tests.e2e.test_push_to_live import Repository, add, change, deploy, ended, new_pod
from tests.edge.load import Load
from tests.stack.components import wait_for
from tests.stack.platform import SERVICES, Platform
from tests.stack.visitor import Visitor

pytestmark = pytest.mark.platform
STAY = {"nginx"}


def running(platform: Platform) -> dict[str, datetime | None]:
    """Since when each instance runs."""
    found = ProcessEngine(platform.state / "run" / "engine.sock").workloads()
    return {name: status.since for name, status in found.items()}


def test_apps_go_on_while_the_platform_begins_anew(platform: Platform, tmp_path) -> None:
    visitor = Visitor(platform)
    repository = Repository(platform, tmp_path, "anew")
    repository.push("anew")
    new_pod(visitor, "anew")
    add(visitor, "anew", "App", "web", {"source.repo": repository.address})
    add(visitor, "anew", "Route", "site", {"rules.0.path": "/", "rules.0.app": "web"})
    assert ended(visitor, deploy(visitor, "anew")) == "ready"
    before, pids = running(platform), {name: platform.pid(name) for name in SERVICES}
    with Load(platform.port, "anew.localhost") as load:
        wait_for(lambda: load.answered > 100, 60, "answers")
        told = platform.manage("restart", timeout=300).stdout
        seen = load.answered
        wait_for(lambda: load.answered > seen + 100, 60, "more answers")
    assert load.failures == []
    assert "Everything is up again" in told
    assert running(platform) == before
    assert {name for name in SERVICES if platform.pid(name) == pids[name]} == STAY
    assert httpx.get(platform.url(path="/readyz")).status_code == 200
    change(visitor, "anew", "web", {"sleepAfter": "600"})
    assert ended(visitor, deploy(visitor, "anew")) == "ready"
    visitor.close()


def test_restart_needs_something_that_runs(platform: Platform) -> None:
    marker = platform.state / "run" / "up"
    kept = marker.read_text()
    marker.unlink()
    try:
        refused = platform.manage("restart", check=False)
    finally:
        marker.write_text(kept)
    assert refused.returncode == 1
    assert "Stop it, then make up" in refused.stderr
    assert platform.healthy()
