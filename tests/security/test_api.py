"""Bodies and questions of the API of pods, through its own addresses: corpora/api.yaml."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from apps.accounts.models import Team, User
from apps.core.errors import Detail, Invalid
from apps.pods.models import Pod, Resource, Revision
from tests.api.conftest import APP, DATA, FRONT, SETTINGS, Answer, Program, ask, pod, program, resource
from tests.security.corpus import Group, groups, hold, placed

__all__ = ["ask", "pod", "program"]  # fixtures
pytestmark = pytest.mark.django_db
GOOD = {
    "App": resource("App", "web", APP | {"env": [{"name": "A", "value": "b"}]}),
    "Route": FRONT,
    "Disk": DATA,
    "Config": SETTINGS,
}


def refused(answer: Answer) -> None:
    """What the API says, as the error that it is."""
    assert answer.status < 500, answer.said
    if answer.status < 400:
        return
    error = answer.said["error"]
    details = [Detail(one["path"], one["message"]) for one in error.get("details", [])]
    raise Invalid(details or error["message"], code=error["code"])


@pytest.fixture(autouse=True)
def unlimited(settings: Any) -> None:
    """So many requests in a minute are refused whatever they ask."""
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, api_rate=0)


@pytest.mark.parametrize("group", groups("api"), ids=str)
def test_refused(group: Group, ask: Program, pod: Pod, team: Team, alice: User) -> None:
    before = Revision.objects.count(), Resource.objects.count(), Pod.objects.count()
    batch = "/pods/shop/resources?dryRun=true"
    entries: dict[str, Callable[[Any], Answer]] = {
        "resource": lambda value: ask.post(
            batch, [placed(GOOD[group.more["kind"]], group.at.removeprefix("0."), value)]
        ),
        "batch": lambda value: ask.post(batch, value),
        "pod": lambda value: ask.post("/pods", placed({}, group.at, value)),
        "list": lambda value: ask.get(f"/pods?limit={quote(value)}"),
        "path": ask.get,
    }
    hold(group, lambda value: refused(entries[group.entry](value)))
    assert (Revision.objects.count(), Resource.objects.count(), Pod.objects.count()) == before


def test_what_the_cases_are_made_of_is_taken(ask: Program, pod: Pod) -> None:
    assert ask.post("/pods/shop/resources?dryRun=true", list(GOOD.values())).said == {"valid": True}
    assert json.dumps(GOOD)
