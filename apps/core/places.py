"""Where the platform keeps its state when nobody says.

Standard library only: dev/reset.py asks without an environment.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

SYSTEM = Path("/var/lib/brainpod")


def default_state(checkout: Path, system: Path = SYSTEM) -> Path:
    """`var` in the checkout; for root in a place that others may not pass through (its own home), the system's.

    There root's own helpers, who become other users, could not reach their files, and would have to stay root. A
    state directory that is there already is gone on with.
    """
    own = checkout / "var"
    if os.geteuid() == 0 and first_closed(own) and not (own / "secret-key").exists():
        return system
    return own


def first_closed(path: Path) -> Path | None:
    """The topmost folder of `path` that others than its owner may not pass through; None when there is none."""
    for folder in (*reversed(path.parents), path):
        if folder.exists() and not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None
