"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "note", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's table; "missing" is what the platform cannot run without."""

    subject: str
    verdict: Verdict
    text: str
