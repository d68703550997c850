"""Policies of tokens: corpora/policies.yaml."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts import policies
from tests.security.corpus import Group, groups, hold, placed

GOOD = {
    "version": "1",
    "statements": [{"sid": "a", "effect": "allow", "actions": ["pods:read", "logs:read"],
                    "resources": [policies.EVERY_POD, "urn:brain:pod:shop"]}],
}  # fmt: skip


def check(group: Group, value: Any) -> None:
    at = group.at.removeprefix("policy.")
    policies.check(placed(GOOD, at, value) if at else value)


def require(group: Group, value: list[str]) -> None:
    statements = [{"sid": "a", **one} for one in group.more["policy"]]
    policy = policies.check({"version": "1", "statements": statements})
    action, pod = value
    policies.require(policy, action, policies.pod_urn(pod))


ENTRIES = {"policy": check, "text": lambda group, value: policies.read(value), "denied": require}


@pytest.mark.parametrize("group", groups("policies"), ids=str)
def test_refused(group: Group) -> None:
    hold(group, lambda value: ENTRIES[group.entry](group, value))
