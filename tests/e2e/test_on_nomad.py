"""The whole story on a Nomad cluster: built here, fetched and run by a node, switched without a failed request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.test_push_to_live import Repository, add, change, deploy, ended, looked_up, new_pod, request
from tests.edge.load import Load
from tests.stack.nomad_cluster import NAMESPACE, SecureCluster, secure_cluster
from tests.stack.platform import Platform, own_platform
from tests.stack.visitor import Visitor

pytestmark = [pytest.mark.nomad, pytest.mark.platform]
WORKER = {"type": "worker", "startCommand": "python -u -c \"import time; print('at work'); time.sleep(9e9)\""}


@pytest.fixture(scope="module")
def cluster() -> Iterator[SecureCluster]:
    """A server and two nodes, with TLS and ACLs."""
    with secure_cluster(anna="north", berta="north") as made:
        yield made


@pytest.fixture(scope="module")
def on_nomad(cluster: SecureCluster) -> Iterator[Platform]:
    """A platform whose engine is that cluster, with the documented rights alone; builds stay on this machine."""
    how = cluster.engine.cluster
    with own_platform(
        BRAINPOD_ENGINE="nomad",
        BRAINPOD_NOMAD_ADDR=how.address,
        BRAINPOD_NOMAD_TOKEN=how.token,
        BRAINPOD_NOMAD_NAMESPACE=how.namespace,
        BRAINPOD_NOMAD_CA=how.ca,
        BRAINPOD_NOMAD_CERT=how.certificate,
        BRAINPOD_NOMAD_KEY=how.key,
        BRAINPOD_NOMAD_DRIVER="raw_exec",
        BRAINPOD_REGION="north",
    ) as platform:
        yield platform
        for job in cluster.engine.server.get("jobs") or []:
            cluster.engine.server.forget(job["ID"])


@pytest.fixture
def owner(on_nomad: Platform) -> Iterator[Visitor]:
    made = Visitor(on_nomad)
    yield made
    made.close()


def test_push_to_live_and_back(on_nomad: Platform, owner: Visitor, tmp_path: Path) -> None:
    repository = Repository(on_nomad, tmp_path, "shop")
    repository.push("first")
    new_pod(owner, "shop")
    secret = {"variables.0.name": "GREETING", "variables.0.value": "good day", "secrets.0.name": "TOKEN"}
    add(owner, "shop", "Config", "common", {**secret, "secrets.0.value": "one-${s3cret}"})
    web = {"source.repo": repository.address, "configs.0.name": "common", "replicas": "2"}
    add(owner, "shop", "App", "web", {**web, "preStart": "echo getting ready with $GREETING"})
    add(owner, "shop", "App", "jobs", {"source.repo": repository.address, **WORKER})
    add(owner, "shop", "Route", "site", {"rules.0.path": "/", "rules.0.app": "web"})
    assert ended(owner, deploy(owner, "shop")) == "ready", owner.page.text
    assert "getting ready with good day" in owner.page.text, "once, for both instances"
    assert owner.page.text.count(">getting ready with good day") <= 1
    assert request(on_nomad, "shop.localhost") == (200, "first good day one-${s3cret}")
    owner.wait("/pods/shop/resources/web/", "web.2")
    owner.wait("/pods/shop/resources/jobs/", "jobs.1")

    repository.push("second")
    with Load(on_nomad.port, "shop.localhost") as load:
        change(owner, "shop", "common", {"variables.0.value": "good night"})
        assert ended(owner, deploy(owner, "shop")) == "ready", owner.page.text
        owner.get("/pods/shop/resources/web/")
        owner.fill("/pods/shop/deployments/", {}, has="latest")
        assert ended(owner, looked_up(owner)) == "ready", owner.page.text
        assert request(on_nomad, "shop.localhost")[1].startswith("second good night")
    assert load.answered > 50
    assert load.failures == []

    change(owner, "shop", "web", {"healthCheckTimeout": "2", "preStart": "echo seeding; exit 7"})
    with Load(on_nomad.port, "shop.localhost") as load:
        assert ended(owner, deploy(owner, "shop")) == "failed"
        assert "seeding" in owner.page.text
        change(owner, "shop", "web", {"preStart": "", "startCommand": "false"})
        assert ended(owner, deploy(owner, "shop")) == "failed"
    assert load.failures == [], "the old one goes on serving"
    assert request(on_nomad, "shop.localhost")[1].startswith("second good night")

    owner.get("/pods/shop/revisions/1/")
    with Load(on_nomad.port, "shop.localhost") as load:
        owner.fill("/pods/shop/deployments/", {}, has="revision")
        assert ended(owner, owner.where()) == "ready", owner.page.text
    assert "The stored artifact serves" in owner.page.text
    assert load.failures == []
    assert request(on_nomad, "shop.localhost") == (200, "first good day one-${s3cret}")

    owner.get("/pods/shop/settings/")
    owner.fill("/pods/shop/deletion/", {"confirmation": "shop"})
    deadline = time.monotonic() + 120
    while request(on_nomad, "shop.localhost")[0] != 404:
        assert time.monotonic() < deadline, on_nomad.tails()
        time.sleep(0.2)


def test_a_drained_node_costs_no_request(
    cluster: SecureCluster, on_nomad: Platform, owner: Visitor, tmp_path: Path
) -> None:
    """Nomad starts what was there on the other node, and the edge follows before the first one ends."""
    before = _instances(cluster)
    repository = Repository(on_nomad, tmp_path, "moved")
    repository.push("wherever")
    new_pod(owner, "moved")
    add(owner, "moved", "App", "web", {"source.repo": repository.address})
    add(owner, "moved", "Route", "site", {"rules.0.path": "/", "rules.0.app": "web"})
    assert ended(owner, deploy(owner, "moved")) == "ready", owner.page.text

    where = _instances(cluster)
    (first,) = {node for job, node in where.items() if job not in before}
    try:
        with Load(on_nomad.port, "moved.localhost") as load:
            cluster.drain(first)
            _wait(lambda: first not in _instances(cluster).values(), "the node to be empty", on_nomad)
            _wait(lambda: len(_instances(cluster)) == len(where), "as many elsewhere", on_nomad)
        assert load.failures == []
        assert load.answered > 100
        assert request(on_nomad, "moved.localhost")[0] == 200
        owner.wait("/pods/moved/resources/web/", "Its machine is being emptied")
    finally:
        cluster.drain(first, back=True)


def _instances(cluster: SecureCluster) -> dict[str, str]:
    """The nodes on which something runs, by allocation."""
    found = cluster.operator.get("allocations", namespace=NAMESPACE)
    return {one["ID"]: one["NodeName"] for one in found if one["ClientStatus"] == "running"}


def test_what_no_node_can_take_is_told(on_nomad: Platform, owner: Visitor, tmp_path: Path) -> None:
    repository = Repository(on_nomad, tmp_path, "huge")
    repository.push("never")
    new_pod(owner, "huge")
    add(owner, "huge", "App", "web", {"source.repo": repository.address, "instance": "8x"})
    page = deploy(owner, "huge")
    assert ended(owner, page) == "failed"
    assert "No node of the cluster took it: it cannot be placed: of 2 nodes none fits" in owner.page.text
    assert "It asks for 8192 MB of memory and 8 of a core" in owner.page.text


def _wait(condition: Callable[[], object], what: str, platform: Platform) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}\n{platform.tails()}"
        time.sleep(0.2)
