"""The public API's own description, and whether an answer is as it says: tests/api/reference.json, as published."""

from __future__ import annotations

import copy
import functools
import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

Json = dict[str, Any]
PUBLISHED = json.loads((Path(__file__).parent / "reference.json").read_text())
PREFIX = "/api"
RELAXED = {
    "version": {"type": "string"},  # of databases: those that there are here
    "value": {"type": "string"},  # of a variable: may be empty here
}


@functools.cache
def relaxed() -> Json:
    """The description without what docs/api.md says is different here."""
    made = copy.deepcopy(PUBLISHED)

    def walk(value: Any) -> None:
        inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        properties = value.get("properties") if isinstance(value, dict) else None
        if isinstance(properties, dict) and "diskRef" in properties:
            properties["version"] = RELAXED["version"]
        if isinstance(properties, dict) and set(properties) == {"name", "value"}:
            properties["value"] = RELAXED["value"]
        for one in inner:
            walk(one)

    walk(made["components"])
    return made


def operation(method: str, path: str) -> Json | None:
    """The published operation that answers there, if there is one."""
    path = path.partition("?")[0].removeprefix(PREFIX)
    for template, methods in relaxed()["paths"].items():
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path) and method.lower() in methods:
            found: Json = methods[method.lower()]
            return found
    return None


def check(schema: Json, value: Any) -> None:
    """Fails naming what does not hold."""
    whole = schema | {"components": relaxed()["components"]}
    wrong = [
        f"{'/'.join(map(str, one.absolute_path))}: {one.message[:300]}"
        for one in Draft202012Validator(whole, format_checker=FormatChecker()).iter_errors(value)
    ]
    assert not wrong, wrong


def check_answer(method: str, path: str, status: int, said: Any) -> None:
    """Every error has the envelope; every other answer of a published operation has its shape."""
    if status >= 400:
        check({"$ref": "#/components/schemas/ErrorResponse"}, said)
        return
    published = operation(method, path)
    if published is None:
        return
    answers = published["responses"]
    assert str(status) in answers, f"{method} {path} answers {status}"
    check(answers[str(status)]["content"]["application/json"]["schema"], said)


def check_request(method: str, path: str, body: Any) -> None:
    published = operation(method, path)
    assert published is not None
    check(published["requestBody"]["content"]["application/json"]["schema"], body)
