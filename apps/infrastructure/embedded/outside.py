"""What the doctor says of an nginx that somebody else runs: docs/nginx.md."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from apps.core.errors import PlatformError
from apps.edge import control, edge
from apps.edge.nginx import NginxEdge
from apps.edge.outside import Outside
from apps.infrastructure.embedded.finding import Finding

SUBJECT = "nginx outside"


def findings(config: Any) -> Iterator[Finding]:
    """Whether it runs, may be told, and serves what we wrote."""
    outside: Outside | None = config.outside
    if outside is None:
        return
    place = next(path for path in (outside.directory, *outside.directory.parents) if path.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        yield Finding(SUBJECT, "missing", f"{outside.directory} cannot be written to by the platform's user")
        return
    made = edge()
    assert isinstance(made, NginxEdge)
    served = made.served()
    try:
        control.master(made.layout)
        control.accept(made.layout)
        number = made.generation()
    except PlatformError as error:
        yield Finding(SUBJECT, "note", f"{error.message} {error.hint} docs/nginx.md says what it needs.")
        return
    if served.refused:
        yield Finding(SUBJECT, "note", f"serves number {number}, and refused the next one: {served.refused}")
    elif number != served.generation:
        words = f"serves number {number}, the file has {served.generation}: it has not read its configuration since"
        yield Finding(SUBJECT, "note", words)
    else:
        yield Finding(SUBJECT, "ok", f"serves number {number}, out of {outside.directory}")
