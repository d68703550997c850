"""Several nodes, TLS and ACLs on real agents: what runs moves by the rules, with the rights that are documented."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from apps.core.errors import PlatformError, Unavailable, UserError
from apps.engines.base import State
from apps.engines.nomad import client
from apps.engines.nomad.server import Server
from tests.engines.workloads import echo_server, echoes, run, running, shell, texts, until, worker
from tests.stack.nomad_cluster import HANDOVER, SecureCluster, secure_cluster

pytestmark = pytest.mark.nomad


@pytest.fixture(scope="module")
def cluster() -> Iterator[SecureCluster]:
    with secure_cluster(anna="north", berta="north", clara="south") as made:
        yield made


def test_the_documented_rights_suffice(cluster: SecureCluster) -> None:
    """For everything the platform does with an app; the contract runs without ACLs."""
    engine = cluster.engine
    handle = engine.launch(echo_server(region="south"))
    until(lambda: engine.probe(handle) is None, "it to listen")
    assert echoes(handle)
    assert engine.workloads()[handle["id"]].state == State.RUNNING
    until(lambda: texts(engine, handle) == ["listening"], "its line")
    assert engine.exec(handle, ("echo", "beside")) == (0, "beside\n")
    assert engine.connections(handle) == 0
    assert engine.stats(handle) is not None
    assert run(engine, shell("echo done"))[1] == ["done"]
    engine.stop(handle, 1)
    assert engine.status(handle).state == State.GONE


def test_other_rights_it_has_none(cluster: SecureCluster) -> None:
    for where in ("nodes", "jobs"):
        with pytest.raises(PlatformError) as refusal:
            Server(replace(cluster.engine.cluster, token="")).get(where)
        assert refusal.value.code == "nomad_denied"
    elsewhere = Server(replace(cluster.engine.cluster, namespace="default"))
    with pytest.raises(PlatformError) as refusal:
        elsewhere.put("jobs/parse", {"JobHCL": 'job "x" {}'})
    assert refusal.value.code == "nomad_denied"
    with pytest.raises(PlatformError) as refusal:
        cluster.engine.server.put(f"node/{cluster.node('anna')['ID']}/eligibility", {"Eligibility": "ineligible"})
    assert refusal.value.code == "nomad_denied"


def test_who_has_no_certificate_is_not_let_in(cluster: SecureCluster) -> None:
    with pytest.raises(Unavailable):
        Server(replace(cluster.engine.cluster, certificate="", key="")).get("status/leader")
    with pytest.raises(Unavailable):
        Server(replace(cluster.engine.cluster, ca="")).get("status/leader")


def test_a_region_is_where_it_runs(cluster: SecureCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = cluster.engine
    for region, nodes in (("south", {"clara"}), ("north", {"anna", "berta"})):
        handle = engine.launch(echo_server(region=region))
        assert cluster.where(handle["id"]) in nodes
        engine.stop(handle, 0)
    monkeypatch.setattr(client, "PLACED", 2.0)
    with pytest.raises(UserError) as refusal:
        engine.launch(nowhere := echo_server(region="west"))
    assert refusal.value.code == "engine_no_room"
    assert "no node of its datacenter is ready" in refusal.value.message
    engine.stop({"id": nowhere.id}, 0)


def test_what_a_drained_node_had_moves(cluster: SecureCluster) -> None:
    engine = cluster.engine
    handle = engine.launch(echo_server(region="north"))
    until(lambda: echoes(handle), "it to answer")
    first = cluster.where(handle["id"])
    try:
        cluster.drain(first)
        until(lambda: engine.status(handle).leaving, "it to be sent away")
        assert engine.workloads()[handle["id"]].leaving, "which the reconciler is told of"
        assert engine.status(handle).state == State.RUNNING
        assert echoes(handle), "it serves while another one can be started in its place"
        until(lambda: cluster.where(handle["id"]) not in ("", first), "another node", seconds=3 * HANDOVER)
        until(lambda: engine.status(handle).state == State.RUNNING, "it to run there")
        moved = {**handle, "address": engine.status(handle).address}
        assert moved != handle
        until(lambda: echoes(moved), "it to answer at its new address")
        assert not engine.status(handle).leaving
        assert engine.workloads()[handle["id"]].address == moved["address"], "which the reconciler is told of"
        assert engine.launch(echo_server(id=handle["id"], region="north")) == moved, "nothing is started twice"
    finally:
        cluster.drain(first, back=True)
        engine.stop(handle, 0)


def _triggers(server: Server, job: str) -> list[str]:
    return [evaluation["TriggeredBy"] for evaluation in server.evaluations(job)]


def test_a_worker_moves_once_its_node_is_given_up(cluster: SecureCluster) -> None:
    engine = cluster.engine
    handle = engine.launch(worker("echo up; exec sleep 600", region="north"))
    running(engine, handle)
    lost = cluster.where(handle["id"])
    identity, agent = cluster.node(lost)["ID"], cluster.nodes[lost]
    agent.stop(signal.SIGKILL)
    try:
        until(lambda: engine.status(handle).state == State.UNKNOWN, "it to be missed")
        cluster.operator.put(f"node/{identity}/purge", {})
        until(lambda: cluster.where(handle["id"]) not in ("", lost), "another node")
        running(engine, handle)
    finally:
        agent.start()
        cluster.wait_ready()
    engine.stop(handle, 0)


def test_a_node_that_is_lost(cluster: SecureCluster) -> None:
    """What listens is replaced, and the replacement stays; a worker waits for its node."""
    engine = cluster.engine
    web = engine.launch(echo_server(region="north"))
    lost = cluster.where(web["id"])
    jobs = [engine.launch(worker("exec sleep 600", region="north")) for _ in range(4)]
    for handle in jobs:
        running(engine, handle)
    stranded = [handle for handle in jobs if cluster.where(handle["id"]) == lost]
    agent = cluster.nodes[lost]
    agent.stop(signal.SIGKILL)
    try:
        until(lambda: cluster.where(web["id"]) not in ("", lost), "the replacement")
        until(lambda: engine.status(web).state == State.RUNNING, "it to run")
        moved = {**web, "address": engine.status(web).address}
        until(lambda: echoes(moved), "it to answer")
        mine = engine.names.job(web["id"])
        until(lambda: "max-disconnect-timeout" in _triggers(engine.server, mine), "the time that a node has")
        for handle in stranded:
            until(lambda handle=handle: engine.status(handle).state == State.UNKNOWN, "it to be unknown: not stopped")
            assert lost in engine.status(handle).reason
            assert len(engine.server.allocations(job=engine.names.job(handle["id"]))) == 1
    finally:
        agent.start()
        cluster.wait_ready()
    for handle in jobs:
        until(lambda handle=handle: engine.status(handle).state == State.RUNNING, "the worker, as it was")
        assert len(engine.server.allocations(job=engine.names.job(handle["id"]))) == 1
    until(lambda: not echoes(web), "the first one to be ended", seconds=3 * HANDOVER)
    assert engine.status(web).address == moved["address"]
    for handle in (web, *jobs):
        engine.stop(handle, 0)
