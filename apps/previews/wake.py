"""Waking workers for previews, as apps/deployments/wake.py does."""

from __future__ import annotations

from apps.deployments.wake import wake

SETTLE = "previews.settle"
TEND = "previews.tend"


def wake_for(preview_id: int) -> None:
    wake(SETTLE, str(preview_id))
