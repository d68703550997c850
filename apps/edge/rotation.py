"""The access log put aside once it has grown: renamed, then opened anew by nginx, so that no line is lost."""

from __future__ import annotations

import contextlib

from apps.core.errors import Unavailable
from apps.edge import control
from apps.edge.layout import Layout


def rotate(layout: Layout, most: int) -> bool:
    """See Edge.rotate_access_log. Until nginx has opened the new file it goes on writing to the one put aside.

    Nothing is done while nginx does not run. One who died between the two steps left no access log: the next call
    makes up for it.
    """
    try:
        size = layout.access_log.stat().st_size
    except FileNotFoundError:
        size = None
    if size is not None and size <= most:
        return False
    try:
        control.master(layout)
    except Unavailable:
        return False
    if size is not None:
        layout.access_log.replace(layout.old_access_log)
    with contextlib.suppress(Unavailable):
        control.reopen(layout)
    return size is not None
