"""Routes, domains and host names: corpora/routes.yaml."""

from __future__ import annotations

import pytest

from apps.dns.names import check_free, normalise
from tests.security.corpus import Group, groups, hold
from tests.security.entries import parse

OWN = ("apps.example.net", "panel.example.net")


@pytest.mark.parametrize("group", groups("routes"), ids=str)
def test_refused(group: Group) -> None:
    if group.entry == "platform":
        hold(group, lambda domain: check_free(normalise(domain), OWN))
    else:
        hold(group, lambda value: parse(group, value))
