"""How a service stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """`state`: running | stopped | external | unknown. `health`: healthy | unhealthy | starting, empty where nobody
    asked; "no credentials" of one that answers and lets nobody in without.
    `version`: as the service says it. `detail`: a sentence, when there is something to know."""

    state: str
    health: str = ""
    version: str = ""
    detail: str = ""
