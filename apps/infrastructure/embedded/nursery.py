"""Forks the platform's own Python processes out of one that has everything loaded: memory is shared, starts are quick.

The nursery is a child of the supervisor that does nothing else. What it forks becomes a child of the supervisor (who
is its "subreaper" for that moment), so a service is watched, signalled and killed as one that was started by itself,
and outlives the nursery. Linux only; without a nursery services are started as any other program.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from apps.core.errors import PlatformError
from apps.infrastructure.embedded import process
from apps.infrastructure.embedded.plan import Service, Step, Tier

ADOPTION_SECONDS = 30.0  # within which a forked process must have become the supervisor's child
NOTHING = 3  # what a step's process ends with when there was nothing to do


class Gone(Exception):
    """The nursery has ended, or cannot fork: services have to be started otherwise."""


class Nursery:
    """`fork` makes a process of one of the services or steps it was made with."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.pid = pid
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, tiers: Iterable[Tier]) -> Nursery | None:
        """A nursery for the steps of `tiers` and those services that are `forked`; None where there cannot be one.

        It has loaded what the caller has: what is loaded by one side later, both have in memory. To be called before
        the process has threads or an event loop. In a forked process it does not return but raises SystemExit when
        the service or the step has ended.
        """
        known: dict[str, Service | Step] = {}
        for tier in tiers:
            known |= {service.name: service for service in tier.services if service.forked}
            known |= {step.name: step for step in tier.steps}
        if not (known and process.can_adopt()):
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        supervisor = os.getpid()
        dies = process.dies_with_parent()
        gc.collect()
        gc.freeze()  # no collector looks at what all have, which would unshare its pages
        process.give_back_memory()
        pid = os.fork()
        if pid:
            theirs.close()
            return cls(ours, pid)
        ours.close()
        dies()
        os.setsid()
        process.rename("bp-nursery")
        with theirs:
            wanted, log = _serve(theirs, known)
        _become(wanted, log, supervisor)
        return None  # never reached

    def fork(self, name: str, log: Path) -> int:
        """The number of a new process that runs the service or step `name`, a child of this one. Raises Gone."""
        request = json.dumps([name, str(log)]).encode()
        with self._lock, process.adopting():
            try:
                self._connection.send(request)
                answer = self._connection.recv(64)
            except OSError as error:
                raise Gone(str(error)) from error
        if not answer.isdigit():
            raise Gone("it ended")
        return int(answer)

    def close(self) -> None:
        """End it; what it forked goes on."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _serve(connection: socket.socket, known: dict[str, Service | Step]) -> tuple[Service | Step, Path]:
    """Answer requests until the supervisor closes. Returns in each forked process alone."""
    while request := connection.recv(8192):
        name, log = json.loads(request)
        told, tell = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child == 0:
                os.close(told)
                os.close(tell)
                return known[name], Path(log)
            os.write(tell, str(child).encode())
            os._exit(0)
        os.close(tell)
        os.waitpid(between, 0)  # from here on the new process is the supervisor's child
        connection.send(os.read(told, 64) or b"failed")
        os.close(told)
    os._exit(0)


def _become(wanted: Service | Step, log: Path, supervisor: int) -> None:
    """Be what is wanted, until it has ended. Raises SystemExit."""
    os.setsid()
    _redirect(log)
    _wait_for_parent(supervisor)
    process.bind_to_parent(wanted.orphan if isinstance(wanted, Service) else signal.SIGKILL)
    _wait_for_parent(supervisor)  # it may have ended in between, without the kernel telling us
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    process.rename(f"bp-{wanted.name}")
    try:
        code = _take(wanted) if isinstance(wanted, Step) else _execute(wanted)
    except Exception:  # noqa: BLE001 - as the interpreter itself would end
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = 1
    sys.exit(code)


def _take(step: Step) -> int:
    try:
        return 0 if step.act() else NOTHING
    except PlatformError as error:
        print(f"{error.message} {error.hint}".strip(), file=sys.stderr)
        return 1


def _execute(service: Service) -> int:
    """What `python -m module …` would do."""
    os.environ.clear()
    os.environ.update(service.env)
    _python, flag, module, *arguments = service.command()
    assert flag == "-m"
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def _wait_for_parent(supervisor: int) -> None:
    deadline = time.monotonic() + ADOPTION_SECONDS
    while os.getppid() != supervisor:
        if time.monotonic() > deadline:
            sys.exit("the supervisor is gone")
        time.sleep(0.001)


def _redirect(log: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for fd, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(fd, target)
    os.close(nothing)
    os.close(out)
    # Names of files may be no text: they are not to cost the line that has them, as Python's own stderr knows.
    for name, fd in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, open(fd, "w", buffering=1, errors="backslashreplace", closefd=False))  # noqa: SIM115
