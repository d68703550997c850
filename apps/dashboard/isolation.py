"""What every page says where builds and apps are not isolated from the machine and from each other."""

from __future__ import annotations

import threading
import time

from django.conf import settings

from apps.core.errors import PlatformError
from apps.engines import named, offered

FRESH_SECONDS = 60.0
PATIENCE = 0.5  # seconds a page waits for an engine that is slow to answer

OFF = "Builds and apps are not isolated: BRAINPOD_SANDBOX is off. Run only code you trust."
IMPOSSIBLE = "Builds and apps are not isolated: this machine does not let a sandbox be made. Run only code you trust."


class _Asked:
    """The engines' last answer; while one says nothing new, the one before counts."""

    def __init__(self) -> None:
        self.text = ""
        self.until = 0.0

    def ask(self) -> None:
        try:
            self.text = "" if all(named(name).check().sandbox for name in offered()) else IMPOSSIBLE
        except PlatformError:
            pass


_asked = _Asked()


def warning() -> str:
    """Empty where everything is isolated, and while the engine has not said."""
    if settings.BRAINPOD.sandbox == "off":
        return OFF
    now = time.monotonic()
    if now > _asked.until:
        _asked.until = now + FRESH_SECONDS
        asking = threading.Thread(target=_asked.ask, daemon=True, name="isolation")
        asking.start()
        asking.join(PATIENCE)
    return _asked.text


def forget() -> None:
    """Ask again at the next page."""
    _asked.text, _asked.until = "", 0.0
