"""External database servers that infrastructure.yml declares without a user and a password."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts import tokens
from apps.core.errors import UserError
from apps.engines.process.client import ProcessEngine
from apps.infrastructure import actions, asking, credentials, declaring, lifecycle, practices
from apps.infrastructure.declaration import read
from apps.infrastructure.models import Service
from tests.infrastructure.services.test_declaration import EXTERNAL
from tests.stack.databases import ADMIN, ADMINS, running

KINDS = [("postgresql", "PostgresDB"), ("mysql", "MariaDB")]


def declared(text: str) -> Service:
    assert declaring.apply(read(text, {})) == []
    return Service.objects.get(name="database")


def looked_at(browser: Client, service: Service, operator: Any) -> str:
    """Every page that shows or opens it answers; the text of its own."""
    for path in ("services/", "practices/"):
        assert service.name in browser.get(f"/operators/{path}").content.decode()
    inside = browser.get(f"/operators/services/{service.name}/database/")
    assert inside.status_code == 409
    assert "no credentials" in inside.content.decode()
    page = browser.get(f"/operators/services/{service.name}/")
    assert page.status_code == 200
    assert "What is in it" not in page.content.decode()

    _, token = tokens.make(user=operator, name="agent", team=None)
    agent = Client(headers={"Authorization": f"Bearer {token}"})
    (said,) = [one for one in agent.get("/api/infrastructure").json()["services"] if one["name"] == service.name]
    assert (said["status"], said["external"]) == ("external", True)
    asked = json.dumps({"type": service.type, "host": service.name})
    answer = agent.post("/api/databases/list", asked, content_type="application/json")
    assert answer.status_code == 409
    assert "no credentials" in answer.json()["error"]
    return page.content.decode()


@pytest.mark.parametrize(("kind", "server"), KINDS)
def test_one_that_answers(
    platform_engine: ProcessEngine, operator: Any, client_of: Callable[..., Client], kind: str, server: str
) -> None:
    def ready(port: int) -> None:
        asking.version(asking.Place(kind, "127.0.0.1", port, ADMINS[server], ADMIN))

    with running(server, ready=ready) as far:
        text = EXTERNAL.replace("mysql", kind).replace("db.example.com", far.host).replace("3306", str(far.port))
        service = declared(text)
        assert lifecycle.status(service).state == "external"
        assert lifecycle.status(service).health == "no credentials"
        assert "Brainpod has no credentials for this server" in looked_at(client_of(operator), service, operator)
        with pytest.raises(UserError) as refused:
            actions.add_external(name="other", type=kind, host=far.host, port=far.port, by=operator)
        assert refused.value.code == "service_without_credentials"

        service = declared(f"{text}    root_user: {far.admin}\n    root_password: {ADMIN}\n")
        assert lifecycle.status(service).health == "healthy"
        service = declared(text)
        assert credentials.read(service).admin_password == "", "taken out of the file"
        assert lifecycle.status(service).health == "no credentials"


def test_one_that_does_not(platform_engine: ProcessEngine, operator: Any, client_of: Callable[..., Client]) -> None:
    service = declared(EXTERNAL)
    assert (service.host, service.port, service.managed) == ("db.example.com", 3306, False)
    standing = lifecycle.status(service)
    assert (standing.state, standing.health) == ("external", "unhealthy")
    assert "No server answers at port 3306" in looked_at(client_of(operator), service, operator)
    (passwords,) = [one for one in practices.every() if one.title == "Strong passwords"]
    assert [finding.holds for finding in passwords.findings] == [None]
