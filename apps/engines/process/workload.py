"""One workload: started, watched, restarted by policy, stopped; taken over from the agent before this one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from datetime import UTC, datetime

from apps.core.errors import PlatformError, UserError
from apps.core.failpoints import failpoint
from apps.engines import probe
from apps.engines.base import Handle, LaunchSpec, LogLine, State, Status, Usage
from apps.engines.process import identity, logs, output, ports, processes, protocol, ways
from apps.engines.process.context import Context, Reports, pipe, proxy_port, read_some
from apps.engines.process.launcher import Wires
from apps.engines.process.life import Life, ending
from apps.engines.process.output import Output
from apps.engines.process.reach import Reach
from apps.engines.recovery import RestartPolicy

STOP_POLL = 0.02
SEE_POLL = 0.005


class Workload:
    def __init__(self, context: Context, spec: LaunchSpec, fds: dict[str, int], life: Life) -> None:
        self.spec = spec
        self._context = context
        self._fds = fds
        self._life = life
        self._policy = RestartPolicy(attempts=life.attempts)
        self._output = Output(fds, lambda line: context.publish(spec.id, line))
        self._marker = context.launcher.marker(spec.id)
        self._reports = Reports()
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._reach = Reach(context, spec, spec.id, build=False)
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._stopped: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    @classmethod
    def create(cls, context: Context, spec: LaunchSpec) -> Workload:
        """A new one, its descriptors given to the keeper; nothing runs yet."""
        fds = {"spec": logs.new_file("spec"), "state": logs.new_file("state")}
        fds |= output.make(identity.of(spec))
        logs.write_all(fds["spec"], json.dumps(protocol.spec_to_json(spec)).encode())
        if spec.port is not None:
            fds |= ports.listen(context.sockets, spec)
        workload = cls(context, spec, fds, Life())
        context.keeper.put(spec.id, fds)
        workload._save()
        workload._output.watch()
        return workload

    @classmethod
    def adopt(cls, context: Context, fds: dict[str, int]) -> Workload:
        """The one another agent left, from what the keeper held."""
        spec = protocol.launch_spec(json.loads(logs.read_whole(fds["spec"])))
        return cls(context, spec, fds, Life.read(fds["state"]))

    @property
    def handle(self) -> Handle:
        return {"id": self.spec.id} | ports.addresses(self._context.sockets, self.spec, self._fds)

    @property
    def present(self) -> LaunchSpec:
        """The spec as it runs now: without a sandbox it listens where there was room."""
        return self.spec if self._life.sandboxed else ports.at(self.spec, self._life.port)

    @property
    def leaving(self) -> bool:
        """Whether its stop was asked for: it is on its way out and no longer answers by its name."""
        return self._life.stopping

    def status(self) -> Status:
        life = self._life
        reason = life.reason
        if life.state == State.RESTARTING:
            reason = self._policy.reason(time.monotonic(), life.next_start)
            if life.reason:
                reason = f"{life.reason}; {reason}"
        since = datetime.fromtimestamp(life.since, UTC)
        return Status(State(life.state), life.restarts, life.exit_code, reason, since)

    def lines(self, after: int) -> list[LogLine]:
        return self._output.lines(after)

    def give_back(self) -> None:
        """Everything the keeper should hold, for one that is new."""
        self._context.keeper.put(self.spec.id, self._fds)
        self._forward(self._life.port)
        if self._life.runs:
            self._reach.peers()

    # Starting

    async def prepare(self) -> None:
        """Raises Invalid, Unavailable or PlatformError when this spec can never be started here."""
        await asyncio.to_thread(self._context.launcher.prepare, self.spec)

    def start(self) -> None:
        """Start the process. One that cannot be started counts as one that exited."""
        sandboxed = self._life.sandboxed = self._context.launcher.bubblewrap is not None
        status_r, status_w = pipe() if sandboxed else (-1, -1)
        block_r, block_w = pipe(blocking=True) if sandboxed else (-1, -1)
        self._set(State.STARTING, reason="")
        self._reports = Reports()
        spec = self.spec
        if sandboxed:
            self._keep("status", status_r)
            self._keep("block", block_w)
        elif spec.port is not None:
            spec = ports.on_loopback(spec)
            self._life.port = spec.port or 0
        failpoint("engine.created", self.spec.pod)
        wires = Wires(self._fds["out-w"], self._fds["err-w"], status_w, block_r)
        try:
            self._process = self._context.launcher.start(
                spec, wires, proxy_port=proxy_port(spec.port) if spec.network else None, build=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            self._output.note(f"The process could not be started: {error}")
            self._ended(None)
            return
        finally:
            for fd in (status_w, block_r):
                if fd >= 0:
                    os.close(fd)
        failpoint("engine.started", self.spec.pod)
        self._life.started(self._process.pid)
        self._over.clear()
        self._watch_process()
        if sandboxed:
            self._loop.add_reader(status_r, self._on_report)
        else:
            self._forward(self._life.port)
            self._set(State.RUNNING)
            try:
                self._reach.peers()
            except PlatformError as error:
                self._output.note(f"Its peers cannot be reached: {error}")
        self._save()

    def _on_report(self) -> None:
        fd = self._fds.get("status")
        if fd is None:
            return
        data = read_some(fd)
        if data == b"":
            self._loop.remove_reader(fd)
        if not data:
            return
        self._reports.feed(data)
        if self._reports.child and not self._life.child:
            self._life.entered(self._reports.child)
            self._save()
            if self._life.stopping:
                self._life.kill(self._marker)
            else:
                self._open_ways()

    def _open_ways(self) -> None:
        """The sandbox exists and waits: connect its network namespace to the outside, then let it run."""
        try:
            self._keep("netns", os.open(f"/proc/{self._life.child}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
            if self.spec.network:
                self._keep("proxy", self._context.keeper.listen(self.spec.id, proxy_port(self.spec.port)))
                self._reach.serve(os.dup(self._fds["proxy"]))
            self._life.port = self.spec.port or 0
            self._forward(self._life.port)
            self._reach.peers()
        except (OSError, PlatformError) as error:
            self._output.note(f"The sandbox could not be connected: {error}")
            self._life.kill(self._marker)
            return
        failpoint("engine.connected", self.spec.pod)
        with contextlib.suppress(OSError):
            os.write(self._fds["block"], b"1")
        self._discard("block")
        self._loop.create_task(self._see_running())

    async def _see_running(self) -> None:
        """The sandbox's first process starts the command next; what ends before it is seen has its exit to tell."""
        child, born = self._life.child, self._life.child_born
        while self._life.child == child and processes.alive(child, born):
            if processes.children(child):
                self._set(State.RUNNING)
                return
            await asyncio.sleep(SEE_POLL)

    def _forward(self, port: int) -> None:
        if self.spec.port is not None:
            self._context.keeper.forward(self.spec.id, port, ways.key(self.spec.pod, self.spec.name))

    # Watching

    def watch_again(self) -> None:
        """Take over from the agent before: what still runs goes on, what ended meanwhile has ended now."""
        life = self._life
        self._output.watch()
        if "status" in self._fds:
            data = read_some(self._fds["status"])
            self._reports.feed(data or b"")
            if self._reports.child and not life.child:
                life.entered(self._reports.child)
        if life.stopping:
            self._adopt_process()
            self.stop(self.spec.grace)
        elif life.state == State.RESTARTING:
            self._wait_to_start()
        elif life.state == State.STARTING and not life.pid:
            self._life.kill(self._marker)  # the agent died while it started this: begin anew
            self._close_ways()
            self._loop.create_task(self._start_again())
        elif life.runs or life.inside_runs:
            self._adopt_process()
        else:
            self._ended(self._reports.exit_code)

    def _adopt_process(self) -> None:
        life = self._life
        if not life.runs:
            self._life.kill(self._marker)
            self._over.set()
            return
        self._watch_process()
        if "status" in self._fds:
            self._loop.add_reader(self._fds["status"], self._on_report)
        if "block" in self._fds and life.child:
            self._open_ways()
            return
        if "proxy" in self._fds:
            self._reach.serve(os.dup(self._fds["proxy"]))
        if life.child and life.state == State.STARTING:
            self._loop.create_task(self._see_running())

    def _watch_process(self) -> None:
        self._pidfd = os.pidfd_open(self._life.pid)
        self._loop.add_reader(self._pidfd, self._on_exit)

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        code = None
        if self._process is not None:
            code = self._process.wait()
            code = code if code >= 0 else 128 - code
        if "status" in self._fds:
            self._reports.feed(read_some(self._fds["status"]) or b"")
            code = self._reports.exit_code if self._reports.exit_code is not None else code
        self._process = None
        if self._life.stopping:
            self._life.exit_code = code
            self._over.set()
        else:
            self._ended(code)

    def _ended(self, code: int | None) -> None:
        """It is over without having been asked to be: the policy says when it starts again."""
        self._life.kill(self._marker)
        self._output.drain()
        group = self._context.launcher.group(self.spec.id)
        starved = group is not None and group.out_of_memory()
        words = ending(code, starved=starved, counted=group is not None)
        now = time.monotonic()
        self._life.exit_code = code
        self._life.next_start = self._policy.next_start(now)
        self._set(State.RESTARTING, reason=words)
        self._output.note(f"{words[0].upper()}{words[1:]}; {self._policy.reason(now, self._life.next_start)}.")
        self._close_ways()
        self._over.set()
        self._wait_to_start()

    def _wait_to_start(self) -> None:
        self._timer = self._loop.call_later(max(0.0, self._life.next_start - time.monotonic()), self._restart)

    def _restart(self) -> None:
        self._timer = None
        self._policy.started(time.monotonic())
        self._life.attempts = self._policy.attempts
        self._life.restarts += 1
        self._loop.create_task(self._start_again())

    async def _start_again(self) -> None:
        group = self._context.launcher.group(self.spec.id)
        try:
            if group is not None:
                await asyncio.to_thread(group.remove)
            await self.prepare()
        except (UserError, PlatformError, OSError) as error:
            self._output.note(f"Not started: {error}")
            self._ended(None)
            return
        if not self._life.stopping:
            self.start()

    # Ending

    def stop(self, grace: float) -> asyncio.Task[None]:
        """TERM, `grace` seconds, KILL; done when nothing of it is left. A second call waits for the same end."""
        if self._stopped is None:
            self._life.stopping = True
            self._save()
            self._stopped = self._loop.create_task(self._stop(grace))
        return self._stopped

    async def _stop(self, grace: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = time.monotonic() + grace
        for pid in self._life.pids(self._marker):
            processes.send(pid, signal.SIGTERM)
        while self._life.pids(self._marker) and time.monotonic() < deadline:
            await asyncio.sleep(STOP_POLL)
        self._life.kill(self._marker)
        with contextlib.suppress(TimeoutError):
            if self._process is not None or self._life.runs:
                await asyncio.wait_for(self._over.wait(), 10)
        self._on_report()
        self._output.drain()
        failpoint("engine.ended", self.spec.pod)
        await asyncio.to_thread(self._remove)
        self._close_ways()
        self._output.close()
        with contextlib.suppress(PlatformError):
            self._context.keeper.drop(self.spec.id)
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()

    def _remove(self) -> None:
        group = self._context.launcher.group(self.spec.id)
        if group is not None:
            group.remove()
        if not self._life.sandboxed:
            self._context.launcher.view(self.spec).remove()
        ports.socket_path(self._context.sockets, self.spec.id).unlink(missing_ok=True)

    def _close_ways(self) -> None:
        self._reach.close()
        with contextlib.suppress(PlatformError):
            self._forward(0)
            self._reach.peers(())
        for name in ("status", "block", "proxy", "netns"):
            self._discard(name)
        self._life.ended()
        self._save()

    # Looking

    def first_child(self) -> int:
        """The process whose namespaces are the workload's; 0 when it does not run."""
        return next(iter(self._life.pids(self._marker)), 0) if self._life.state == State.RUNNING else 0

    def probe(self) -> str | None:
        if self.spec.port is None:
            return None
        pid = self.first_child()
        if not pid:
            return self.status().reason or "does not run"
        if not self._life.child:
            return ports.answers(self._life.port)
        return probe.words(pid, self.spec.port, proxy_port(self.spec.port))

    def usage(self) -> Usage | None:
        """Asked for every few seconds: without a sandbox, of those that can be found cheaply."""
        pids = self._life.tree()
        return processes.usage(pids) if pids else None

    # Keeping

    def _keep(self, name: str, fd: int) -> None:
        self._discard(name)
        self._fds[name] = fd
        self._context.keeper.put(self.spec.id, {name: fd})

    def _discard(self, name: str) -> None:
        fd = self._fds.pop(name, None)
        if fd is not None:
            self._loop.remove_reader(fd)
            os.close(fd)
            with contextlib.suppress(PlatformError):
                self._context.keeper.forget(self.spec.id, name)

    def _set(self, state: State, reason: str | None = None) -> None:
        if self._life.state != state:
            self._life.since = time.time()
        self._life.state = state.value
        self._life.reason = self._life.reason if reason is None else reason
        self._save()

    def _save(self) -> None:
        self._life.save(self._fds["state"])
