"""What an engine is: it runs what a pod describes and says how it goes.

The contract suite in tests/engines/contract/ runs on every engine. A handle is what `launch` returned: JSON, kept
by the caller, enough to find the workload again after every process of the platform was replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

Handle = dict[str, Any]
"""JSON; always has `id` (the workload's) and, for something that listens, `address` (`unix:/path` or `host:port`).

What peers know by a name and listens at a path has `tcp` too (`host:port`): where programs of this host reach it.
"""

APP = "/app"
LAYERS = "/layers"


SERVICES = "infrastructure"  # the pod that engines take infrastructure services for
DATABASE, PROXY = "database", "proxy"  # what networks that pods share are for


Place = Literal["host", "elsewhere", "nowhere"]
"""Of a disk: a directory of this host's, on whatever machine runs the app, or there are none."""


class State(StrEnum):
    STARTING = "starting"  # the process was asked for and has not been seen running yet
    RUNNING = "running"
    RESTARTING = "restarting"  # it exited; the restart policy will start it again (`reason` says when)
    EXITED = "exited"  # it exited and will not be started again (run_once, or stop was asked for)
    GONE = "gone"  # the engine answers and knows no such workload
    UNKNOWN = "unknown"  # the engine does not answer: nothing may be concluded


@dataclass(frozen=True, slots=True)
class Status:
    """`reason` is a sentence for people: "restarted 3 of 10 in this window, next try in 20 s".

    `address`: where it is reached now, from an engine that may have moved it since `launch` said where. `leaving`: it
    runs, and is sent away from where it is: it ends after a while in which another one can be started beside it.
    `host`: the machine it is on, of an engine that has several.
    """

    state: State
    restarts: int = 0
    exit_code: int | None = None
    reason: str = ""
    since: datetime | None = None
    address: str = ""
    leaving: bool = False
    host: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory of this host seen inside at `target`.

    `read`: as it is. `write`: a disk or a workspace, shared with the host. `scratch`: the content of `source` to
    begin with, writes are the workload's own and gone with it (an overlay; where the kernel has none: read).
    A `read` mount that links, files or other mounts lie in is made as `scratch`; nothing may lie in a `write` one.
    """

    source: str
    target: str
    mode: Literal["read", "write", "scratch"] = "read"


@dataclass(frozen=True, slots=True)
class Limits:
    """`cpu` in cores, `memory` in MB."""

    cpu: float = 1.0
    memory: int = 1024
    processes: int = 512
    open_files: int = 65536
    file_mb: int = 10240


@dataclass(frozen=True, slots=True)
class Peer:
    """Another workload of the pod, launched with `name`: reached at Engine.peer_host(pod, name) and `port`.

    `pod`: whose it is, where that is not the same: an infrastructure service.
    """

    name: str
    port: int
    pod: str = ""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What runs. `command` is an argument list; a user's command line is `("sh", "-c", text)`.

    `path` are directories inside, put before the system's in PATH. `links` are symlinks (at → to) made inside
    before the start, e.g. /app/node_modules → /layers/deps/node_modules. `env` reaches the process byte for byte
    and never passes through an argument list or a file. Paths in `command`, `env` and `path` are the sandbox's; an
    engine without a sandbox translates those beneath `/app` and `/layers` in `path`, `links` and `env`.
    """

    id: str
    pod: str  # the pod's id: workloads of one pod may share what others may not (an operating-system user)
    command: tuple[str, ...]
    env: Mapping[str, str]
    mounts: tuple[Mount, ...] = ()
    path: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    workdir: str = APP
    limits: Limits = Limits()
    network: bool = True  # egress to public addresses through the engine's proxy; never to this host
    files: Mapping[str, bytes] = field(default_factory=dict)  # Config files, read-only, by absolute path inside
    image: str = ""  # what it runs in, by digest or id; an empty `command` is then the image's own
    region: str = ""  # where it is to run, for an engine that has machines in several places
    peers: tuple[Peer, ...] = ()  # what it may reach beside the public; they need not run yet
    owner: str = ""  # apart from the pod's other workloads; it uses none of the host's tools but its mounts


@dataclass(frozen=True, slots=True)
class LaunchSpec(RunSpec):
    """A workload that runs until it is stopped. `port`: it listens there inside ($PORT); None for a worker.

    `name`: by which workloads of its pod that have it among their peers reach it; empty: none does. The one launched
    last has the name.
    """

    port: int | None = None
    grace: float = 30.0  # seconds between TERM and KILL when the engine itself goes down in order
    name: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line a workload wrote. `seq` grows with each line of a workload, across its restarts.

    Whoever takes a stream and had `follows`, or something later, has missed nothing before this line. An engine that
    counts leaves `previous` out; one that numbers by time says what it passed on (or began with) before.
    """

    seq: int
    at: datetime
    stream: Literal["out", "err", "engine"]
    text: str
    previous: int | None = None

    @property
    def follows(self) -> int:
        return self.seq - 1 if self.previous is None else self.previous


@dataclass(frozen=True, slots=True)
class Finished:
    """How a `run_once` ended. `killed` says why the engine ended it: "timeout", "memory", "cancelled" or ""."""

    exit_code: int
    killed: str = ""
    seconds: float = 0.0
    max_memory_mb: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds since the start, resident MB and processes now."""

    cpu_seconds: float
    memory_mb: int
    processes: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine has; `notes` are shown loudly by the doctor and in the dashboard.

    `version` says in words what answered, where that is another program than the platform.
    """

    sandbox: bool
    disks: bool
    hosts: int = 1
    notes: tuple[str, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a terminal, in characters."""

    columns: int = 80
    rows: int = 24


@dataclass(frozen=True, slots=True)
class SharedNetwork:
    """Where apps of several pods meet what they share, and not each other. `made`: by a platform, else it was there.

    `members`: what they share, by name; `apps`: how many workloads are in it. `problem`: a sentence, if there is one.
    """

    purpose: str
    name: str
    subnets: tuple[str, ...] = ()
    made: bool = False
    members: tuple[str, ...] = ()
    apps: int = 0
    problem: str = ""


class Networking(Protocol):
    """What an engine has that keeps pods in networks."""

    def call_networks(self, names: Mapping[str, str]) -> None:
        """Have the shared networks be called so, by purpose, and be there. Raises PlatformError("network_unfit")."""
        ...

    def shared_networks(self) -> list[SharedNetwork]: ...


class Terminal(Protocol):
    """A command with a terminal of its own beside a running workload.

    For one thread that reads and one that writes and resizes; `close` may be called by anybody. What is read and
    written are the terminal's bytes: Ctrl-C is a byte, lines end as the terminal ends them.
    """

    def read(self, wait: float) -> bytes | None:
        """What it wrote, waited for up to `wait` seconds; empty for nothing yet, None once it is over."""
        ...

    def write(self, data: bytes, wait: float) -> int:
        """How many bytes of `data` it took within `wait` seconds; all of them once it is over."""
        ...

    def resize(self, size: Size) -> None: ...

    def exit_code(self) -> int | None:
        """How the command ended, once `read` has said that it is over; None when it was ended, or nobody knows."""
        ...

    def close(self) -> None:
        """End the command and everything it started, at once. Idempotent, raises nothing."""
        ...


class Engine(Protocol):
    """Raises Unavailable (apps.core.errors) when the engine does not answer, except where noted.

    Known without asking it: `artifacts`, the kinds it runs, on which depends what is built; `peers`, whether workloads
    reach each other by name.
    """

    artifacts: frozenset[str]
    peers: bool

    @property
    def disks(self) -> Place:
        """Where what is on disks lies, known without asking: a pod takes it along only from "host" to "host"."""
        ...

    def check(self) -> Capabilities: ...

    def peer_host(self, pod: str, name: str) -> str:
        """Where workloads of `pod` reach the one launched as `name`: a host name or an address; asks nobody."""
        ...

    def fetch(self, image: str, *, on_line: Callable[[str], None], cancelled: Callable[[], bool]) -> None:
        """Have `image` where it is run, so that `launch` need not wait for it; at once if it is there.

        `on_line`: what is worth saying on the way. Returns early once `cancelled()` is true. Raises
        UserError("image_pull_failed").
        """
        ...

    def launch(self, spec: LaunchSpec) -> Handle:
        """Start `spec`, once: a second call with the same id returns the same handle and starts nothing."""
        ...

    def status(self, handle: Handle) -> Status:
        """Never raises: State.UNKNOWN is an answer."""
        ...

    def workloads(self) -> dict[str, Status]:
        """Everything the engine runs or remembers, by workload id."""
        ...

    def logs(self, handle: Handle, after: int = 0) -> Iterable[LogLine]:
        """The lines kept with seq > `after`, oldest first; what was dropped leaves a gap in seq."""
        ...

    def run_once(
        self, spec: RunSpec, *, on_line: Callable[[str], None], timeout: float, cancelled: Callable[[], bool]
    ) -> Finished:
        """Run to the end, passing every line of output on as it comes (`\\r` progress kept inside a line).

        With network, it also reaches the package registries this host is set up for, by the host's own settings.
        Everything it started is dead when this returns: at the end, at the timeout, or ≤ 1 s after `cancelled()`
        turned true (asked about every 0.2 s).
        """
        ...

    def exec(self, handle: Handle, command: tuple[str, ...], *, timeout: float = 30.0) -> tuple[int, str]:
        """Run `command` beside the running workload, inside its sandbox; exit code and output."""
        ...

    def attach(self, handle: Handle, command: tuple[str, ...], *, name: str, size: Size) -> Terminal:
        """Run `command` beside the running workload, inside its sandbox, in its workdir, with a terminal of its own.

        `name` tells terminals apart (as an id does). What it started is dead soon after `close`, the end of the
        command, that of the workload, and that of the process that holds the Terminal; where the engine cannot see
        the last, `detach` has to be called.
        """
        ...

    def detach(self, handle: Handle, name: str) -> None:
        """End what is left of a terminal whose holder has died. Nothing to do is no error."""
        ...

    def probe(self, handle: Handle) -> str | None:
        """What the workload really listens on, in words ("listens on 127.0.0.1:5000, not on $PORT 8080"), or None."""
        ...

    def connections(self, handle: Handle) -> int | None:
        """How many connections to the workload's port somebody waits for; None where the engine cannot tell.

        Open ones, those from this machine that were not let in yet, and those whose last bytes are on their way.
        """
        ...

    def stop(self, handle: Handle, grace: float) -> None:
        """TERM, `grace` seconds, KILL; forget it. A workload that is gone or unknown here is no error."""
        ...

    def discard(self, disk: str) -> None:
        """Remove what is kept on other machines of the disk at that path of this one. Nothing to do is no error."""
        ...

    def stats(self, handle: Handle) -> Usage | None: ...

    def stream_logs(self) -> Iterator[tuple[str, LogLine]]:
        """(workload id, line) of everything from now on, until the engine goes away (then Unavailable)."""
        ...
