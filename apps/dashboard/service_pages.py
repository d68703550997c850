"""What the pages of infrastructure services show."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from apps.core.errors import PlatformError
from apps.infrastructure import declaration, lifecycle, listing, networks
from apps.infrastructure.builtin import CONSEQUENCES
from apps.infrastructure.lifecycle import Use
from apps.infrastructure.models import Service
from apps.infrastructure.standing import Standing

AT_ONCE = 8
_LOOKS = {
    ("running", "healthy"): ("healthy", "Running"),
    ("running", "starting"): ("starting", "Starting"),
    ("running", "unhealthy"): ("unhealthy", "Not answering"),
    ("running", ""): ("healthy", "Ready"),
    ("stopped", ""): ("stopped", "Stopped"),
    ("stopped", "unhealthy"): ("failed", "Stopped"),
    ("external", "healthy"): ("healthy", "External"),
    ("external", "no credentials"): ("unknown", "No credentials"),
    ("external", "unhealthy"): ("failed", "Not reached"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """`look`: the state as badges know it, and its word."""

    service: Service
    standing: Standing
    use: Use | None

    @property
    def look(self) -> tuple[str, str]:
        return _LOOKS.get((self.standing.state, self.standing.health), ("unknown", "Unknown"))

    @property
    def runs(self) -> bool:
        return self.standing.state == "running"

    @property
    def verbs(self) -> tuple[str, ...]:
        """What can be asked of it now."""
        if self.service.external or self.service.name == "certbot":
            return ()
        if self.service.built_in:
            return ("restart",)
        return ("restart", "update", "stop") if self.runs else ("start", "update")

    @property
    def question(self) -> str:
        """What to know before it is restarted."""
        if self.service.built_in:
            return CONSEQUENCES.get(self.service.name, "")
        return "Its connections end, and apps connect again; what was committed stays."


def rows(services: Iterable[Service] | None = None) -> list[Row]:
    """Each is asked, several at once; none is waited for longer than some seconds."""
    found = list(listing.every() if services is None else services)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        standings = pool.map(lifecycle.status, found)
        uses = pool.map(lifecycle.use, found)
        return [Row(*one) for one in zip(found, standings, uses, strict=True)]


def networks_shown() -> dict[str, Any]:
    """The networks that pods share, or why they are not to be seen."""
    try:
        return {"networks": networks.every()}
    except PlatformError as error:
        return {"networks_problem": str(error)}


def refused() -> list[str]:
    """What does not hold in infrastructure.yml."""
    try:
        declaration.current()
    except declaration.Invalid as error:
        return [f"{detail.path}: {detail.message}" for detail in error.details]
    return []
