"""The implementations behind the adapters' contracts, picked by `settings.COMPONENTS` and made once a process.

Domain code asks for a component by name; `brainpod/wiring.py` alone knows which class answers.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed


@functools.cache
def component(name: str) -> Any:
    """What `settings.COMPONENTS`'s function `name` makes; the same object until the settings change."""
    return getattr(importlib.import_module(settings.COMPONENTS), name)()


def _forget(**_: Any) -> None:
    component.cache_clear()


setting_changed.connect(_forget)
