"""What happens by the clock. The rows decide whether there is anything to do.

What is due every few seconds goes to workers as one message each time, not one for each of its parts: with nothing to
do a message costs three processes more than its part does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from celery import current_app, shared_task

ROUND = "brainpod.round"
# By how often, in seconds. What may wait for others' servers comes last: meanwhile the next round begins elsewhere, and
# leaves out what is still being done (apps/deployments/duties.py).
ROUNDS: dict[float, Sequence[str]] = {
    5.0: ("deployments.jobs", "deployments.reconcile", "notify.send"),
    15.0: (
        "deployments.regulate",
        "manifests.tend",
        "previews.tend",
        "backups.tend",
        "deployments.certificates",
        "reporting.send",
    ),
    30.0: ("terminals.sweep", "deployments.check_domains"),
    60.0: ("disks.tend", "hooks.tend", "notify.invitations"),
}
SELDOM: dict[str, float] = {
    "deployments.measure_disks": 300.0,
    "deployments.maintain": 3600.0,
    "notify.tidy": 3600.0,
    "databases.forget": 3600.0,
}
SCHEDULE: dict[str, dict[str, Any]] = {
    f"every {seconds:g} s": {
        "task": ROUND, "args": [parts], "schedule": seconds, "options": {"expires": max(10.0, seconds)}
    }
    for seconds, parts in ROUNDS.items()
} | {
    name: {"task": name, "schedule": seconds, "options": {"expires": min(600.0, seconds)}}
    for name, seconds in SELDOM.items()
}  # fmt: skip

log = structlog.get_logger(__name__)


@shared_task(name=ROUND)
def go_round(parts: Sequence[str]) -> None:
    """Do one task after the other, here; each though another fails."""
    for part in parts:
        try:
            current_app.tasks[part]()
        except Exception:
            log.exception("round_part_failed", part=part)
