"""One build by BuildKit: a client process with its secrets in memory, its output as lines, ended when asked to."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from apps.builds.failures import explain
from apps.builds.image import cli, images, layers, steps
from apps.builds.image.progress import Cleaner
from apps.builds.stages.bounds import Bounds
from apps.builds.stages.room import Room
from apps.core.errors import PlatformError, UserError
from apps.engines.base import Finished
from apps.engines.process.logs import Splitter
from apps.infrastructure.embedded import process

_TAIL = 200
_LOOK = 0.2  # seconds between two looks at whether the build goes on
_GRACE = 2.0
_CONFIG = "brainpod-docker-config"
_LARGEST_SECRET = 500_000  # bytes; BuildKit takes no more


@dataclass(frozen=True, slots=True)
class Daemon:
    """Where images are built, and by which client."""

    host: str
    client: cli.Client


def daemon(host: str) -> Daemon:
    """Raises PlatformError("docker_client_missing")."""
    client = cli.find()
    if client is None:
        hint = "Install docker-buildx, or Debian's docker.io, whose client has BuildKit in it."
        raise PlatformError("docker_client_missing", "No docker client on this machine can build with BuildKit.", hint)
    return Daemon(host, client)


def leaves_layers(where: Daemon) -> bool:
    """Whether a build can leave the layers of all its steps in a registry; else the image tells of its own alone."""
    return where.client.buildx and images.keeps_content(where.host)


def build(
    room: Room,
    where: Daemon,
    request: cli.Request,
    secrets: Mapping[str, bytes],
    *,
    stage: str,
    writes: Path,
) -> None:
    """Build as `request` says; what it puts on this machine goes into the directory `writes`.

    Raises UserError with the cause read from the output, Interrupted, Unavailable if the daemon went away; nothing of
    the build runs afterwards.
    """
    if not _tried(room, where, request, secrets, stage=stage, writes=writes):
        room.write("Warning: the layers in the registry cannot be used; building without them.")
        _tried(room, where, replace(request, cache_from=()), secrets, stage=stage, writes=writes)


def _tried(
    room: Room, where: Daemon, request: cli.Request, secrets: Mapping[str, bytes], *, stage: str, writes: Path
) -> bool:
    """False where it failed by no step of its own, and may do without the layers it was offered."""
    room.check()
    tail: deque[str] = deque(maxlen=_TAIL)
    cleaner = Cleaner()
    bounds = Bounds((str(writes),))
    began = time.monotonic()

    def on_line(raw: str) -> None:
        for line in cleaner.feed(raw):
            room.write(line)
            tail.append(line)
            bounds.printed(line)

    config = {_CONFIG: layers.credentials()} if request.cache_from or request.cache_to else {}
    with (
        _descriptors({**secrets, **{name: value for name, value in config.items() if value}}) as held,
        ExitStack() as s,
    ):
        own = {name: number for name, number in held.items() if name != _CONFIG}
        env = cli.environment(where.host)
        env |= s.enter_context(layers.configured(held[_CONFIG])) if _CONFIG in held else {}
        with _running(where.client.command(request, own), env, tuple(held.values())) as child:
            killed = _follow(child, room, began, on_line, bounds)
    if killed == "cancelled":
        room.check()
    if killed or child.returncode:
        images.check(where.host)  # what the repository is not to blame for
        if request.cache_from and not killed and cleaner.exit_code is None:
            return False
        finished = Finished(cleaner.exit_code or child.returncode or 1, killed, time.monotonic() - began)
        raise explain(stage, tuple(tail), finished, seconds=room.seconds)
    return True


def _follow(
    child: subprocess.Popen[bytes], room: Room, began: float, on_line: Callable[[str], None], bounds: Bounds
) -> str:
    """Pass on what it prints until it ends; why it was ended, if it was."""
    assert child.stderr is not None
    splitter = Splitter()
    watch = steps.Watch(room.limits)
    with selectors.DefaultSelector() as selector:
        selector.register(child.stderr, selectors.EVENT_READ)
        looked = 0.0
        while True:
            if time.monotonic() - looked >= _LOOK:
                looked = time.monotonic()
                watch.look()
                if bounds.passed():
                    return bounds.why
                if room.cancelled():
                    return "cancelled"
                if looked - began > room.seconds:
                    return "timeout"
            if not selector.select(_LOOK):
                continue
            data = os.read(child.stderr.fileno(), 65536)
            for line in splitter.feed(data) if data else splitter.finish():
                on_line(line)
            if not data:
                child.wait()
                return ""


@contextmanager
def _running(
    command: list[str], env: Mapping[str, str], descriptors: tuple[int, ...]
) -> Iterator[subprocess.Popen[bytes]]:
    """The client, ended with its group at the end of the block; BuildKit ends what runs for a client that is gone."""
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(env), cwd="/",
        pass_fds=descriptors, start_new_session=True, preexec_fn=process.dies_with_parent(),
    )  # fmt: skip
    try:
        yield child
    finally:
        if child.poll() is None:
            process.end_group(child.pid, signal.SIGTERM)
            try:
                child.wait(_GRACE)
            except subprocess.TimeoutExpired:
                pass
        process.end_group(child.pid, signal.SIGKILL)
        child.wait()
        if child.stderr:
            child.stderr.close()


@contextmanager
def _descriptors(secrets: Mapping[str, bytes]) -> Iterator[dict[str, int]]:
    """Each value in memory of its own that only a descriptor leads to: never in a file, an argument or a variable."""
    held: dict[str, int] = {}
    try:
        for name, value in secrets.items():
            if len(value) > _LARGEST_SECRET:
                hint = "Put what is large into a Config file of the app, or into the repository."
                raise UserError(
                    "variables_too_large",
                    "The variables have more than 500 kB together, more than a build takes.",
                    hint,
                )
            held[name] = os.memfd_create(name, os.MFD_CLOEXEC)
            with open(os.dup(held[name]), "wb") as file:
                file.write(value)
            os.lseek(held[name], 0, os.SEEK_SET)
        yield held
    finally:
        for descriptor in held.values():
            os.close(descriptor)
