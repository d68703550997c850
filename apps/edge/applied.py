"""The state last applied, kept for a start without the database."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from apps.edge.base import EdgeState, Rule, Site


def read(path: Path) -> EdgeState:
    """The state in `path`; the empty one when there is none or it cannot be understood."""
    try:
        return EdgeState(tuple(_site(entry) for entry in json.loads(path.read_text())["sites"]))
    except (OSError, ValueError, KeyError, TypeError):
        return EdgeState()


def _site(entry: dict[str, Any]) -> Site:
    rules = tuple(Rule(**{**rule, "upstreams": tuple(rule["upstreams"])}) for rule in entry["rules"])
    return Site(**{**entry, "rules": rules})


def write(path: Path, state: EdgeState) -> None:
    replace(path, json.dumps(dataclasses.asdict(state), indent=1))


def replace(path: Path, text: str) -> None:
    """Write `text` beside `path`, on the disk before the rename, readable by the owner only."""
    beside = path.with_name(f".{path.name}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
