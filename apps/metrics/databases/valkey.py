"""Valkey and Redis: INFO, and what was spent on each command."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.metrics.databases import SECONDS, STATEMENTS, Look, Statement
from apps.servers.valkey import VALKEY

OWN = frozenset({"info", "slowlog|get", "auth", "hello", "client|setinfo", "config|get", "ping"})


class Connection:
    def __init__(self, host: str, port: int, password: str, user: str = "") -> None:
        self._made: Any = redis.Redis(
            host=host, port=port, username=user or VALKEY.admin, password=password, retry=Retry(NoBackoff(), 0),
            max_connections=1, socket_timeout=SECONDS, socket_connect_timeout=SECONDS, decode_responses=True,
            encoding_errors="replace",
        )  # fmt: skip

    def look(self) -> Look:
        said = self._made.info()
        keys = sum(found["keys"] for name, found in said.items() if name.startswith("db") and isinstance(found, dict))
        gauges = {
            "connections": max(0, said["connected_clients"] - 1),
            "limit": said.get("maxclients", 0),
            "size": said["used_memory"],
            "keys": keys,
        }
        newest = self._made.slowlog_get(1)  # entries are numbered from 0; what else is in them is not looked at
        return Look(
            gauges,
            {
                "hits": said["keyspace_hits"],
                "misses": said["keyspace_misses"],
                "evictions": said["evicted_keys"],
                "slow": newest[0]["id"] + 1 if newest else 0,
            },
        )

    def size(self) -> None:
        """Every look has it."""

    def statements(self) -> list[Statement]:
        said = self._made.info("commandstats")
        found = [
            Statement(name.removeprefix("cmdstat_").replace("|", " ").upper(), row["calls"], row["usec"] / 1000)
            for name, row in said.items()
            if name.removeprefix("cmdstat_") not in OWN
        ]
        return sorted(found, key=lambda one: -one.total_ms)[:STATEMENTS]

    def close(self) -> None:
        self._made.close()
