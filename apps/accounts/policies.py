"""What a token may do: allow and deny statements over actions and pods. Pure; the format is the public API's.

A policy is `{"version": "1", "statements": [{"sid", "effect", "actions", "resources"}]}`. A resource is
`urn:brain:pod:<name>`, in which `*` stands for any letters. Without a policy a token may what its person may; with one,
only what a statement allows and none denies. A policy only ever takes away: the person's role counts besides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase  # of what a resource may consist of, only the star means something to it
from typing import Any

from apps.core.errors import Detail, Invalid, UserError

Policy = Mapping[str, Any]

ACTIONS = (
    "pods:read", "pods:create", "pods:delete", "resources:read", "resources:write", "revisions:read",
    "revisions:deploy", "events:read", "registry:pull", "registry:push", "builds:create", "deployments:read",
    "logs:read", "metrics:read", "domains:read", "domains:write", "backups:read", "backups:create", "backups:restore",
)  # fmt: skip
READING = (
    "pods:read", "resources:read", "revisions:read", "events:read", "registry:pull", "deployments:read", "logs:read",
    "metrics:read", "domains:read", "backups:read",
)  # fmt: skip
EVERY_POD = "urn:brain:pod:*"
MOST_STATEMENTS = 50
MOST_RESOURCES = 100  # of a statement
LONGEST = 20_000  # characters of a policy's text
_FIELDS = ("sid", "effect", "actions", "resources")
_RESOURCE = re.compile(r"urn:brain:pod:([a-z0-9*-]{1,63})")


def _one(sid: str, actions: tuple[str, ...]) -> dict[str, Any]:
    statement = {"sid": sid, "effect": "allow", "actions": list(actions), "resources": [EVERY_POD]}
    return {"version": "1", "statements": [statement]}


READ_ONLY = _one("read", READING)
DEPLOY_ONLY = _one("deploy", ("pods:read", "revisions:read", "revisions:deploy", "deployments:read"))


def pod_urn(name: str) -> str:
    return f"urn:brain:pod:{name}"


def allows(policy: Policy | None, action: str, resource: str) -> bool:
    """Whether `policy` lets `action` be done to `resource`: EVERY_POD is allowed by what names every pod alone."""
    if policy is None:
        return True
    effects = {one["effect"] for one in policy["statements"] if _covers(one, action, resource)}
    return effects == {"allow"}


def require(policy: Policy | None, action: str, resource: str) -> None:
    """Raises UserError("policy_denied") with 403 for what `policy` does not allow."""
    if not allows(policy, action, resource):
        raise refusal(action, resource)


def refusal(action: str, resource: str) -> UserError:
    return UserError(
        "policy_denied",
        f"The policy of this token does not allow {action} on {resource}.",
        "Use a token whose policy does.",
        status=403,
    )


def conceivable(policy: Policy | None, action: str) -> bool:
    """Whether there may be a pod that `action` is allowed on."""
    if policy is None:
        return True
    return any(one["effect"] == "allow" and action in one["actions"] for one in policy["statements"])


def permissions(policy: Policy | None) -> list[dict[str, Any]]:
    """By action: the resources it is allowed on, and those that are taken out again."""
    found = []
    for action in ACTIONS:
        allowed = [EVERY_POD] if policy is None else sorted(_resources(policy, "allow", action))
        denied = [] if policy is None else sorted(_resources(policy, "deny", action))
        if allowed:
            found.append({"action": action, "resources": allowed, "excludedResources": denied})
    return found


def read(text: str) -> dict[str, Any] | None:
    """The policy that `text`, JSON, describes; None for empty text. Raises Invalid naming statement and field."""
    if not text.strip():
        return None
    if len(text) > LONGEST:
        raise Invalid([Detail("policy", f"must be at most {LONGEST} characters.")])
    try:
        return check(json.loads(text))
    except json.JSONDecodeError as error:
        raise Invalid([Detail("policy", f"is no JSON: line {error.lineno}, {error.msg.lower()}.")]) from None
    except RecursionError:
        raise Invalid([Detail("policy", "is nested too deeply.")]) from None


def check(given: Any) -> dict[str, Any]:
    """`given` in its normal form: wildcards of actions written out. Raises Invalid with everything that is wrong."""
    wrong: list[Detail] = []
    if not isinstance(given, dict):
        raise Invalid([Detail("policy", "must be an object with version and statements.")])
    wrong += [
        Detail(f"policy.{name}", "is not a field of a policy.") for name in given.keys() - {"version", "statements"}
    ]
    if given.get("version") != "1":
        wrong.append(Detail("policy.version", 'must be "1".'))
    statements = given.get("statements")
    if not isinstance(statements, list) or not 1 <= len(statements) <= MOST_STATEMENTS:
        wrong.append(Detail("policy.statements", f"must be a list of 1 to {MOST_STATEMENTS} statements."))
        raise Invalid(wrong)
    made = [_statement(one, f"policy.statements.{number}", wrong) for number, one in enumerate(statements)]
    if wrong:
        raise Invalid(wrong)
    return {"version": "1", "statements": made}


def _statement(given: Any, path: str, wrong: list[Detail]) -> dict[str, Any]:
    if not isinstance(given, dict):
        wrong.append(Detail(path, f"must be an object with {', '.join(_FIELDS)}."))
        return {}
    for name in sorted(given.keys() - set(_FIELDS)):
        why = "are not known here: leave them out." if name == "conditions" else "is not a field of a statement."
        wrong.append(Detail(f"{path}.{name}", why))
    sid = given.get("sid")
    if not isinstance(sid, str) or not 1 <= len(sid) <= 80 or not sid.isprintable():
        wrong.append(Detail(f"{path}.sid", "must be 1 to 80 characters: what the statement is called."))
    if given.get("effect") not in ("allow", "deny"):
        wrong.append(Detail(f"{path}.effect", "must be allow or deny."))
    actions = [found for item in _list(given, "actions", path, wrong) for found in _actions(*item, wrong)]
    resources = [text for where, text in _list(given, "resources", path, wrong) if _is_resource(where, text, wrong)]
    return {
        "sid": sid,
        "effect": given.get("effect"),
        "actions": list(dict.fromkeys(actions)),
        "resources": list(dict.fromkeys(resources)),
    }


def _list(given: dict[str, Any], field: str, path: str, wrong: list[Detail]) -> list[tuple[str, str]]:
    """The entries of a list of texts, each with where it stands."""
    value = given.get(field)
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_RESOURCES:
        wrong.append(Detail(f"{path}.{field}", f"must be a list of 1 to {MOST_RESOURCES}."))
        return []
    texts = [(f"{path}.{field}.{number}", one) for number, one in enumerate(value)]
    wrong += [Detail(where, "must be text.") for where, one in texts if not isinstance(one, str)]
    return [(where, one) for where, one in texts if isinstance(one, str)]


def _actions(where: str, text: str, wrong: list[Detail]) -> Iterator[str]:
    """`*` and `pods:*` are written out."""
    found = [action for action in ACTIONS if text in (action, "*", "*:*", f"{action.partition(':')[0]}:*")]
    if not found:
        wrong.append(Detail(where, f"must be one of {', '.join(ACTIONS)}, or end with :*."))
    yield from found


def _is_resource(where: str, text: str, wrong: list[Detail]) -> bool:
    if _RESOURCE.fullmatch(text):
        return True
    wrong.append(Detail(where, f"must be {EVERY_POD} or urn:brain:pod:<name>; * stands for any letters."))
    return False


def _covers(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    return action in statement["actions"] and any(fnmatchcase(resource, one) for one in statement["resources"])


def _resources(policy: Policy, effect: str, action: str) -> set[str]:
    return {
        resource
        for one in policy["statements"]
        if one["effect"] == effect and action in one["actions"]
        for resource in one["resources"]
    }
