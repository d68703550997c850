"""Keeps the services of a plan running: tier after tier, restarted when they die, stopped in order by one Ctrl-C.

SIGUSR2 has it take its own place: everything is stopped but what apps need (`Service.leave`, `Service.reload`), and the
same program begins anew in the same process, from the code and the settings that are there then.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from apps.core.errors import PlatformError, UserError
from apps.infrastructure.embedded import files
from apps.infrastructure.embedded.child import Child
from apps.infrastructure.embedded.nursery import NOTHING, Gone, Nursery
from apps.infrastructure.embedded.plan import Step, Tier
from apps.infrastructure.embedded.running import Running, end_leftovers, tail

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # seconds before a service that died is started again
STEADY = 30.0  # seconds after which a start counts as a good one
LOOK = 20.0  # seconds between looks at what runs
STILL = 6  # looks at which the pulse of a service is the same, after which it hangs
TRIES = 3  # ends before it was ready for the first time, after which the start is given up
UP = Path("run") / "up"  # in the state directory; there while everything is ready
AGAIN = 75  # what `run` returns when the program is to begin anew

Report = Callable[[str], None]


class StartFailed(PlatformError):
    """A service did not become ready; the message has the end of its log."""


class Supervisor:
    """Runs `tiers` out of `state` until it is told to stop; `report` gets one calm line for each thing that happens.

    `check` is asked before anything is started, when what an earlier supervisor left has gone; it may refuse.
    `up` is called once, when everything is ready. Steps and services that may be forked come out of `nursery`, if there
    is one.
    """

    def __init__(
        self,
        state: Path,
        tiers: list[Tier],
        report: Report,
        up: Callable[[], None],
        *,
        check: Callable[[], None] = lambda: None,
        nursery: Nursery | None = None,
    ) -> None:
        self._state, self._tiers, self._report, self._check, self._up = state, tiers, report, check, up
        self._nursery = nursery
        self._marker = state / UP
        self._stopping = asyncio.Event()
        self._again = False
        self._running: list[list[Running]] = []
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._failure: PlatformError | None = None

    async def run(self) -> int:
        """0 after a stop that was asked for, 1 when the start failed, AGAIN after SIGUSR2: see `leave`. Raises
        UserError if another one runs already, or what `check` raised."""
        with _Lock(self._state):
            self._marker.unlink(missing_ok=True)
            files.directory(self._state / "log")
            await asyncio.to_thread(end_leftovers, self._state, self._report)
            await asyncio.to_thread(self._check)
            loop = asyncio.get_running_loop()
            for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(how, self._on_signal)
            loop.add_signal_handler(signal.SIGUSR2, self._on_again)
            looking = asyncio.create_task(self._look_after())
            try:
                await self._until_stopped()
            finally:
                looking.cancel()
                await self._stop()
            if self._failure:
                self._report(f"{self._failure.message}\n{self._failure.hint}".strip())
                return 1
            return AGAIN if self._again else 0

    async def _until_stopped(self) -> None:
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
        try:
            await starting
        except asyncio.CancelledError:
            pass
        except PlatformError as error:
            self._failure = error
            self._stopping.set()
        await stopping

    async def _start(self) -> None:
        prepared = [asyncio.create_task(self._do_all(tier.steps)) for tier in self._tiers]
        try:
            for tier, steps in zip(self._tiers, prepared, strict=True):
                await steps
                await self._start_tier(tier)
        finally:
            for steps in prepared:
                steps.cancel()
        await asyncio.to_thread(self._up)
        files.write(self._marker, f"{os.getpid()}\n")

    async def _start_tier(self, tier: Tier) -> None:
        running = [Running(service, self._state, self._nursery) for service in tier.services]
        self._running.append(running)
        ready = []
        for one in running:
            first = asyncio.get_running_loop().create_future()
            self._keepers[one.service.name] = asyncio.create_task(self._keep(one, first))
            ready.append(self._until_ready(one, first))
        await asyncio.gather(*ready)

    async def _do_all(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            await self._do(step)

    async def _do(self, step: Step) -> None:
        began = time.monotonic()
        forked = await self._fork(step)
        if await (self._take(step, forked) if forked else asyncio.to_thread(step.act)):
            self._report(f"{step.name}: done in {time.monotonic() - began:.1f} s")

    async def _fork(self, step: Step) -> Child | None:
        if self._nursery:
            with suppress(Gone):
                return Child(await asyncio.to_thread(self._nursery.fork, step.name, self._log(step)))
        return None

    async def _take(self, step: Step, forked: Child) -> bool:
        """Whether there was anything to do. A stop ends it at once: the next start does it again."""
        try:
            code = await forked.wait()
        finally:
            forked.send_signal(signal.SIGKILL)
        if code not in (0, NOTHING):
            raise _start_failed(step.name, f"ended with {code}", self._log(step))
        return code == 0

    def _log(self, step: Step) -> Path:
        return self._state / "log" / f"{step.name.replace(' ', '-')}.log"

    async def _until_ready(self, one: Running, given_up: asyncio.Future[str]) -> None:
        service, began = one.service, time.monotonic()
        while not (one.pid and await asyncio.to_thread(service.ready)):
            if given_up.done():
                raise _start_failed(service.name, given_up.result(), one.log)
            if time.monotonic() - began > service.start_seconds:
                raise _start_failed(service.name, f"was not ready after {service.start_seconds:g} s", one.log)
            await asyncio.sleep(0.03)
        self._report(f"{service.name}: ready in {time.monotonic() - began:.1f} s")
        if not given_up.done():
            given_up.set_result("")  # from here on it is restarted for as long as it takes

    async def _keep(self, one: Running, first: asyncio.Future[str]) -> None:
        """Start it again and again until everything stops."""
        name, pause, ends = one.service.name, FIRST_PAUSE, 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await one.start()
                how = f"ended with {await one.wait()}"
            except (OSError, PlatformError, UserError) as error:
                how = f"could not be started: {error}"
            ends += 1
            if self._stopping.is_set():
                return
            if not first.done() and ends >= TRIES:
                first.set_result(how)
                return
            pause = FIRST_PAUSE if time.monotonic() - began > STEADY else pause
            self._report(f"{name}: {how}; starting it again")
            await self._pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _stop(self) -> None:
        self._stopping.set()
        self._marker.unlink(missing_ok=True)
        for tier in reversed(self._running):
            await asyncio.gather(*(self._stop_one(one) for one in tier))
        self._report("everything is stopped but what apps need" if self._again else "everything is stopped")

    async def _stop_one(self, one: Running) -> None:
        keeper = self._keepers[one.service.name]
        if self._again and one.service.reload and one.pid:
            keeper.cancel()
            return
        leaving = self._again or self._failure is not None  # apps that were there are not ended by a start that failed
        await one.stop(leaving=leaving)
        while not keeper.done():  # a start was under way while the stop was asked for
            await asyncio.wait({keeper}, timeout=0.1)
            await one.stop(leaving=leaving)

    def _on_again(self) -> None:
        if not self._stopping.is_set():
            self._report("starting anew; what apps need goes on")
            self._again = True
            self._stopping.set()

    def _on_signal(self) -> None:
        if self._stopping.is_set():
            self._report("killing what is left")
            self._again = False
            for one in (one for tier in self._running for one in tier):
                one.kill()
        else:
            self._report("stopping, in order; once more to kill")
            self._stopping.set()

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            for one in [one for tier in self._running for one in tier]:
                await asyncio.to_thread(one.rotate)
                if await asyncio.to_thread(one.still) >= STILL and not self._stopping.is_set():
                    self._report(f"{one.service.name}: has not moved for {STILL * LOOK:.0f} s; killing it")
                    one.kill()


def leave(code: int) -> NoReturn:
    """End this program with what `Supervisor.run` returned, or have it begin anew in the same process."""
    if code == AGAIN:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    sys.exit(code)


def _start_failed(name: str, how: str, log: Path) -> StartFailed:
    end = tail(log)
    return StartFailed(
        "start_failed",
        f"{name} {how}." + (f" The end of {log}:\n{end}" if end else ""),
        "manage.py doctor looks for the reason.",
    )


class _Lock:
    """Holds `state` for one supervisor; the kernel lets go of it when the process ends, however it ends."""

    def __init__(self, state: Path) -> None:
        files.directory(state, 0o711)
        self._path = files.directory(state / "run", 0o711) / "supervisor.lock"

    def __enter__(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        # Whoever only asks whether one is running (supervisor_pid) holds it for a moment.
        if not any(_try_lock(self._fd, pause) for pause in (0.1, 0.3, 0)):
            pid = os.read(self._fd, 20).decode().strip()
            os.close(self._fd)
            raise _already_running(self._path.parent.parent, pid or "unknown")
        os.truncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _try_lock(fd: int, pause: float) -> bool:
    """Whether the lock is ours now; `pause` seconds are waited if not."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(pause)
        return False
    return True


def _already_running(state: Path, pid: int | str) -> UserError:
    return UserError(
        "already_running",
        f"Brainpod runs already out of {state} (process {pid}).",
        "Stop that one with Ctrl-C, or set BRAINPOD_STATE and BRAINPOD_PORT for a second one.",
    )


def refuse_second(state: Path) -> None:
    """Raise UserError("already_running") early, before anything is loaded; the lock decides in the end."""
    if pid := supervisor_pid(state):
        raise _already_running(state, pid)


def supervisor_pid(state: Path) -> int | None:
    """The process that holds `state`; None when nobody does."""
    try:
        fd = os.open(state / "run" / "supervisor.lock", os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        return None if _try_lock(fd, 0) else int(os.read(fd, 20).decode() or 0) or None
    finally:
        os.close(fd)
