"""The process engine's agent: `python -m apps.engines.process.agent --state DIR --socket DIR/run/engine.sock`.

SIGTERM and SIGINT stop every workload in order, then the agent. SIGUSR2 ends the agent alone, in order, for its
successor: the next agent takes the workloads over from the keeper, as it does after a SIGKILL.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import gc
import ipaddress
import logging
import os
import resource
import signal
import sys
from dataclasses import replace
from pathlib import Path

from apps.core import log_lines
from apps.core.errors import PlatformError, UserError
from apps.core.ids import short
from apps.engines.base import Limits, LogLine, Mount, RunSpec
from apps.engines.process import binaries, cgroups, host, protocol
from apps.engines.process.binaries import Bubblewrap
from apps.engines.process.context import Context
from apps.engines.process.descriptors import Descriptors
from apps.engines.process.egress import Egress
from apps.engines.process.fleet import Fleet
from apps.engines.process.launcher import Launcher
from apps.engines.process.once import Once
from apps.engines.process.sandbox import Features
from apps.engines.process.server import Server

log = logging.getLogger("brainpod.engine")
TRIAL = 20.0  # seconds


def options(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="brainpod-engine")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--sandbox", choices=("auto", "required", "off"), default="auto")
    parser.add_argument("--allow-network", type=ipaddress.ip_network, nargs="*", default=[], action="extend")
    parser.add_argument("--bwrap", default="", help="path of bubblewrap; default: the system's, or the wheel's")
    parser.add_argument("--log-format", choices=log_lines.FORMS, default="console")
    return parser.parse_args(argv)


def directories(state: Path) -> tuple[Path, Path]:
    """Where views and sockets are; others may walk through and not look around."""
    views, sockets = state / "engine" / "v", state / "run" / "w"
    for path in (state, state / "engine", views, state / "run", sockets):
        path.mkdir(exist_ok=True, parents=True)
        path.chmod(0o711)
    return views, sockets


def lock(state: Path) -> int:
    """Held as long as this process lives. Exits when another agent holds it."""
    fd = os.open(state / "engine" / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("Another engine agent runs on this state directory.")
    return fd


async def choose_sandbox(context: Context, state: Path, binary: Bubblewrap | None) -> None:
    """Leave the launcher with the best that really works here, found by trying."""
    features = [Features(True, True), Features(False, True), Features(False, False)]
    for tried in features if binary else []:
        if binary is None or (tried.overlay and not binary.features.overlay):
            continue
        context.launcher.bubblewrap = replace(binary, features=tried)
        said: list[str] = []
        if await _trial(context, state, said):
            return
        log.warning("sandbox trial with %s failed: %s", tried, " ".join(said))
    context.launcher.bubblewrap = None


async def _trial(context: Context, state: Path, said: list[str]) -> bool:
    empty = state / "engine" / "empty"
    empty.mkdir(exist_ok=True)
    empty.chmod(0o755)
    mounts = (Mount(str(empty), "/app", "scratch"),)
    spec = RunSpec("engine-trial", "engine-trial", ("/bin/sh", "-c", "exit 0"), {}, mounts, limits=Limits())
    try:
        finished = await Once(context, spec, said.extend).run(TRIAL)
    except (UserError, PlatformError, OSError) as error:
        said.append(str(error))
        return False
    return finished.exit_code == 0 and not finished.killed and not said


async def serve(given: argparse.Namespace) -> None:
    state = Path(os.path.realpath(given.state))
    views, sockets = directories(state)
    held = lock(state)
    digest = short(str(state))
    machine = host.look()
    binary = None if given.sandbox == "off" else binaries.find(given.bwrap)
    umbrella = binary is not None and os.getuid() != 0
    keeper = Descriptors(state / "run" / "keeper.sock", log=state / "engine" / "keeper.log", umbrella=umbrella)
    keeper.connect()
    launcher = Launcher(
        views,
        bubblewrap=binary,
        required=given.sandbox == "required",
        host=machine,
        hierarchy=cgroups.detect(f"brainpod-{digest}"),
        umbrella=keeper.umbrella,
    )
    published: list[Server] = []

    def publish(workload: str, line: LogLine) -> None:
        for one in published:
            one.publish(workload, line)

    context = Context(launcher, keeper, Egress(machine, given.allow_network), sockets, publish)
    await choose_sandbox(context, state, binary)
    fleet = Fleet(context)
    published.append(Server(fleet))
    watch_keeper(fleet)
    fleet.adopt()
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[bool] = loop.create_future()  # whether the workloads stay
    for number, stay in ((signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGUSR2, True)):
        loop.add_signal_handler(number, _settle, ended, stay)
    given.socket.unlink(missing_ok=True)
    listener = await asyncio.start_unix_server(published[0].client, given.socket, limit=protocol.LONGEST_LINE)
    given.socket.chmod(0o600)
    gc.freeze()
    log.info("ready, %s", "sandboxed" if launcher.bubblewrap else "WITHOUT SANDBOX")
    stay = await ended
    listener.close()
    forget_keeper(fleet)
    await (fleet.leave() if stay else fleet.close())
    given.socket.unlink(missing_ok=True)
    if not stay:
        with contextlib.suppress(OSError):
            launcher.close()
    os.close(held)


def _settle(ended: asyncio.Future[bool], stay: bool) -> None:
    """The first signal counts."""
    if not ended.done():
        log.info("leaving, what runs stays" if stay else "stopping what runs, in order")
        ended.set_result(stay)


def watch_keeper(fleet: Fleet) -> None:
    """Answers are read where they were asked for, so readable without a question means: it has gone."""
    connection = fleet.context.keeper.connection
    if connection is None:
        return
    loop, fd = asyncio.get_running_loop(), connection.fileno()

    def lost() -> None:
        loop.remove_reader(fd)
        try:
            fleet.keeper_lost()
        except PlatformError as error:
            log.error("%s", error)
            loop.call_later(1.0, lost)
            return
        watch_keeper(fleet)

    loop.add_reader(fd, lost)


def forget_keeper(fleet: Fleet) -> None:
    connection = fleet.context.keeper.connection
    if connection is not None:
        asyncio.get_running_loop().remove_reader(connection.fileno())


def main() -> None:
    given = options()
    log_lines.configure(given.log_format)
    os.umask(0o077)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(serve(given))


if __name__ == "__main__":
    main()
