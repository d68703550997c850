"""A command beside a running workload, in its namespaces and as its user: `exec`, and what terminals begin with."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from apps.engines.base import LaunchSpec
from apps.engines.process import identity, namespaces, processes
from apps.engines.process.cgroups import Group
from apps.engines.process.launcher import Launcher
from apps.engines.process.sandbox import environment

MOST_OUTPUT = 1_048_576  # bytes; the rest is dropped
ORDER = ("ipc", "uts", "net", "pid", "mnt")
TIMED_OUT = 124
TERMINAL_PATIENCE = 10.0  # seconds a child may take to make its terminal
BY_NAME = ("/bin/sh", "-c", 'exec "$@"', "sh")  # looks the command up in the PATH it is given


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a process beside the workload is started with; `become` is for the child before it runs anything."""

    env: Mapping[str, str]
    workdir: str
    become: Callable[[], None]


def _nothing() -> None:
    return


def surroundings(
    launcher: Launcher,
    spec: LaunchSpec,
    pid: int,
    port: int,
    *,
    group: Group | None = None,
    last: Callable[[], None] = _nothing,
) -> Surroundings:
    """`pid`: the workload's. `group`: where it is limited together. `last` is called when everything else is done."""
    sandboxed = launcher.bubblewrap is not None
    env = environment(spec, launcher.host, proxy_port=port if sandboxed else None, build=False)
    if sandboxed:
        return Surroundings(env, "/", _enter(spec, pid, group, last))
    view = launcher.view(spec)
    env = {name: view.translate(value) for name, value in env.items()}
    return Surroundings(env, f"{view.root}{spec.workdir}", _own_user(launcher, spec, group, last))


async def run(
    launcher: Launcher, spec: LaunchSpec, pid: int, port: int, command: tuple[str, ...], timeout: float
) -> tuple[int, str]:
    """Exit code (124: took longer than `timeout`) and output of both streams."""
    given = surroundings(launcher, spec, pid, port)
    return await asyncio.to_thread(_run, command, given, timeout)


def _run(command: tuple[str, ...], given: Surroundings, timeout: float) -> tuple[int, str]:
    process = subprocess.Popen(
        [*BY_NAME, *command],
        env=given.env,
        cwd=given.workdir,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=given.become,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
        code = process.returncode
    except subprocess.TimeoutExpired:
        for pid in (*processes.descendants(process.pid), process.pid):
            processes.send(pid)
        output, _ = process.communicate()
        code = TIMED_OUT
    return (code if code >= 0 else 128 - code), output[:MOST_OUTPUT].decode("utf-8", "replace")


def _own_user(
    launcher: Launcher, spec: LaunchSpec, group: Group | None, last: Callable[[], None]
) -> Callable[[], None]:
    who = launcher.identity(spec)

    def become() -> None:
        if group is not None:
            group.join()
        identity.limit(spec.limits, memory=group is None, nice=0)
        who.assume()
        namespaces.no_new_privileges()
        last()

    return become


def _enter(spec: LaunchSpec, pid: int, group: Group | None, last: Callable[[], None]) -> Callable[[], None]:
    """The owner of the network namespace first, then what it owns, then the user namespace of the process."""
    who = identity.of(spec)

    def become() -> None:
        if group is not None:
            group.join()
        if who.drop:
            os.setgroups([])  # now: inside it may not be done
        opened = {name: os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for name in (*ORDER, "user")}
        owner = namespaces.owner_of(opened["net"])
        namespaces.setns(owner)
        for name in ORDER:
            namespaces.setns(opened[name])
        if os.fstat(owner).st_ino != os.fstat(opened["user"]).st_ino:
            namespaces.setns(opened["user"])
        os.chdir(spec.workdir)
        if who.drop:
            os.setgid(who.gid)
            os.setuid(who.uid)
        identity.limit(spec.limits, memory=group is None, nice=0)
        namespaces.no_new_privileges()
        namespaces.die_with_parent(signal.SIGKILL)
        child = os.fork()  # only a child is in the pid namespace
        if child:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.closerange(3, 1 << 20)  # among them the pipe that tells the parent about the exec
            _, status = os.waitpid(child, 0)
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
        namespaces.die_with_parent(signal.SIGKILL)
        last()

    return become
