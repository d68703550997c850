"""Going live tells Cloudflare, in the deployment's log, and never fails because of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps import secretstore
from apps.accounts.models import User
from apps.cdn import actions
from apps.core.leases import acquire
from apps.core.masking import Mask
from apps.deployments import purge
from apps.deployments.models import Deployment
from apps.deployments.recorder import Recorder
from apps.logs import reader
from apps.logs.writer import LogWriter
from apps.pods.models import Revision
from apps.secretstore.vault import Vault
from tests.cdn.stand_in import Cloudflare

pytestmark = pytest.mark.django_db
ZONE, TOKEN = "0123456789abcdef" * 2, "a-token-that-may-purge-it"


@pytest.fixture
def cloudflare(settings: Any, openbao: Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloudflare]:
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    stand_in = Cloudflare(ZONE, TOKEN, name="")
    with stand_in.serving() as url:
        settings.BRAINPOD = replace(settings.BRAINPOD, cloudflare_url=url)
        yield stand_in


def told(live: Revision) -> list[tuple[str, str]]:
    """Level and text of what stands in the log of a deployment that has just gone live."""
    deployment = Deployment.objects.create(pod=live.pod, revision=live, trigger="manual", state="pending")
    lease = acquire(deployment)
    assert lease
    with LogWriter.open(deployment.stream, mask=Mask([TOKEN])) as log:
        purge.after_going_live(Recorder(deployment=deployment, lease=lease, log=log))
    return [(line.level, line.text) for line in reader.read(deployment.stream)]


def test_it_is_told_and_said(cloudflare: Cloudflare, live: Revision, alice: User, valkey: object) -> None:
    live.pod.hosts.create(host="shop.example.com", route="site")
    actions.connect(pod=live.pod, zone=ZONE, token=TOKEN, by=alice)
    assert told(live) == [("info", "Cloudflare forgets what it kept of shop.example.com.")]
    assert cloudflare.purged == [["shop.example.com"]]


def test_a_refusal_is_a_warning(cloudflare: Cloudflare, live: Revision, alice: User, valkey: object) -> None:
    live.pod.hosts.create(host="shop.example.com", route="site")
    actions.connect(pod=live.pod, zone=ZONE, token="no-token-of-this-zone-at-all", by=alice)
    ((level, text),) = told(live)
    assert level == "warn"
    assert "Invalid API Token" in text


def test_without_a_zone_nothing_is_said(cloudflare: Cloudflare, live: Revision, valkey: object) -> None:
    assert told(live) == []
    assert cloudflare.asked == 0
