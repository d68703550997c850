"""`exec`: a command beside a running workload, in its namespaces and as its user."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping

from apps.engines.base import LaunchSpec
from apps.engines.process import identity, namespaces, processes
from apps.engines.process.launcher import Launcher
from apps.engines.process.sandbox import environment

MOST_OUTPUT = 1_048_576  # bytes; the rest is dropped
ORDER = ("ipc", "uts", "net", "pid", "mnt")
TIMED_OUT = 124


async def run(
    launcher: Launcher, spec: LaunchSpec, pid: int, port: int, command: tuple[str, ...], timeout: float
) -> tuple[int, str]:
    """Exit code (124: took longer than `timeout`) and output of both streams."""
    sandboxed = launcher.bubblewrap is not None
    env = environment(spec, launcher.host, proxy_port=port if sandboxed else None, build=False)
    if not sandboxed:
        view = launcher.view(spec)
        env = {name: view.translate(value) for name, value in env.items()}
        become, workdir = _own_user(launcher, spec), f"{view.root}{spec.workdir}"
    else:
        become, workdir = _enter(spec, pid), "/"
    return await asyncio.to_thread(_run, command, env, become, workdir, timeout)


def _run(
    command: tuple[str, ...], env: Mapping[str, str], become: Callable[[], None], workdir: str, timeout: float
) -> tuple[int, str]:
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'exec "$@"', "sh", *command],
        env=env,
        cwd=workdir,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=become,
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


def _own_user(launcher: Launcher, spec: LaunchSpec) -> Callable[[], None]:
    who = launcher.identity(spec)

    def become() -> None:
        identity.limit(spec.limits, memory=True, nice=0)
        who.assume()
        namespaces.no_new_privileges()

    return become


def _enter(spec: LaunchSpec, pid: int) -> Callable[[], None]:
    """The owner of the network namespace first, then what it owns, then the user namespace of the process."""
    who = identity.of_pod(spec.pod)

    def become() -> None:
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
        identity.limit(spec.limits, memory=True, nice=0)
        namespaces.no_new_privileges()
        child = os.fork()  # only a child is in the pid namespace
        if child:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.closerange(3, 1 << 20)  # among them the pipe that tells the parent about the exec
            _, status = os.waitpid(child, 0)
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
        namespaces.die_with_parent(signal.SIGKILL)

    return become
