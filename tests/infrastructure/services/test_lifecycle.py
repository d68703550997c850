"""Managed servers on the process engine: started, stopped, restarted, updated, killed, kept."""

from __future__ import annotations

import contextlib
import os
import signal

import psycopg
import pytest

from apps.core.errors import Conflict, Invalid, UserError
from apps.engines.process.client import ProcessEngine
from apps.infrastructure import actions, asking, lifecycle, listing, workloads
from apps.infrastructure.models import Service, ServiceEvent
from tests.infrastructure.services.conftest import healthy, until
from tests.servers.clients import working_on


def connect(service: Service) -> psycopg.Connection:
    place = workloads.place(service)
    return psycopg.connect(
        host=place.host, port=place.port, user=place.user, password=place.password, dbname="postgres", autocommit=True
    )


def test_a_postgresql_of_its_own_through_its_life(platform_engine: ProcessEngine, operator) -> None:
    service = actions.add_managed(name="main", type="postgresql", memory=256, by=operator)
    healthy(service)
    standing = lifecycle.status(service)
    assert standing.state == "running"
    assert standing.version.startswith(f"PostgreSQL {service.version}")
    with connect(service) as made:
        made.execute("CREATE TABLE kept AS SELECT 7351 AS n")
    used = lifecycle.use(service)
    assert used
    assert used.memory > 5
    assert used.disk > 10

    lifecycle.stop(service, operator)
    assert lifecycle.status(service).state == "stopped"
    workloads.tend()
    assert lifecycle.status(service).state == "stopped"
    lifecycle.stop(service, operator)  # no error
    lifecycle.start(service, operator)
    healthy(service)

    before = service.run
    lifecycle.restart(service, operator)
    service.refresh_from_db()
    assert service.run != before
    healthy(service)
    lifecycle.update(service, operator)
    healthy(service)

    # What the engine lost is started again by the next look.
    platform_engine.stop({"id": service.run}, 1)
    assert workloads.tend()
    healthy(service)
    with connect(service) as made:
        assert made.execute("SELECT n FROM kept").fetchone() == (7351,)

    said = list(ServiceEvent.objects.filter(service="main").values_list("kind", "actor"))
    assert [kind for kind, _ in said] == ["update", "restart", "start", "stop", "stop", "added"]
    assert {actor for _, actor in said} == {operator.pk}

    with pytest.raises(Invalid):
        actions.remove(service, confirm="man", by=operator)
    actions.remove(service, confirm="main", by=operator)
    again = actions.add_managed(name="main", type="postgresql", memory=256, by=operator)
    healthy(again)
    with connect(again) as made:
        assert made.execute("SELECT n FROM kept").fetchone() == (7351,)
    actions.remove(again, confirm="main", by=operator)
    with pytest.raises(Invalid, match="another kind of server"):
        actions.add_managed(name="main", type="valkey", by=operator)


@pytest.mark.parametrize(("kind", "says"), [("mysql", "MariaDB"), ("redis", ("Valkey", "Redis"))])
def test_others_run_as_well(platform_engine: ProcessEngine, operator, kind: str, says) -> None:
    service = actions.add_managed(
        name=f"a-{kind}", type=kind, user="root", password="a-Password.of=12", memory=256, by=operator
    )
    healthy(service)
    assert lifecycle.status(service).version.startswith(says)
    place = workloads.place(service)
    assert (place.user, place.password) == ("root", "a-Password.of=12")
    actions.change(service, password="another-Password", by=operator)
    healthy(service)
    with pytest.raises(UserError) as error:
        asking.version(place)
    assert error.value.code == "service_refused"
    assert "a-Password" not in str(error.value)
    actions.remove(service, confirm=service.name, by=operator)


def test_a_server_that_is_killed_comes_back(platform_engine: ProcessEngine, operator) -> None:
    service = actions.add_managed(name="victim", type="valkey", by=operator)
    healthy(service)
    victims = working_on(service.data)
    assert victims
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: platform_engine.status(service.handle).restarts == 1, "the engine to start it again")
    healthy(service)
    actions.remove(service, confirm="victim", by=operator)


def test_what_is_external_is_only_connected_to(platform_engine: ProcessEngine, operator) -> None:
    inner = actions.add_managed(name="inner", type="valkey", password="secret-of-ours", by=operator)
    healthy(inner)
    place = workloads.place(inner)
    with pytest.raises(Invalid, match="this platform's own pods"):
        actions.add_external(name="door", type="redis", host=place.host, port=place.port, by=operator)
    service = Service(name="far", type="redis", managed=False, host=place.host, port=place.port)
    service.save()
    assert lifecycle.status(service).state == "external"
    assert lifecycle.status(service).health == "unhealthy"
    for verb in lifecycle.VERBS.values():
        with pytest.raises(Conflict) as error:
            verb(service, operator)
        assert error.value.code == "service_external"
    actions.remove(inner, confirm="inner", by=operator)


def test_one_that_does_not_exist_and_the_platform_s_own(db: None, operator) -> None:
    with pytest.raises(UserError, match=r"^unknown infrastructure service: nope") as error:
        listing.named("nope")
    assert error.value.status == 404
    own = {service.name: service for service in listing.every()}
    assert list(own) == ["nginx", "valkey", "openbao", "certbot"]
    for name in own:
        with pytest.raises(Conflict):
            lifecycle.stop(own[name], operator)
        with pytest.raises(Conflict):
            lifecycle.update(own[name], operator)
    assert lifecycle.status(own["certbot"]).version
    with pytest.raises(Invalid, match="platform's own"):
        actions.add_managed(name="nginx", type="redis", by=operator)
