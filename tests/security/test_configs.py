"""Configs, variables, secrets and files: corpora/configs.yaml."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.pods import kinds
from apps.pods.resources import check_secrets
from tests.security.corpus import Group, groups, hold
from tests.security.entries import parse

ENTRIES: dict[str, Callable[[Any], object]] = {
    "secret_name": lambda name: check_secrets("Config", {name: "a value"}),
    "secret": lambda value: check_secrets("Config", {"KEY": value}),
    "password": lambda value: check_secrets("Route", {"password": value}),
    "file_name": lambda name: kinds.get("Config").parse({"files": {name: "text"}}),
}


@pytest.mark.parametrize("group", groups("configs"), ids=str)
def test_refused(group: Group) -> None:
    hold(group, ENTRIES.get(group.entry) or (lambda value: parse(group, value)))
