"""What many ask for at the same time is looked up once.

A process has one thread that asks the database. When hundreds of browsers come at once, say after a restart, each would
wait for all the others to be told the same.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from channels.db import database_sync_to_async

T = TypeVar("T")
_Waiting = dict[Hashable, asyncio.Future[Any]]
_waiting: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiting] = weakref.WeakKeyDictionary()


async def looked_up(look: Callable[..., T], *about: Hashable) -> T:
    """`look(*about)` in the thread of the database: one call for all who asked for it before it began, so that nobody
    is told what was true before they asked."""
    waiting = _waiting.setdefault(asyncio.get_running_loop(), {})
    key = (look, *about)

    def work() -> T:
        waiting.pop(key, None)
        return look(*about)

    if (found := waiting.get(key)) is None:
        found = waiting[key] = asyncio.ensure_future(database_sync_to_async(work)())
    answer: T = await asyncio.shield(found)
    return answer
