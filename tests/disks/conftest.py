"""A pod with a disk, with nothing running and with an app that really writes to it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from apps import engines
from apps.accounts.models import Team
from apps.core.ids import new_id
from apps.disks.places import Disk, disk_of
from apps.engines.base import Capabilities
from apps.engines.process.client import ProcessEngine
from apps.pods.models import Pod
from tests.deployments.conftest import front_door, served, shop  # noqa: F401 - fixtures
from tests.deployments.standing import Shop, until

WRITING = "(while :; do echo $$ >> /data/log; sleep 0.02; done) & exec python3 -u server.py"


class Here:
    """An engine whose disks are directories of this host, and that is never asked for anything else."""

    disks = "host"
    artifacts = frozenset({"bundle"})
    peers = True

    def check(self) -> Capabilities:
        return Capabilities(sandbox=True, disks=True)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "engine", Here)


@pytest.fixture
def pod(team: Team, here: None) -> Pod:
    """With a live disk of 5 GB that nothing uses."""
    made = Pod.objects.create(team=team, name=f"p{new_id()[-10:]}")
    revision = made.revisions.create(version=1, sealed_at=timezone.now())
    revision.resources.create(kind="Disk", name="data", spec={"size": 5})
    made.live = made.head = revision
    made.save()
    return made


@pytest.fixture
def disk(pod: Pod) -> Disk:
    found = disk_of(pod, "data")
    found.path.mkdir(parents=True)
    return found


@pytest.fixture
def writer(served: ProcessEngine, shop: Shop) -> Shop:  # noqa: F811
    """The pod of `shop` with the app `web`, which appends to /data/log all the time."""
    if not served.check().sandbox:
        pytest.skip("without a sandbox a disk is not at its path")
    shop.save("Disk", "data", size=5)
    shop.deploy(mounts=[{"path": "/data", "disk": "data"}], startCommand=WRITING)
    log = disk_of(shop.pod, "data").path / "log"
    until(lambda: log.exists() and log.stat().st_size > 0, what="for a line on the disk")
    return shop
