"""The logs under logs/: what tools printed when they failed, or did not, and what is told by it.

`origin` is "real" for what was recorded from the tool, "documented" for what was written after its documentation.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

from apps.builds.failures import Diagnosis, diagnose, found_in
from apps.engines.base import Finished

LOGS = Path(__file__).parent / "logs"
COMMANDS = ("install", "build", "release", "prestart", "launch")
SUCCESS = "success"


@dataclass(frozen=True)
class Recorded:
    path: str
    code: str
    stage: str
    finished: Finished
    tool: str
    origin: str

    @property
    def lines(self) -> list[str]:
        return (LOGS / self.path).read_text().split("\n")

    @property
    def diagnosis(self) -> Diagnosis | None:
        """A command's is found by its log; the platform's own stages say the code, and the log shows the line."""
        if self.stage in COMMANDS:
            return diagnose(self.stage, self.lines, self.finished, seconds=900)
        return found_in(self.code, self.lines)


@functools.cache
def recorded() -> tuple[Recorded, ...]:
    """Every failed log."""
    return tuple(log for log in _everything() if log.code != SUCCESS)


@functools.cache
def successful() -> tuple[Recorded, ...]:
    return tuple(log for log in _everything() if log.code == SUCCESS)


@functools.cache
def _everything() -> tuple[Recorded, ...]:
    rows = json.loads((LOGS / "index.json").read_text())
    return tuple(
        Recorded(
            path=row["log"],
            code=row["log"].partition("/")[0],
            stage=row["stage"],
            finished=Finished(row["exit"], killed=row.get("killed", "")),
            tool=row["from"],
            origin=row["origin"],
        )
        for row in rows
    )
