"""The files in which Nomad keeps what a task wrote: `<task>.std(out|err).<number>`, in turn, each at most 4 MB."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Literal, TypeVar, cast

from apps.core.errors import PlatformError, Unavailable
from apps.engines.nomad.job import TASK
from apps.engines.nomad.server import Missing, Server

Stream = Literal["out", "err"]
STREAMS: tuple[Stream, ...] = ("out", "err")
FILE = re.compile(rf"{TASK}\.std(out|err)\.([0-9]+)")
DIRECTORY = "alloc/logs"
TRIES = 3  # of one question to a node: it breaks off now and then
AGAIN = 0.1  # seconds between two
Found = TypeVar("Found")


def sizes(server: Server, allocation: str) -> dict[tuple[Stream, int], int]:
    """Of each file; none where the node has forgotten the allocation. Raises Unavailable where it is away."""
    listed = _asked(lambda: server.get(f"client/fs/ls/{allocation}", path=DIRECTORY), None)
    found: dict[tuple[Stream, int], int] = {}
    for one in listed or []:
        if match := FILE.fullmatch(one["Name"]):
            found[cast(Stream, match[1]), int(match[2])] = int(one["Size"])
    return found


def content(server: Server, allocation: str, stream: Stream, number: int, start: int, length: int) -> bytes:
    """What is left of it: empty once the file was dropped. Everything asked for has been seen in `sizes`.

    Nomad may end an answer early, and says so to nobody: what is missing is asked for again.
    """
    path = f"{DIRECTORY}/{TASK}.std{stream}.{number}"
    found = b""
    for _ in range(TRIES):
        at, left = start + len(found), length - len(found)
        found += _asked(
            lambda at=at, left=left: server.content(  # type: ignore[misc]
                f"client/fs/readat/{allocation}", path=path, offset=at, limit=left
            ),
            b"",
        )
        if len(found) >= length:
            break
    return found


def _asked(question: Callable[[], Found], nothing: Found) -> Found:
    """`nothing`: it is not there any more. Raises Unavailable when the node has not answered several times."""
    for last in (False,) * (TRIES - 1) + (True,):
        try:
            return question()
        except Unavailable:
            if last:
                raise
            time.sleep(AGAIN)
        except (Missing, PlatformError):
            return nothing
    return nothing
