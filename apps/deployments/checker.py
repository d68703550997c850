"""Health checks of what serves, for as long as it serves: one thread beside the log collector, one task an instance.

The first check of each is at a random moment within its interval, so that many are spread; how many are under way at
once is bounded. What is found goes into the rows through observing.py, and an app with several instances gets traffic
only to those that pass. Nothing unhealthy is started again for that: what fails may be what it depends on.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from apps import edge
from apps.core.errors import PlatformError, Unavailable
from apps.deployments import checks, observing
from apps.deployments.checks import Check, Found
from apps.deployments.desired import edge_state
from apps.deployments.models import Workload
from apps.engines.base import State
from apps.pods.models import Resource

LOOK = 2.0  # seconds between two readings of what serves
SOON = 1.0  # seconds between two checks, at most, of what is starting
AT_ONCE = 64  # checks over HTTP
BESIDE = 8  # checks through the engine: each is a thread, and a command a process of the app
MARKS = ("pk", "state", "failing", "restarts", "revision_id", "handle")  # what a row is read anew for
WATCHED = ("starting", "healthy", "unhealthy")

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(slots=True)
class Watched:
    """One instance. `failures`: in a row."""

    row: Workload
    check: Check
    failures: int = 0
    task: asyncio.Task[None] | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)  # the row's state was changed by somebody else

    @property
    def pause(self) -> float:
        """Seconds until the next check."""
        interval = self.check.interval
        return min(SOON, interval) if self.row.state == "starting" else interval

    @property
    def excused(self) -> bool:
        """Whether the engine has it down: nothing is asked of it until it runs again."""
        return self.row.state == "unhealthy" and not self.row.failing

    @property
    def patient(self) -> bool:
        """Whether it may still be starting: it has its window, as at a deployment."""
        since = self.row.since
        return (
            self.row.state == "starting" and since is not None and time.time() - since.timestamp() < (self.check.window)
        )


def check(stop: threading.Event) -> None:
    """Check until `stop` is set."""
    while not stop.is_set():
        try:
            asyncio.run(Checker().run(stop))
        except Exception:
            log.exception("checks_failed")
            stop.wait(LOOK)


class Checker:
    def __init__(self) -> None:
        self._watched: dict[str, Watched] = {}
        self._checks: dict[tuple[int, str], Check] = {}
        self._rows_now: dict[str, Workload] = {}
        self._marks: dict[str, tuple[Any, ...]] = {}
        self._rows = ThreadPoolExecutor(1, "checks-db")  # one connection to the database
        self._beside = ThreadPoolExecutor(BESIDE, "checks")
        self._http = asyncio.Semaphore(AT_ONCE)

    async def run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                try:
                    self._follow(await self._in(self._rows, self._read))
                except DatabaseError as error:
                    log.warning("checks_wait", error=str(error))
                await asyncio.to_thread(stop.wait, LOOK)
        finally:
            self._follow({})
            await self._in(self._rows, lambda: connection.close())  # that of its thread
            self._rows.shutdown()
            self._beside.shutdown(wait=False, cancel_futures=True)

    # What there is to check

    def _read(self) -> dict[str, tuple[Workload, Check]]:
        """What serves and has a check, by id. One cheap query while nothing is new, however many there are."""
        close_old_connections()
        rows = Workload.objects.filter(serving=True, state__in=WATCHED, yielded_to=None).order_by()
        marks = {mark[0]: mark for mark in rows.values_list(*MARKS)}
        fresh = [pk for pk, mark in marks.items() if self._marks.get(pk) != mark]
        self._rows_now = {pk: row for pk, row in self._rows_now.items() if pk in marks}
        if fresh:
            self._rows_now |= {row.pk: row for row in Workload.objects.filter(pk__in=fresh).select_related("pod")}
        self._marks = marks
        serving = [row for row in self._rows_now.values() if row.handle]
        wanted = {(row.revision_id, row.app): row.pod.name for row in serving}
        missing = wanted.keys() - self._checks.keys()
        if missing:
            named = {name for _, name in missing}
            for resource in Resource.objects.filter(revision__in={revision for revision, _ in missing}, name__in=named):
                key = (resource.revision_id, resource.name)
                if key in missing:
                    self._checks[key] = Check.of(resource, wanted[key])
        self._checks = {key: value for key, value in self._checks.items() if key in wanted}
        found = {row.pk: (row, self._checks.get((row.revision_id, row.app))) for row in serving}
        return {pk: (row, check) for pk, (row, check) in found.items() if check and check.type != "alive"}

    def _follow(self, found: dict[str, tuple[Workload, Check]]) -> None:
        """Begin with what is new, end with what is gone, and take over what was changed."""
        for pk in self._watched.keys() - found.keys():
            task = self._watched.pop(pk).task
            if task is not None:
                task.cancel()
        for pk, (row, check) in found.items():
            watched = self._watched.get(pk)
            if watched is None:
                watched = self._watched[pk] = Watched(row, check)
                watched.task = asyncio.create_task(self._watch(watched))
                continue
            if (watched.row.state, watched.check) != (row.state, check):
                watched.news.set()
            if watched.row.restarts != row.restarts:
                watched.failures = 0
            watched.row, watched.check = row, check

    # Checking

    async def _watch(self, watched: Watched) -> None:
        if watched.row.state == "healthy":
            await asyncio.sleep(random.uniform(0, watched.pause))  # not all at once # nosec B311
        while True:
            watched.news.clear()
            try:
                found = None if watched.excused else await self._try(watched)
                if found is not None:
                    await self._judge(watched, found)
            except (PlatformError, DatabaseError, Workload.DoesNotExist) as error:
                log.info("check_waits", workload=watched.row.pk, error=str(error))
            except Exception:
                log.exception("check_failed", workload=watched.row.pk)
            try:
                async with asyncio.timeout(watched.pause):
                    await watched.news.wait()
            except TimeoutError:
                continue

    async def _try(self, watched: Watched) -> Found | None:
        """One check; None where nothing can be said, since the engine does not answer or has it down."""
        row, check = watched.row, watched.check
        if check.type == "http":
            async with self._http:
                return await checks.http(row.address, check)
        return await self._in(self._beside, lambda: _beside(row, check))

    async def _judge(self, watched: Watched, found: Found) -> None:
        row = watched.row
        if found.healthy:
            watched.failures = 0
            if row.state != "healthy":
                await self._in(self._rows, lambda: self._passed(row, found))
            return
        watched.failures += 1
        if watched.failures < watched.check.threshold or watched.patient:
            return
        if row.failing and not _differs(row.failing, found.words):
            return
        words = await self._in(self._beside, lambda: _explained(row, watched.check, found))
        if words:
            times = watched.check.threshold
            told = f"{words}, {times} times in a row" if times > 1 and not row.failing else words
            await self._in(self._rows, lambda: self._failed(row, told))

    # In the database's thread

    def _passed(self, row: Workload, found: Found) -> None:
        if observing.passed(row, found.words):
            self._route(row)

    def _failed(self, row: Workload, words: str) -> None:
        if observing.failed(row, words):
            self._route(row)

    def _route(self, row: Workload) -> None:
        """Take an instance out of traffic, or back, now; the reconciler would within seconds."""
        beside = Workload.objects.filter(pod=row.pod_id, app=row.app, serving=True).exclude(pk=row.pk)
        if row.address and beside.exists():
            edge.edge().apply(edge_state)

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


def _beside(row: Workload, check: Check) -> Found | None:
    status = row.runner.status(row.handle)
    if status.state is not State.RUNNING:
        return None  # the reconciler says so
    try:
        return checks.beside(row.runner, row.handle, check, status)
    except Unavailable:
        return None


def _explained(row: Workload, check: Check, found: Found) -> str:
    """What was found, and where it listens if not where it should. Empty: it is not running, or nobody can tell."""
    if row.runner.status(row.handle).state is not State.RUNNING:
        return ""
    if check.type != "http" or found.words != checks.NOBODY:
        return found.words
    try:
        return row.runner.probe(row.handle) or "nothing takes connections on $PORT"
    except PlatformError:
        return found.words


def _differs(before: str, now: str) -> bool:
    """Whether what a check finds is news to people: the same failure in other words is written once."""
    return not before.startswith(now.partition(":")[0])
