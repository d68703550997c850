"""Policies of tokens: what is allowed, and what a policy must look like."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts import policies
from apps.accounts.policies import ACTIONS, EVERY_POD, allows, check, conceivable, permissions, pod_urn, read
from apps.core.errors import Invalid

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
RESOURCES = st.one_of(
    st.just(EVERY_POD),
    NAMES.map(pod_urn),
    NAMES.map(lambda name: pod_urn(f"{name}*")),
    NAMES.map(lambda n: pod_urn(f"*{n}*")),
)
STATEMENTS = st.builds(
    lambda effect, actions, resources: {"sid": "s", "effect": effect, "actions": actions, "resources": resources},
    st.sampled_from(["allow", "deny"]),
    st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=4),
    st.lists(RESOURCES, min_size=1, max_size=3),
)
POLICIES = st.lists(STATEMENTS, min_size=1, max_size=5).map(lambda found: check({"version": "1", "statements": found}))


def by_hand(policy: dict[str, Any], action: str, name: str) -> bool:
    """The same told another way: stars stand for any letters, one deny is enough, one allow is needed."""

    def fits(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return fits(pattern[1:], text) or bool(text and fits(pattern, text[1:]))
        return bool(text) and pattern[0] == text[0] and fits(pattern[1:], text[1:])

    found = [
        one["effect"]
        for one in policy["statements"]
        if action in one["actions"] and any(fits(resource, pod_urn(name)) for resource in one["resources"])
    ]
    return "allow" in found and "deny" not in found


@given(POLICIES, st.sampled_from(ACTIONS), NAMES)
def test_deny_wins_and_nothing_is_allowed_by_itself(policy: dict[str, Any], action: str, name: str) -> None:
    assert allows(policy, action, pod_urn(name)) == by_hand(policy, action, name)


@given(POLICIES, STATEMENTS, st.sampled_from(ACTIONS), NAMES)
def test_another_deny_only_takes_away(policy: dict[str, Any], more: dict[str, Any], action: str, name: str) -> None:
    smaller = check({"version": "1", "statements": [*policy["statements"], more | {"effect": "deny"}]})
    assert allows(smaller, action, pod_urn(name)) <= allows(policy, action, pod_urn(name))
    larger = check({"version": "1", "statements": [*policy["statements"], more | {"effect": "allow"}]})
    assert allows(larger, action, pod_urn(name)) >= allows(policy, action, pod_urn(name))


@given(POLICIES, st.sampled_from(ACTIONS), NAMES)
def test_what_is_allowed_somewhere_is_conceivable_and_listed(policy: dict[str, Any], action: str, name: str) -> None:
    if allows(policy, action, pod_urn(name)):
        assert conceivable(policy, action)
        assert action in {one["action"] for one in permissions(policy)}


@given(POLICIES)
def test_a_policy_is_its_own_normal_form(policy: dict[str, Any]) -> None:
    assert check(policy) == policy
    assert read(json.dumps(policy)) == policy


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["version", "statements", "sid", "effect", "actions", "resources"]) | st.text(), inner
            )
        ),
    )
)
def test_nothing_breaks_the_check(given_: Any) -> None:
    with suppress(Invalid):
        check(given_)


def test_without_a_policy_everything_is_allowed() -> None:
    assert allows(None, "pods:delete", EVERY_POD)
    assert permissions(None)[0] == {"action": "pods:read", "resources": [EVERY_POD], "excludedResources": []}
    assert read("  ") is None


def test_wildcards_of_actions_are_written_out() -> None:
    statement = {"sid": "a", "effect": "allow", "actions": ["resources:*", "pods:read"], "resources": [EVERY_POD]}
    made = check({"version": "1", "statements": [statement]})
    assert made["statements"][0]["actions"] == ["resources:read", "resources:write", "pods:read"]
    made = check({"version": "1", "statements": [statement | {"actions": ["*"]}]})
    assert made["statements"][0]["actions"] == list(ACTIONS)


def test_every_pod_is_allowed_by_what_names_every_pod() -> None:
    def one(*resources: str) -> dict[str, Any]:
        statement = {"sid": "a", "effect": "allow", "actions": ["pods:create"], "resources": list(resources)}
        return check({"version": "1", "statements": [statement]})

    assert allows(one(EVERY_POD), "pods:create", EVERY_POD)
    assert not allows(one("urn:brain:pod:a*", "urn:brain:pod:b"), "pods:create", EVERY_POD)


GOOD = {"sid": "a", "effect": "allow", "actions": ["pods:read"], "resources": [EVERY_POD]}


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("{", ["policy"]),
        ("[" * 15_000, ["policy"]),
        ("x" * 30_000, ["policy"]),
        ("[]", ["policy"]),
        ("{}", ["policy.version", "policy.statements"]),
        ('{"version": 1, "statements": []}', ["policy.version", "policy.statements"]),
        (json.dumps({"version": "1", "statements": [GOOD], "more": 1}), ["policy.more"]),
        (json.dumps({"version": "1", "statements": [GOOD, 3]}), ["policy.statements.1"]),
        (json.dumps({"version": "1", "statements": [GOOD | {"effect": "Allow"}]}), ["policy.statements.0.effect"]),
        (json.dumps({"version": "1", "statements": [GOOD | {"sid": ""}]}), ["policy.statements.0.sid"]),
        (json.dumps({"version": "1", "statements": [GOOD | {"conditions": {}}]}), ["policy.statements.0.conditions"]),
        (
            json.dumps({"version": "1", "statements": [GOOD | {"actions": ["pods:red"]}]}),
            ["policy.statements.0.actions.0"],
        ),
        (json.dumps({"version": "1", "statements": [GOOD | {"actions": [1]}]}), ["policy.statements.0.actions.0"]),
        (json.dumps({"version": "1", "statements": [GOOD | {"actions": []}]}), ["policy.statements.0.actions"]),
        (
            json.dumps({"version": "1", "statements": [GOOD | {"resources": ["*"]}]}),
            ["policy.statements.0.resources.0"],
        ),
        (
            json.dumps({"version": "1", "statements": [GOOD | {"resources": [EVERY_POD, "urn:brain:pod:A"]}]}),
            ["policy.statements.0.resources.1"],
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, paths: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        read(text)
    assert [one.path for one in caught.value.details] == paths


def test_the_ready_made_ones_hold() -> None:
    for one in (policies.READ_ONLY, policies.DEPLOY_ONLY):
        assert check(one) == one
