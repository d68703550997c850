"""External servers: asked by their drivers, refused without a word of what is secret, never those of the platform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from django.test import Client, override_settings

from apps.core.errors import Invalid, UserError
from apps.engines.process.client import ProcessEngine
from apps.infrastructure import actions, asking, credentials, lifecycle
from apps.infrastructure.asking import Place
from apps.infrastructure.models import Service
from apps.servers.catalogue import SERVERS
from tests.infrastructure.services.looking import look_at_keys, look_at_tables
from tests.stack.databases import ADMIN, ADMINS, running

HERE = [("postgresql", "PostgresDB"), ("mysql", "MariaDB"), ("redis", "Valkey")]


@pytest.mark.parametrize(("kind", "server"), HERE)
def test_one_is_asked_added_changed_and_forgotten(
    platform_engine: ProcessEngine, operator, client_of: Callable[..., Client], kind: str, server: str
) -> None:
    def ready(port: int) -> None:
        asking.version(Place(kind, "127.0.0.1", port, ADMINS[server], ADMIN))

    assert SERVERS[server].installed()
    with running(server, ready=ready) as far:
        given = {"name": "far", "type": kind, "host": far.host, "port": far.port, "user": far.admin, "by": operator}
        with pytest.raises(UserError) as error:
            actions.add_external(**given, password="not-the-password")
        assert error.value.code == "service_refused"
        assert "not-the-password" not in f"{error.value} {error.value.hint}"
        assert not Service.objects.exists()

        service = actions.add_external(**given, password=ADMIN)
        standing = lifecycle.status(service)
        assert (standing.state, standing.health) == ("external", "healthy"), standing
        assert standing.version.split()[0] in (SERVERS[server].title, "Redis")
        assert lifecycle.logs(service) == []
        assert lifecycle.use(service) is None
        (look_at_keys if kind == "redis" else look_at_tables)(client_of(operator), service)
        with pytest.raises(UserError):
            actions.change(service, password="another-wrong-one", by=operator)
        service.refresh_from_db()
        assert credentials.read(service).admin_password == ADMIN
        with pytest.raises(Invalid):
            actions.change(service, shared=True, by=operator)
    assert lifecycle.status(service).health == "unhealthy"
    assert ADMIN not in lifecycle.status(service).detail
    actions.remove(service, confirm="far", by=operator)
    assert not Service.objects.exists()


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "127.9.9.9",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "",
        "a b",
        "u:p@h",
        "/run/x.sock",
        "::ffff:127.3.3.3",
    ],
)
def test_addresses_no_server_has(db: None, operator, host: str) -> None:
    with pytest.raises(Invalid) as error:
        actions.add_external(name="far", type="redis", host=host, port=6379, by=operator)
    assert [detail.path for detail in error.value.details] == ["host"]


def test_the_platform_s_own_are_refused(platform_engine: ProcessEngine, operator, settings, openbao_server) -> None:
    bao = urlsplit(openbao_server.address).port if hasattr(openbao_server, "address") else None
    config = replace(
        settings.BRAINPOD, database_url="postgres://x:y@localhost:5444/z", valkey_url="redis://127.0.0.1:6399"
    )
    with override_settings(BRAINPOD=config):
        for port in filter(None, (5444, 6399, config.port, bao)):
            for host in ("localhost", "127.0.0.1", "::1" if port != bao else "127.0.0.1"):
                with pytest.raises(Invalid, match="part of the platform itself"):
                    actions.add_external(name="own", type="postgresql", host=host, port=port, by=operator)
    assert not Service.objects.exists()
