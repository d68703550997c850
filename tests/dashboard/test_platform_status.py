"""How the platform itself is: the page for operators, what readiness says, and what monitoring reads of it."""

from __future__ import annotations

import dataclasses
import datetime
import shutil
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps import secretstore
from apps.accounts.models import Team, User
from apps.builds.models import Builder
from apps.certificates.models import Certificate
from apps.core import holders
from apps.core.errors import Unavailable
from apps.core.ids import new_id
from apps.dashboard import platform_gauges, platform_parts, platform_state
from apps.deployments.models import Deployment, Duty, StageRun
from apps.metrics.exposition import text
from apps.pods.models import Pod

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(alice: User, client_of: Callable[..., Client]) -> Client:
    alice.is_staff = True
    alice.save()
    return client_of(alice)


@pytest.fixture
def broker(valkey: str, settings: Any) -> Iterator[redis.Redis]:
    """A real one, empty."""
    settings.VALKEY_URL = valkey
    with redis.Redis.from_url(valkey) as client:
        client.flushdb()
        yield client
        client.flushdb()


def gauges() -> dict[str, str]:
    lines = text(platform_gauges.families()).splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_migrations_that_are_missing_are_counted(client: Client) -> None:
    MigrationRecorder.Migration.objects.filter(app="notify", name="0001_initial").delete()
    answer = client.get(reverse("readyz"))
    assert (answer.status_code, answer.json()["migrations"]) == (503, "1 is not applied")
    assert answer.json()["database"] == "ok"


def test_a_sealed_store_is_called_sealed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def check() -> str:
        raise Unavailable("secretstore_unavailable", "The secret store cannot be used now: it is sealed.", "")

    monkeypatch.setattr(secretstore, "secrets", lambda: SimpleNamespace(check=check))
    assert client.get(reverse("readyz")).json()["secrets"] == "sealed"


def test_queues_are_counted_over_all_priorities(broker: redis.Redis) -> None:
    Builder.objects.create(name="far", region="oslo", seen_at=timezone.now(), holder=holders.me())
    for queue, count in (("celery", 2), ("celery\x06\x163", 3), ("builder.far", 1)):
        broker.lpush(queue, *range(count))
    broker.hset("unacked", "1", "x")
    assert platform_state.queues() == {"celery": 5, "builder.far": 1, "unacked": 1}
    assert gauges()['brainpod_queue_messages{queue="celery"}'] == "5"


def test_without_a_broker_there_are_no_queues(settings: Any, operator: Client) -> None:
    settings.VALKEY_URL = "unix:///nonexistent/valkey.sock?db=0"
    assert platform_state.queues() is None
    page = operator.get(reverse("platform-status"))
    assert page.status_code == 200
    assert "Valkey does not answer" in page.content.decode()


def test_leases_that_ran_out_are_told_from_those_held() -> None:
    now, minute = timezone.now(), datetime.timedelta(minutes=1)
    Duty.objects.create(name="held", leased_until=now + minute)
    Duty.objects.create(name="left", leased_until=now - minute)
    found = {one.kind: (one.held, one.run_out) for one in platform_state.leases()}
    assert found["deployments.duty"] == (1, 1)
    assert {"deployments.deployment", "notify.delivery", "certificates.certificate"} <= found.keys()
    assert gauges()['brainpod_leases{kind="deployments.duty",state="run_out"}'] == "1"


def test_outcomes_and_durations_are_those_of_the_ledger(team: Team) -> None:
    pod = Pod.objects.create(team=team, name=f"p{new_id()}")
    now = timezone.now()
    for number, (state, took) in enumerate([("ready", 10), ("ready", 30), ("failed", 5)], 1):
        revision = pod.revisions.create(version=number, sealed_at=now, summary="x")
        began = now - datetime.timedelta(seconds=took)
        made = Deployment.objects.create(
            pod=pod, revision=revision, trigger="manual", state=state, started_at=began, finished_at=now
        )
        StageRun.objects.create(
            deployment=made, stage="build", app="web", state="passed", started_at=began, finished_at=now
        )
    told = gauges()
    assert told['brainpod_deployments_ended{outcome="ready"}'] == "2"
    assert told['brainpod_deployments_ended{outcome="cancelled"}'] == "0"
    assert told['brainpod_deployment_seconds{outcome="ready",quantile="0.95"}'] == "30"
    assert told['brainpod_stage_seconds{stage="build",quantile="0.5"}'] == "10"


def test_certificates_and_room(settings: Any) -> None:
    soon = timezone.now() + datetime.timedelta(days=5, hours=1)
    Certificate.objects.create(host="a.example.com", not_before=timezone.now(), not_after=soon)
    Certificate.objects.create(host="b.example.com")
    told = gauges()
    assert told['brainpod_certificate_days{host="a.example.com"}'] == "5"
    assert 'brainpod_certificate_days{host="b.example.com"}' not in told
    assert told["brainpod_state_size_bytes"] == str(shutil.disk_usage(settings.BRAINPOD.state).total)
    assert told['brainpod_up{part="database"}'] == "1"


def test_the_page_says_it_all(operator: Client, broker: redis.Redis, settings: Any) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, spare_mb=10**9)
    Builder.objects.create(name=f"b{new_id()[-6:].lower()}", region="oslo")
    Certificate.objects.create(host="a.example.com")
    page = operator.get(reverse("platform-status")).content.decode()
    for words in ("Parts", "Queues", "Leases", "Builders", "oslo", "a.example.com", "nearly full", "all applied"):
        assert words in page
    fragment = operator.get(reverse("platform-status"), headers={"HX-Request": "true"}).content.decode()
    assert fragment.lstrip().startswith('<div id="status"')
    assert reverse("platform-status") in operator.get(reverse("services")).content.decode()


def test_members_do_not_see_it(alice: User, client_of: Callable[..., Client]) -> None:
    assert client_of(alice).get(reverse("platform-status")).status_code in (403, 404)


def test_parts_say_their_versions(broker: redis.Redis) -> None:
    found = {part.name: part for part in platform_parts.parts()}
    assert found["valkey"].detail.split(".")[0].isdecimal()
    assert found["database"].detail.startswith(("SQLite 3", "PostgreSQL"))
