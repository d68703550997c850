"""What a supervisor is told: services in tiers, and the steps between them. Plain data, made by services.py."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Service:
    """One process that is kept running.

    `command` is asked before each start and may prepare files; `ready` may block for some seconds (it runs in a
    thread). `stop` is the signal that ends it in order, within `grace` seconds; `orphan` is what it gets when the
    supervisor itself is gone. When the supervisor takes its own place, `leave` ends it instead of `stop`, and what it
    runs is left for its successor; one with `reload` goes on, and `reload` is given its pid and has it take up what is
    there now: False if another has to be started in its place (it runs in a thread). `leftovers` are files (sockets)
    taken away before each start. `forked`: the command is `python -m module …` and may be forked out of the nursery,
    where most of what it imports is loaded. `pulse` is something that changes for as long as the process works, even
    when there is nothing to do (it runs in a thread): one whose pulse stays the same hangs, and is killed and started
    again.
    """

    name: str
    command: Callable[[], list[str]]
    ready: Callable[[], bool]
    env: Mapping[str, str]
    stop: signal.Signals = signal.SIGTERM
    orphan: signal.Signals = signal.SIGTERM
    leave: signal.Signals | None = None
    reload: Callable[[int], bool] | None = None
    grace: float = 10.0
    leftovers: tuple[Path, ...] = ()
    start_seconds: float = 90.0
    forked: bool = False
    pulse: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Something done once between two tiers; False: there was nothing to do.

    Runs in a process of its own out of the nursery, whose memory goes with it, and in a thread where there is none.
    """

    name: str
    act: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Tier:
    """`steps` one after the other, then every service at once; the next tier begins when all are ready.

    The steps of every tier begin at once: they need no service of the tiers before.
    """

    services: tuple[Service, ...]
    steps: tuple[Step, ...] = field(default=())
