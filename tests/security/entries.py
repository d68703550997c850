"""Where the inputs of several corpora go in: the specs of resources."""

from __future__ import annotations

from typing import Any

from apps.pods import kinds
from tests.security.corpus import Group, placed

REPO = "https://git.example.com/team/shop.git"
GOOD: dict[str, dict[str, Any]] = {
    "App": {"source": {"repo": REPO}},
    "Route": {"rules": [{"app": "web"}], "domains": ["www.example.com"], "allowFrom": ["203.0.113.7"]},
    "Config": {},
    "Disk": {"size": 10},
    "PostgresDB": {"disk": "data"},
    "MariaDB": {"disk": "data"},
    "Valkey": {"disk": "data"},
}


def spec_of(group: Group, value: Any) -> dict[str, Any]:
    """A good spec of the kind that is the group's entry, with `value` in its place."""
    return placed(GOOD[group.entry] | group.more.get("spec", {}), group.at, value)


def parse(group: Group, value: Any) -> None:
    kinds.get(group.entry).parse(spec_of(group, value), team="home")
