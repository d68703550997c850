"""How a state looks: one colour and one word each, everywhere the same."""

from __future__ import annotations

from typing import NamedTuple


class Look(NamedTuple):
    """`colour` is one of Tabler's; `busy` states blink gently."""

    colour: str
    word: str
    busy: bool = False


STATES: dict[str, Look] = {
    "waiting": Look("secondary", "Waiting"),
    "pending": Look("azure", "In progress", busy=True),
    "running": Look("azure", "Running", busy=True),
    "starting": Look("azure", "Starting", busy=True),
    "restarting": Look("yellow", "Restarting", busy=True),
    "draining": Look("secondary", "Draining", busy=True),
    "deploying": Look("azure", "Deploying", busy=True),
    "ready": Look("green", "Ready"),
    "live": Look("green", "Live"),
    "active": Look("green", "Active"),
    "provisioning": Look("azure", "Provisioning", busy=True),
    "healthy": Look("green", "Healthy"),
    "passed": Look("green", "Passed"),
    "succeeded": Look("green", "Succeeded"),
    "missed": Look("orange", "Missed"),
    "degraded": Look("yellow", "Degraded"),
    "unhealthy": Look("orange", "Unhealthy"),
    "failed": Look("red", "Failed"),
    "lost": Look("red", "Lost"),
    "cancelled": Look("secondary", "Cancelled"),
    "skipped": Look("secondary", "Skipped"),
    "stopped": Look("secondary", "Stopped"),
    "in_progress": Look("azure", "In progress", busy=True),
    "completed": Look("green", "Completed"),
    "asleep": Look("indigo", "Asleep"),
    "exited": Look("secondary", "Exited"),
    "gone": Look("secondary", "Gone"),
    "unknown": Look("purple", "Unknown"),
    "draft": Look("indigo", "Draft"),
    "inactive": Look("secondary", "Replaced"),
    "not_deployed": Look("secondary", "Not deployed"),
    "verified": Look("green", "Proven"),
    "misdirected": Look("yellow", "Leads elsewhere"),
    "expired": Look("secondary", "Not proven in time"),
    "disabled": Look("secondary", "Disabled"),
    "working": Look("green", "Works"),
    "failing": Look("orange", "Failing"),
    "delivered": Look("green", "Delivered"),
    "maintenance": Look("yellow", "Maintenance"),
}


def look(state: str) -> Look:
    return STATES.get(state, Look("secondary", state.replace("_", " ").capitalize() or "None"))
