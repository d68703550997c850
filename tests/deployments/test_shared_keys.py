"""Keys at a shared Valkey, through deployments: told to the app, whole after kill -9, rotated, locked with the pod."""

from __future__ import annotations

import os
import secrets as random
import signal
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.core.errors import PlatformError
from apps.deployments import actions, passwords, teardown
from apps.engines.base import Peer
from apps.engines.process.client import ProcessEngine
from apps.infrastructure import actions as services
from apps.infrastructure import workloads
from apps.infrastructure.models import Allotment, Service
from apps.pods import actions as pods
from apps.pods.databases import shared_name
from apps.pods.models import Pod
from apps.pods.plan import make_plan
from apps.servers.base import SERVICES, Access
from tests.deployments.test_databases import deploy, finish, serving
from tests.deployments.test_shared_servers import engine, pod_of
from tests.engines.workloads import run, shell, texts, until
from tests.infrastructure.services.conftest import healthy
from tests.servers.clients import working_on

__all__ = ["engine"]
pytestmark = pytest.mark.django_db(transaction=True)


def client_of(service: Service, access: Access) -> Any:
    host, port = workloads.endpoint(service)
    return redis.Redis(
        host=host, port=port, username=access.user, password=access.password, socket_timeout=2,
        retry=Retry(NoBackoff(), 0),
    )  # fmt: skip


def test_from_the_plan_to_the_end_of_the_pod(engine: ProcessEngine) -> None:
    service = services.add_managed(
        name=f"keys-{random.token_hex(3)}", type="valkey", memory=256, shared=True, by=None
    )  # fmt: skip
    healthy(service)
    ours, alice = pod_of(service, team="ours")
    theirs, charlie = pod_of(service, team="theirs")
    ours.refresh_from_db()
    assert ours.draft
    (line,) = [one for one in make_plan(ours, ours.draft, stored=frozenset({"web"})).lines if one.name == "db"]
    assert line.consequence == f"makes a user with keys of its own for db at the shared server {service.name}"
    deployment = deploy(ours, alice)
    assert {one.stage: one.state for one in deployment.stages.filter(app="db")} == {"launch": "passed"}
    handle = serving(ours, "web").handle
    until(lambda: any(it.startswith("reached p") for it in texts(engine, handle)), "the store")
    mine = passwords.reveal(pod=ours, name="db", by=alice)
    assert (mine.user, mine.prefix, mine.database) == (*(shared_name(ours.pk, "db"),) * 2, "")
    deploy(theirs, charlie)
    other = passwords.reveal(pod=theirs, name="db", by=charlie)
    with client_of(service, mine) as client:
        client.set(f"{mine.prefix}:kept", "7351")

    # Killed outright and started again, it has its users and what they wrote.
    for number in working_on(service.data):
        os.kill(number, signal.SIGKILL)
    workloads.end(service)
    workloads.launch(service)

    def back() -> bool:
        try:
            return bool(client_of(service, mine).get(f"{mine.prefix}:kept") == b"7351")
        except (redis.ConnectionError, redis.TimeoutError, PlatformError):
            service.refresh_from_db()
            return False

    until(back, "the store")
    with pytest.raises(redis.exceptions.NoPermissionError), client_of(service, other) as client:
        client.get(f"{mine.prefix}:kept")

    # From inside: who does not refer to it has no way there.
    host = engine.peer_host(SERVICES, service.name)
    asking = f"import socket; socket.create_connection(('{host}', 6379), 5)"
    for peers, reached in (((Peer(service.name, 6379, SERVICES),), True), ((), False)):
        finished, output = run(engine, shell("", pod=ours.pk, command=("python3", "-c", asking), peers=peers))
        assert (finished.exit_code == 0) == reached, output

    finish(passwords.rotate(pod=ours, name="db", by=alice))
    with pytest.raises(redis.AuthenticationError):
        client_of(service, mine).ping()
    ours.refresh_from_db()
    now = passwords.reveal(pod=ours, name="db", by=alice)
    assert client_of(service, now).get(f"{now.prefix}:kept") == b"7351"
    taken_out(service, ours, alice, now)

    actions.delete_pod(pod=theirs, confirmation=theirs.name, by=charlie)
    teardown.tear_down(theirs.pk)
    with pytest.raises(redis.AuthenticationError):
        client_of(service, other).ping()
    assert all(row.released_at for row in Allotment.objects.all())


def taken_out(service: Service, pod: Pod, alice: Any, now: Access) -> None:
    pods.delete_resource(pod=pod, name="db", by=alice)
    deploy(pod, alice)
    with pytest.raises(redis.AuthenticationError):
        client_of(service, now).ping()
