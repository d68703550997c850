"""Route: rules lead to an app by reference, at the one port that apps listen on."""

from __future__ import annotations

from apps.api.ids import name_in, urn
from apps.api.kinds.base import Given, Json, Place, Shape, fields
from apps.core.errors import Detail, Invalid
from apps.deployments.launch import PORT


def shown(spec: Json, place: Place) -> Json:
    """A rule is called what its app is: names of rules are not kept."""
    rules = [
        {"name": rule["app"], "path": rule["path"], "port": PORT, "backendRef": urn("App", rule["app"]),
         "strip": rule["strip"]}
        for rule in spec["rules"]
    ]  # fmt: skip
    made = {name: value for name, value in spec.items() if name != "password"}
    return made | {"rules": rules, "passwordSet": bool(spec["password"])}


def given(spec: Json, place: Place) -> Given:
    current = place.current or {}
    host = spec.pop("hostname", None)
    if host and host != current.get("hostname", ""):
        raise Invalid([Detail("hostname", "is assigned by the platform: leave it out, or add one to domains.")])
    if spec.pop("passwordSet", None) not in (None, bool(current.get("password"))):
        raise Invalid([Detail("passwordSet", "only says whether there is one: give password, or null to remove it.")])
    secrets: dict[str, str | None] = {}
    if "password" in spec:
        password = spec.pop("password")
        if not (password is None or isinstance(password, str)):
            raise Invalid([Detail("password", "must be text, or null to remove it.")])
        secrets = {"password": password} if password is not None or current.get("password") else {}
    if isinstance(spec.get("rules"), list):
        spec["rules"] = [_rule(rule, f"rules.{number}") for number, rule in enumerate(spec["rules"])]
    return Given(spec, secrets)


def _rule(given: object, path: str) -> Json:
    rule = fields(given, path, "name", "path", "port", "backendRef", "strip")
    if rule.get("port", PORT) != PORT:
        raise Invalid([Detail(f"{path}.port", f"must be {PORT}, or left out: apps listen on $PORT.")])
    if "backendRef" not in rule:
        raise Invalid([Detail(f"{path}.backendRef", "is required: the URN of an app.")])
    made = {name: rule[name] for name in ("path", "strip") if name in rule}
    return made | {"app": name_in(rule["backendRef"], "App", f"{path}.backendRef")}


_RULE: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["backendRef"],
    "properties": {
        "name": {"type": "string", "description": "Not kept: a rule is called what its app is."},
        "path": {"type": "string", "default": "/"},
        "port": {"type": "integer", "minimum": PORT, "maximum": PORT},
        "backendRef": {"type": "string", "description": "The URN of an App, or its name."},
        "strip": {"type": "boolean", "default": False},
    },
}

ROUTE = Shape(
    kind="Route",
    shown=shown,
    given=given,
    paths={r"rules\.(\d+)\.app": r"rules.\1.backendRef"},
    properties={
        "rules": {"type": "array", "items": _RULE, "minItems": 1},
        "hostname": {"type": "string", "description": "Assigned by the platform: left out on input."},
        "password": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "Only on input; never shown."},
        "passwordSet": {"type": "boolean", "description": "Whether there is one."},
    },
    required=("rules",),
)
