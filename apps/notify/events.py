"""What a team can be told of. Names are for programs, titles for people; tests compare them with what is announced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["good", "info", "warn", "bad"]
TEST = "test"


@dataclass(frozen=True, slots=True)
class Event:
    title: str
    level: Level


EVENTS = {
    "deployment.started": Event("Deployment started", "info"),
    "deployment.success": Event("Deployment live", "good"),
    "deployment.failed": Event("Deployment failed", "bad"),
    "deployment.degraded": Event("Deployment not healthy yet", "warn"),
    "deployment.cancelled": Event("Deployment cancelled", "info"),
    "deployment.rolled_back": Event("Rolled back", "warn"),
    "build.failed": Event("Build failed", "bad"),
    "domain.verified": Event("Domain leads here", "good"),
    "domain.misdirected": Event("Domain leads elsewhere", "warn"),
    "domain.lost": Event("Domain lost", "bad"),
    "certificate.issued": Event("Certificate issued", "good"),
    "certificate.failed": Event("Certificate not issued or renewed", "bad"),
    "certificate.expiring": Event("Certificate needs attention", "bad"),
    "backup.success": Event("Backup made", "good"),
    "backup.failed": Event("Backup failed", "bad"),
    "backup.overdue": Event("Backup overdue", "bad"),
    "backup.missing": Event("No backup and no plan", "warn"),
    "backup.copy_failed": Event("Backup not copied elsewhere", "bad"),
    "backup.drill_failed": Event("Backup not proven", "bad"),
    "app.scaled": Event("Number of instances changed", "info"),
    "app.asleep": Event("App fell asleep", "info"),
    "app.awake": Event("App woke up", "info"),
    "app.crashing": Event("App keeps crashing", "bad"),
    "preview.opened": Event("Preview being made", "info"),
    "preview.waiting": Event("Preview waits", "warn"),
    "preview.closed": Event("Preview closed", "info"),
}
KNOWN = EVENTS | {TEST: Event("Test", "info")}


def title_of(event: str) -> str:
    """What people read; the name itself for an event that there is no more."""
    return KNOWN[event].title if event in KNOWN else event


def level_of(event: str) -> Level:
    return KNOWN[event].level if event in KNOWN else "info"
