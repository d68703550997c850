"""The files in which Nomad keeps what a task wrote: `<task>.std(out|err).<number>`, in turn, each at most 4 MB."""

from __future__ import annotations

import re
from typing import Literal, cast

from apps.core.errors import PlatformError, Unavailable
from apps.engines.nomad.job import TASK
from apps.engines.nomad.server import Missing, Server

Stream = Literal["out", "err"]
STREAMS: tuple[Stream, ...] = ("out", "err")
FILE = re.compile(rf"{TASK}\.std(out|err)\.([0-9]+)")
DIRECTORY = "alloc/logs"


def sizes(server: Server, allocation: str) -> dict[tuple[Stream, int], int]:
    """Of each file; none where the node is away or has forgotten the allocation."""
    try:
        listed = server.get(f"client/fs/ls/{allocation}", path=DIRECTORY)
    except (Missing, PlatformError) as error:
        if isinstance(error, Unavailable):
            raise
        return {}
    found: dict[tuple[Stream, int], int] = {}
    for one in listed or []:
        if match := FILE.fullmatch(one["Name"]):
            found[cast(Stream, match[1]), int(match[2])] = int(one["Size"])
    return found


def content(server: Server, allocation: str, stream: Stream, number: int, start: int, length: int) -> bytes:
    """What is left of it: empty once the file was dropped."""
    path = f"{DIRECTORY}/{TASK}.std{stream}.{number}"
    try:
        return server.content(f"client/fs/readat/{allocation}", path=path, offset=start, limit=length)
    except (Missing, PlatformError) as error:
        if isinstance(error, Unavailable):
            raise
        return b""
