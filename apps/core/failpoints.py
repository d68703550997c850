"""Named points at which a test holds, kills or fails the process: before and after each side effect.

With BRAINPOD_FAILPOINTS=yes (refused in production) a file `<state>/failpoints/<name>` arms a point while the
platform runs, `<name>@<of>` for one deployment, workload or pod. Whoever gets there first takes the file, by renaming
it to `….<pid>`, and does what it says: `hold` waits until the renamed file is gone, `kill` ends the process at once,
`error` raises. Without the setting a point costs one comparison.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from apps.core.errors import PlatformError

LONGEST = 120.0  # seconds a process is held, should nobody let it go
_ON = os.environ.get("BRAINPOD_FAILPOINTS", "").lower() in ("1", "true", "yes")


def failpoint(name: str, of: str = "") -> None:
    """Do what is armed for `name`, of `of` or of anything; once for each time it is armed."""
    if not _ON:
        return
    directory = Path(os.environ["BRAINPOD_STATE"], "failpoints")
    for armed in (directory / f"{name}@{of}", directory / name):
        taken = armed.with_name(f"{armed.name}.{os.getpid()}")
        try:
            armed.rename(taken)
        except FileNotFoundError:
            continue
        _do(taken.read_text().strip(), name, taken)


def _do(action: str, name: str, taken: Path) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "error":
        raise PlatformError("failpoint", f"Failed on purpose at {name}.")
    until = time.monotonic() + LONGEST
    while taken.exists() and time.monotonic() < until:
        time.sleep(0.01)
