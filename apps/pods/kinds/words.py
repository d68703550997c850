"""pydantic's errors in words that name the remedy; what was entered is never repeated."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from apps.core.errors import Detail, Invalid

_WORDS = {
    "missing": "is required.",
    "extra_forbidden": "is not a field of this resource: remove it.",
    "int_type": "must be a whole number.",
    "int_parsing": "must be a whole number.",
    "int_parsing_size": "must be a smaller number.",
    "finite_number": "must be a whole number.",
    "int_from_float": "must be a whole number.",
    "bool_type": "must be true or false.",
    "bool_parsing": "must be true or false.",
    "string_type": "must be text.",
    "string_unicode": "must be valid Unicode text.",
    "list_type": "must be a list.",
    "tuple_type": "must be a list.",
    "dict_type": "must be an object of names and values.",
    "model_type": "must be an object.",
    "model_attributes_type": "must be an object.",
    "greater_than_equal": "must be at least {ge}.",
    "less_than_equal": "must be at most {le}.",
    "string_too_long": "must be at most {max_length} characters.",
    "string_too_short": "must be at least {min_length} characters.",
    "too_long": "must have at most {max_length} entries.",
    "too_short": "must have at least {min_length} entries.",
    "literal_error": "must be {expected}.",
}


def details_of(error: ValidationError) -> list[Detail]:
    """One Detail for each error, its path dotted: `env.0.name`."""
    found: list[Detail] = []
    for item in error.errors(include_url=False, include_input=False):
        path = ".".join(str(part) for part in item["loc"] if part != "[key]")
        context: dict[str, Any] = item.get("ctx") or {}
        cause = context.get("error")
        if isinstance(cause, Invalid):
            found += [Detail(".".join(filter(None, (path, each.path))), each.message) for each in cause.details]
        else:
            found.append(Detail(path, words(item["type"], item["msg"], context)))
    return found


def words(kind: str, message: str, context: dict[str, Any]) -> str:
    """Of an error that pydantic calls `kind` and says `message` of."""
    found = _WORDS.get(kind)
    return found.format(**context) if found else f"is not valid: {message}."
