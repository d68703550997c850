"""What people are told of a message, whatever it is told by."""

from __future__ import annotations

import json
from dataclasses import dataclass

from apps.notify.events import Level, level_of, title_of

LONGEST = 1500  # characters of the words
COLOURS: dict[Level, int] = {"good": 0x2FB344, "info": 0x4299E1, "warn": 0xF59F00, "bad": 0xD63939}


@dataclass(frozen=True, slots=True)
class Told:
    """`words`: what happened; whoever named the things in it may be anybody. `url`: a page of the platform, or empty.
    `at`: ISO 8601. `where`: the pod and its team, as far as there are any.
    """

    title: str
    words: str
    level: Level
    url: str
    at: str
    where: str

    @property
    def colour(self) -> int:
        return COLOURS[self.level]


def told(body: str) -> Told:
    """Of the JSON of a message."""
    said = json.loads(body)
    data = said["data"]
    names = [data.get("pod", {}).get("name", ""), data.get("team", {}).get("name", "")]
    return Told(
        title=title_of(said["event"]),
        words=str(data.get("words", "")).strip()[:LONGEST],
        level=level_of(said["event"]),
        url=str(data.get("url", "")),
        at=said["timestamp"],
        where=" · ".join(filter(None, names)),
    )
