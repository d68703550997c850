"""Databases go from processes to Docker and back with their pod: what was committed here is there afterwards."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets as random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from apps import edge, secretstore
from apps.accounts.models import Team, User
from apps.deployments import actions, passwords, pipeline, reconcile
from apps.deployments.disk_paths import disk_path
from apps.deployments.models import Deployment, Trigger, Workload
from apps.engines.base import Engine
from apps.engines.process import identity
from apps.logs import reader
from apps.pods import actions as pods
from apps.pods import databases
from apps.pods.models import Pod, Revision
from apps.secretstore.base import SecretStore
from apps.servers.catalogue import SERVERS
from tests.deployments.conftest import front_door  # noqa: F401 - a fixture
from tests.deployments.test_moving import both, plain_or_not  # noqa: F401 - fixtures
from tests.edge.conftest import Stand
from tests.engines.workloads import until
from tests.servers.clients import CONNECT, Client, address, rows_of
from tests.stack.server_images import Images, ServerImage

pytestmark = pytest.mark.django_db(transaction=True)


@dataclasses.dataclass
class Shop:
    """A pod with one database of each kind, called `pg`, `maria` and `keys`, and nothing else."""

    pod: Pod
    by: User
    kinds: Mapping[str, str]

    def move(self, engine: str) -> Deployment:
        pods.choose_engine(pod=self.pod, engine=engine, by=self.by)
        return self.deploy()

    def deploy(self) -> Deployment:
        self.pod.refresh_from_db()
        return self.go(pods.seal(pod=self.pod, summary="", by=self.by), Trigger.MANUAL)

    def go(self, revision: Revision, trigger: Trigger) -> Deployment:
        deployment = actions.start(pod=self.pod, revision=revision, trigger=trigger, by=self.by)
        pipeline.run(deployment.pk)
        deployment.refresh_from_db()
        self.pod.refresh_from_db()
        return deployment

    def serving(self, name: str) -> Workload:
        return self.pod.workloads.get(app=name, serving=True)

    def engines(self) -> set[str]:
        return {self.serving(name).engine for name in self.kinds}

    def password(self, name: str) -> str:
        return passwords.reveal(pod=self.pod, name=name, by=self.by).password

    def client(self, name: str) -> Client:
        return CONNECT[self.kinds[name]](*address(self.serving(name).handle), self.password(name))

    def rows(self) -> dict[str, set[int]]:
        """By database, once it answers."""

        def of(name: str) -> set[int]:
            return rows_of(self.kinds[name], self.serving(name).handle, self.password(name))

        return {name: until(lambda name=name: of(name), f"the rows of {name}") for name in self.kinds}  # type: ignore[misc]

    @contextmanager
    def written(self, first: int) -> Iterator[dict[str, set[int]]]:
        """Numbers from `first` on are written all the time, until their server ends; what was committed of them."""
        kept: dict[str, set[int]] = {name: set() for name in self.kinds}

        def write(client: Client, mine: set[int]) -> None:
            with contextlib.suppress(Exception):  # it ends with the server
                while True:
                    client.write(first + len(mine))
                    mine.add(first + len(mine))

        threads = [threading.Thread(target=write, args=(self.client(name), kept[name])) for name in self.kinds]
        for thread in threads:
            thread.start()
        until(lambda: all(len(mine) >= 50 for mine in kept.values()), "rows")
        yield kept
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "the server that was written to goes on"


@pytest.fixture
def shop(
    both: Mapping[str, Engine],  # noqa: F811
    openbao: SecretStore,
    front_door: Stand,  # noqa: F811
    server_image: Images,
    team: Team,
    alice: User,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Shop:
    images: dict[str, ServerImage] = dict(zip(("pg", "maria", "keys"), map(server_image, SERVERS), strict=True))
    named = ",".join(image.setting for image in images.values())
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, base_images=named)
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    monkeypatch.setattr(databases, "secret_store", lambda: openbao)
    monkeypatch.setattr(edge, "edge", lambda: front_door.edge)
    pod = pods.create_pod(team=team, name=f"shop-{random.token_hex(4)}", by=alice)
    for name, image in images.items():
        spec = {"version": image.version, "instance": ".5x", "disk": f"{name}-data"}
        for kind, called, given in (("Disk", f"{name}-data", {"size": 5}), (image.kind, name, spec)):
            pods.save_resource(pod=pod, kind=kind, name=called, spec=given, by=alice, create=True)
    return Shop(pod, alice, {name: image.kind for name, image in images.items()})


def went_well(deployment: Deployment) -> Deployment:
    told = "\n".join(line.text for line in reader.tail(deployment.stream, 2000))
    assert (deployment.state, deployment.error) == ("ready", ""), told
    return deployment


def test_rows_committed_until_the_move_are_there_after_it_each_way(shop: Shop) -> None:
    first = went_well(shop.deploy())
    for name in shop.kinds:
        shop.client(name).prepare()
    there: dict[str, set[int]] = {name: set() for name in shop.kinds}
    ways = [
        ("docker", lambda: shop.move("docker")),
        ("process", lambda: shop.move("process")),
        ("docker", lambda: shop.go(shop.pod.revisions.get(engine="docker"), Trigger.ROLLBACK)),
        ("process", lambda: shop.go(first.revision, Trigger.ROLLBACK)),
    ]
    for number, (engine, go) in enumerate(ways, start=1):
        with shop.written(number * 10**6) as kept:
            went_well(go())
        reconcile.reconcile()
        assert shop.engines() == {engine}
        there = {name: there[name] | kept[name] for name in shop.kinds}
        found = shop.rows()
        assert {name: there[name] - found[name] for name in shop.kinds} == {name: set() for name in shop.kinds}
        assert not any(found[name] - there[name] - {max(found[name])} for name in shop.kinds), "nothing came of itself"
        there = found
        for name in shop.kinds:
            owner = os.lstat(disk_path(shop.pod.pk, f"{name}-data")).st_uid
            assert identity.of_a_pod(owner) == (engine == "process" and os.geteuid() == 0)


def test_what_cannot_start_there_goes_on_where_it_was_with_its_rows(shop: Shop, settings: Any) -> None:
    went_well(shop.deploy())
    for number, name in enumerate(shop.kinds):
        shop.client(name).prepare()
        shop.client(name).write(number)
    there = shop.rows()
    own = settings.BRAINPOD
    # An image whose own user is another server's: it says so, after it has had the disk.
    wrong = own.base_images.replace("mysql=brainpod-test/mariadb:1", "mysql=brainpod-test/valkey:1")
    assert wrong != own.base_images
    settings.BRAINPOD = dataclasses.replace(own, base_images=wrong)
    failed = shop.move("docker")
    assert failed.state == "failed"
    reconcile.reconcile()
    assert shop.engines() == {"process"}
    assert shop.rows() == there
    settings.BRAINPOD = own
    went_well(shop.go(failed.revision, Trigger.MANUAL))
    assert shop.engines() == {"docker"}
    assert shop.rows() == there
