"""Apps, where their code is, and what lets the platform in there: corpora/apps.yaml."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.connections import checks
from apps.connections.models import Provider
from apps.sources.urls import check_ref, check_url
from tests.security.corpus import Group, groups, hold
from tests.security.entries import parse

TOKEN = "token-token-token"
ENTRIES: dict[str, Callable[[Any], object]] = {
    "ref": check_ref,
    "host": lambda host: checks.check_host(host, "https"),
    "scope": checks.check_scope,
    "token": checks.check_token,
    "username": lambda name: checks.check_username(name, Provider.OTHER, TOKEN),
}


@pytest.mark.parametrize("group", groups("apps"), ids=str)
def test_refused(group: Group) -> None:
    if group.entry == "url":
        hold(group, lambda host: check_url(group.more["template"].format(host)))
    elif group.entry == "App":
        hold(group, lambda value: parse(group, value))
    else:
        hold(group, ENTRIES[group.entry])
