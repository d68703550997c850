"""What teams may use of the platform: plans are configuration (BRAINPOD_PLANS), which one a team has is its row's."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Overage = Literal["count", "queue"]
UNLIMITED = "unlimited"


@dataclass(frozen=True, slots=True)
class Plan:
    """None: no limit. `overage`: once the month's `minutes` are used, builds go on and are counted, or wait."""

    name: str
    minutes: int | None = None  # of building, a calendar month (UTC)
    slots: int | None = None  # builds at once
    overage: Overage = "count"


# The defaults of design/reference.md (i).
SHIPPED = {
    plan.name: plan
    for plan in (
        Plan(UNLIMITED),
        Plan("free", minutes=100, slots=1, overage="queue"),
        Plan("pro", minutes=1000, slots=3),
        Plan("team", minutes=2000, slots=5),
    )
}


@functools.lru_cache(maxsize=4)
def parse(text: str) -> Mapping[str, Plan]:
    """The plans of BRAINPOD_PLANS, a JSON object of name → limits, over those shipped. Raises ValueError saying why."""
    if not text.strip():
        return SHIPPED
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error}") from None
    if not isinstance(given, dict) or not all(isinstance(limits, dict) for limits in given.values()):
        raise ValueError('must look like {"free": {"minutes": 100, "slots": 1, "overage": "queue"}}')
    return SHIPPED | {name: _plan(name, limits) for name, limits in given.items()}


def _plan(name: str, limits: dict[str, Any]) -> Plan:
    if not name.isidentifier() or len(name) > 40:
        raise ValueError(f"{name!r} is no name for a plan: letters, digits and underscores, at most 40")
    if unknown := limits.keys() - {"minutes", "slots", "overage"}:
        raise ValueError(f"{name}: there is no limit {', '.join(sorted(unknown))}; there are minutes, slots, overage")
    for limit in ("minutes", "slots"):
        value = limits.get(limit)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise ValueError(f"{name}: {limit} must be a whole number from 1, or null for no limit, not {value!r}")
    if limits.get("overage", "count") not in get_args(Overage):
        raise ValueError(f"{name}: overage must be {' or '.join(get_args(Overage))}")
    return Plan(name, **limits)
