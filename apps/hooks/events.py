"""Events as they are kept, to be judged once more when somebody asks for it."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import TypeAdapter

from apps.hooks.providers.base import Event, Ping, Push
from apps.previews.pull_requests import PullRequest

MOST_PATHS = 1000  # of a push that are kept; with more it counts as one whose paths are not known
_PUSH, _PING, _PULL = TypeAdapter(Push), TypeAdapter(Ping), TypeAdapter(PullRequest)


def kept(event: Event) -> dict[str, Any] | None:
    """None for what nothing ever comes of, such as a name with a NUL: git has none, and PostgreSQL takes none."""
    match event:
        case Push(paths=paths):
            if paths is not None and len(paths) > MOST_PATHS:
                event = dataclasses.replace(event, paths=None)
            return None if b"\\u0000" in _PUSH.dump_json(event) else {"push": _PUSH.dump_python(event, mode="json")}
        case PullRequest():
            return None if b"\\u0000" in _PULL.dump_json(event) else {"pull": _PULL.dump_python(event, mode="json")}
        case Ping():
            return {"ping": _PING.dump_python(event, mode="json")}
    return None


def read(kept: dict[str, Any]) -> Event:
    if "pull" in kept:
        return _PULL.validate_python(kept["pull"])
    return _PUSH.validate_python(kept["push"]) if "push" in kept else _PING.validate_python(kept["ping"])
