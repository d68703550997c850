"""On a real agent: what is replaced by Nomad serves until the replacement does, and goes on where that never does."""

from __future__ import annotations

from typing import Any

import pytest

from apps.engines.base import Handle, Mount, State
from apps.engines.nomad.client import NomadEngine
from apps.engines.nomad.job import TASK
from tests.engines.nomad.visits import Visits
from tests.engines.workloads import echo_server, echoes, until

pytestmark = pytest.mark.nomad


def _changed(engine: NomadEngine, handle: Handle, **config: Any) -> None:
    """What somebody does beside the platform: another version of the job."""
    name = engine.names.job(handle["id"])
    body = engine.server.job(name)
    assert body is not None
    task = body["TaskGroups"][0]["Tasks"][0]
    task["Env"]["VERSION"] = "2"
    task["Config"] |= config
    assert engine.server.register(body, engine.server.modified(name))


def _allocations(engine: NomadEngine, handle: Handle) -> list[dict[str, Any]]:
    found = engine.server.allocations(job=engine.names.job(handle["id"]))
    return sorted(found, key=lambda one: int(one["CreateIndex"]))


def test_the_old_allocation_serves_until_the_new_is_healthy(nomad_engine: NomadEngine) -> None:
    engine = nomad_engine
    handle = engine.launch(echo_server())
    until(lambda: echoes(handle), "it to answer")
    first = _allocations(engine, handle)[0]["ID"]
    with Visits(engine, handle) as visits:
        _changed(engine, handle)
        until(lambda: len(_allocations(engine, handle)) == 2, "the canary")
        assert engine.status(handle).address == handle["address"], "the old one, while the new one is not healthy"
        until(lambda: engine.status(handle).address != handle["address"], "the new one")
        until(lambda: len(visits.seen) == 2, "visits there")
        old, new = _allocations(engine, handle)
        assert (old["ID"], old["ClientStatus"]) == (first, "running"), "beside it, for requests under way"
        assert (new["DeploymentStatus"]["Healthy"], new["ClientStatus"]) == (True, "running")
    assert visits.failures == []
    assert engine.workloads()[handle["id"]].address == engine.status(handle).address
    engine.stop(handle, 0)
    assert not echoes(handle), "a stop waits for no handover"
    assert engine.status(handle).state == State.GONE


def test_the_old_allocation_serves_on_when_the_new_never_is(nomad_engine: NomadEngine) -> None:
    engine = nomad_engine
    handle = engine.launch(echo_server())
    until(lambda: echoes(handle), "it to answer")
    with Visits(engine, handle) as visits:
        _changed(engine, handle, command="/bin/false", args=[])

        def crashed() -> bool:
            new = _allocations(engine, handle)[-1]["TaskStates"] or {}
            return bool(new.get(TASK, {}).get("Restarts"))

        until(lambda: len(_allocations(engine, handle)) == 2 and crashed(), "the end of the canary")
        status = engine.status(handle)
        assert (status.state, status.address) == (State.RUNNING, handle["address"])
        assert engine.exec(handle, ("echo", "beside")) == (0, "beside\n"), "commands reach what serves"
    assert visits.failures == []
    assert visits.seen == [handle["address"]]
    engine.stop(handle, 0)


def test_a_disk_never_has_two_writers(nomad_engine: NomadEngine, tmp_path: Any) -> None:
    engine = nomad_engine
    handle = engine.launch(echo_server(mounts=(Mount(str(tmp_path), "/data", "write"),)))
    until(lambda: echoes(handle), "it to answer")
    _changed(engine, handle)
    most = 0

    def replaced() -> bool:
        nonlocal most
        found = _allocations(engine, handle)
        most = max(most, sum(one["ClientStatus"] == "running" for one in found))
        return len(found) == 2 and [one["ClientStatus"] for one in found] == ["complete", "running"]

    until(replaced, "the new one after the old one")
    assert most <= 1
    engine.stop(handle, 0)
