"""A zone at Cloudflare whose cache is purged: it takes purges, and refuses what it is told to refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.stack.cloudflare import Answer, answering, done, refused

Refusal = tuple[int, str, dict[str, str]]
"""Status, message and headers."""


@dataclass
class Cloudflare:
    """`refusals` are given out one after the other before anything else. `name` empty: zones may not be read."""

    zone: str
    token: str
    name: str = "example.com"
    purged: list[list[str]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    asked: int = 0

    def reply(self, method: str, path: str, query: dict[str, str], sent: Any) -> Answer:
        self.asked += 1
        if self.refusals:
            status, message, headers = self.refusals.pop(0)
            return refused(message, status, headers)
        if method == "GET" and path == f"/zones/{self.zone}" and self.name:
            return done({"id": self.zone, "name": self.name})
        if method == "POST" and path == f"/zones/{self.zone}/purge_cache":
            self.purged.append(sent["hosts"])
            return done({"id": self.zone})
        return refused("Unauthorized to access requested resource")

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its address."""
        with answering(self.token, self.reply) as address:
            yield address
