"""All workloads of an agent: launched once, found again, kept by whatever keeper there is, stopped or left together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator

from apps.core.errors import PlatformError, Unavailable
from apps.engines.base import Handle, LaunchSpec, Status
from apps.engines.process import processes
from apps.engines.process.context import Context
from apps.engines.process.launcher import label
from apps.engines.process.once import Once
from apps.engines.process.terminal import Terminal
from apps.engines.process.workload import Workload

log = logging.getLogger(__name__)


class Fleet:
    def __init__(self, context: Context) -> None:
        self.context = context
        self._workloads: dict[str, Workload] = {}
        self._launching: dict[str, asyncio.Task[Workload]] = {}
        self._runs: set[Once] = set()
        self._terminals: dict[str, set[Terminal]] = {}
        self.closing = False

    def find(self, workload: str) -> Workload | None:
        return self._workloads.get(workload)

    def statuses(self) -> dict[str, Status]:
        return {name: workload.status() for name, workload in self._workloads.items()}

    def describe(self) -> tuple[bool, list[str]]:
        """Whether there is a sandbox, and what people should know of how things run here."""
        launcher = self.context.launcher
        notes = []
        if launcher.bubblewrap is None and launcher.required:
            notes.append("This host does not let sandboxes be made and one is required: nothing will be started.")
        elif launcher.bubblewrap is None:
            notes.append(
                "NO SANDBOX: this host does not let one be made. Apps and builds run as plain processes, with the "
                "network and every file their user may read. Run only code you trust."
            )
            if os.getuid() == 0:
                notes.append(
                    "Started by root without a sandbox: where a pod's user cannot reach the files, apps run as root."
                )
        elif not launcher.bubblewrap.features.overlay:
            notes.append("No overlays here: apps see their own files read-only beneath the first level.")
        if not launcher.limits_by_cgroup:
            notes.append("No cgroup may be made here: memory is limited per process, and CPU not at all.")
        return launcher.bubblewrap is not None, notes

    async def launch(self, spec: LaunchSpec) -> Handle:
        """Once per id: a second call, even while the first is under way, gets the same handle."""
        if self.closing:
            raise closing()
        known = self._workloads.get(spec.id)
        if known is not None:
            return known.handle
        task = self._launching.get(spec.id)
        if task is None:
            task = self._launching[spec.id] = asyncio.create_task(self._launch(spec))
            task.add_done_callback(lambda _: self._launching.pop(spec.id, None))
        return (await asyncio.shield(task)).handle

    async def _launch(self, spec: LaunchSpec) -> Workload:
        await asyncio.to_thread(self.context.launcher.prepare, spec)
        workload = Workload.create(self.context, spec)
        self._workloads[spec.id] = workload
        workload.start()
        return workload

    async def stop(self, name: str, grace: float) -> None:
        with contextlib.suppress(PlatformError, OSError):
            task = self._launching.get(name)
            if task is not None:
                await asyncio.shield(task)
        workload = self._workloads.get(name)
        if workload is not None:
            stopping = workload.stop(grace)
            for terminal in self._terminals.get(name, ()):
                terminal.cancel()
            await asyncio.shield(stopping)
            self._workloads.pop(name, None)

    @contextlib.contextmanager
    def running(self, once: Once) -> Iterator[None]:
        self._runs.add(once)
        try:
            yield
        finally:
            self._runs.discard(once)

    @contextlib.contextmanager
    def attached(self, workload: Workload, terminal: Terminal) -> Iterator[None]:
        """While the body runs, `terminal` ends with `workload`."""
        name = workload.spec.id
        self._terminals.setdefault(name, set()).add(terminal)
        if workload.leaving:
            terminal.cancel()
        try:
            yield
        finally:
            self._terminals[name].discard(terminal)
            if not self._terminals[name]:
                del self._terminals[name]

    def adopt(self) -> None:
        """Take over what the keeper holds; end what nobody holds any more."""
        for name in self.context.keeper.workloads():
            if name.startswith("once:"):
                self.context.keeper.drop(name)
                continue
            try:
                self._workloads[name] = Workload.adopt(self.context, self.context.keeper.get(name))
            except (KeyError, ValueError, OSError) as error:
                log.error("workload %s cannot be taken over: %s", name, error)
                self.context.keeper.drop(name)
        self._clear()
        for name, workload in list(self._workloads.items()):
            workload.watch_again()
            if workload.leaving:
                self._workloads.pop(name)

    def _clear(self) -> None:
        launcher, known = self.context.launcher, {label(name) for name in self._workloads}
        for pid in processes.marked(launcher.marker()):
            if not any(pid in processes.marked(launcher.marker(name)) for name in self._workloads):
                processes.send(pid)
        launcher.clear(known)
        for path in self.context.sockets.glob("*.sock"):
            if path.stem not in known:
                path.unlink(missing_ok=True)

    def keeper_lost(self) -> None:
        """Start another keeper and give it everything: traffic was cut for that long, no workload was touched."""
        log.error("the keeper process has gone: starting another")
        self.context.keeper.connect()
        for workload in self._workloads.values():
            workload.give_back()

    async def close(self) -> None:
        """Stop everything in order; nothing is left running."""
        await self._end_visits()
        await asyncio.gather(*(self.stop(name, w.spec.grace) for name, w in list(self._workloads.items())))
        self.context.keeper.quit()

    async def leave(self) -> None:
        """Go without a workload noticing: the next agent takes them over. Runs and terminals end with their agent."""
        await self._end_visits()
        await asyncio.gather(*self._launching.values(), return_exceptions=True)
        if not self._workloads:
            self.context.keeper.quit()

    async def _end_visits(self) -> None:
        self.closing = True
        for once in self._runs:
            once.cancel()
        for terminal in (terminal for terminals in self._terminals.values() for terminal in terminals):
            terminal.cancel()
        while self._runs or self._terminals:
            await asyncio.sleep(0.02)


def closing() -> Unavailable:
    return Unavailable("engine_closing", "The process engine is going down.")
