"""What the edge is: the whole state of what the outside can reach, applied at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Answer = Literal["live", "not_deployed", "deploying", "failed", "disabled", "maintenance"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests beneath `path` go to files in `directory`, else to `upstreams` (`unix:/path` or `address:port`).

    With neither, they are answered 502. `strip`: the app, or the directory, sees the path without `path`.
    """

    path: str  # "/" or "/api/": begins and ends with a slash
    upstreams: tuple[str, ...] = ()
    directory: str = ""
    strip: bool = False
    spa: bool = True  # static: an unknown path without a file extension gets /index.html
    key: str = ""  # identifies this rule across generations (route id and rule name)
    app: str = ""  # whose requests these are, "pod/app": stands in the access log; empty: nobody's


@dataclass(frozen=True, slots=True)
class Site:
    """One host name and what it answers. Anything but "live" is one of the edge's own pages."""

    host: str
    answer: Answer = "live"
    rules: tuple[Rule, ...] = ()
    timeout: int = 60  # seconds
    body_mb: int = 100


@dataclass(frozen=True, slots=True)
class EdgeState:
    sites: tuple[Site, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """`reloaded`: nginx had to read a configuration; False when renames alone were enough."""

    generation: int
    reloaded: bool


class Edge(Protocol):
    """All raise Unavailable when nginx cannot be reached or refuses; the previous state then still serves."""

    def apply(self, desired: Callable[[], EdgeState]) -> Applied:
        """Make what `desired()` returns the state of the edge; callers are serialised across processes.

        `desired` is called with the lock held, so the last applier has seen everything committed before it. On
        return every new request is answered by the new state.
        """
        ...

    def settle(self, timeout: float = 10.0) -> None:
        """Wait until no worker of an older generation is left that could still open a connection to an old upstream."""
        ...

    def generation(self) -> int:
        """What the serving nginx says it serves."""
        ...

    def access_logs(self) -> tuple[Path, ...]:
        """The files that may have lines of requests, the older one first; apps/edge/access_log.py reads a line."""
        ...

    def rotate_access_log(self, most: int) -> bool:
        """Put the access log aside if it has more than `most` bytes, in place of the one put aside before; whether
        that was done. What is in neither file afterwards is gone."""
        ...
