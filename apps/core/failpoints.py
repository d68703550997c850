"""Named points at which a test kills or fails the process: before and after each side effect.

Set by BRAINPOD_FAILPOINTS, "name=kill,other=error" (once each, through a marker file beside the state); never in
production, where the setting is refused. With none set, a point costs one look into an empty dict.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from apps.core.errors import PlatformError


def _read() -> dict[str, str]:
    pairs = (entry.partition("=") for entry in os.environ.get("BRAINPOD_FAILPOINTS", "").split(",") if entry)
    return {name.strip(): action.strip() or "kill" for name, _, action in pairs}


_ARMED = _read()


def failpoint(name: str) -> None:
    """Do what was armed under `name`, at most once for each state directory."""
    action = _ARMED.get(name)
    if action is None:
        return
    marker = Path(os.environ["BRAINPOD_STATE"], f".failpoint-{name}")
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise PlatformError("failpoint", f"Failed on purpose at {name}.")
