"""Waking workers for backups, as apps/deployments/wake.py does; and telling what happened to whoever looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.deployments.events import changed
from apps.deployments.feed import LONGEST
from apps.deployments.models import AppEvent
from apps.deployments.wake import wake

if TYPE_CHECKING:
    from apps.accounts.models import User

TEND = "backups.tend"
BACK_UP = "backups.back_up"
RESTORE = "backups.restore"
COPY = "backups.copy"
PLATFORM = "backups.platform"


def tell(pod_id: str, name: str, words: str, *, level: str = "info", by: User | None = None) -> None:
    """On the feed of what it is about, in the transaction."""
    AppEvent.objects.create(pod_id=pod_id, app=name, kind="backup", level=level, words=words[:LONGEST], actor=by)
    changed(pod_id)


__all__ = ["BACK_UP", "COPY", "PLATFORM", "RESTORE", "TEND", "changed", "tell", "wake"]
