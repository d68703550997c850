"""A supervisor to try, in a process of its own, and services for it that note what they do."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path

from apps.core.errors import UserError
from apps.infrastructure.embedded.nursery import Nursery
from apps.infrastructure.embedded.plan import Service, Tier
from apps.infrastructure.embedded.supervisor import AGAIN, Supervisor
from tests.stack.components import wait_for

# Writes its name at start and end and at what else it is told, becomes ready, ignores nothing.
FAKE = """
import os, pathlib, signal, sys, time
state, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def say(word):
    with open(state / "story", "a") as story:
        story.write(f"{word} {name}\\n")
def stop(*_):
    say("stop"); (state / f"{name}.up").unlink(missing_ok=True); os._exit(0)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGUSR2, lambda *_: (say("leave"), os._exit(0)))
signal.signal(signal.SIGHUP, lambda *_: say("reload"))
say("start"); print("hello from", name, flush=True)
(state / f"{name}.up").write_text(str(os.getpid()))
time.sleep(600)
"""


def fake(state: Path, name: str, code: str = FAKE, **more: object) -> Service:
    marker = state / f"{name}.up"
    command = [sys.executable, "-S", "-c", code, str(state), name]
    given = {"leftovers": (marker,), "grace": 30.0, **more}
    return Service(name, lambda: command, marker.exists, dict(os.environ), **given)  # type: ignore[arg-type]


class Started:
    """A supervisor in a child process: signals and PDEATHSIG as they are in life."""

    def __init__(self, state: Path, tiers: list[Tier]) -> None:
        self.state = state
        self.lines = state / "lines"
        self.pid = os.fork()
        if self.pid == 0:
            code = 70
            try:
                os.setsid()
                # The platform executes itself here: the same process, so what it started is still its child.
                while (code := _run(state, tiers, self.lines)) == AGAIN:
                    (state / "is-up").unlink()
            except SystemExit as ended:  # of a process that the nursery forked
                code = int(ended.code or 0)
            finally:
                os._exit(code)

    def up(self) -> Started:
        wait_for((self.state / "is-up").exists, 60, "the supervisor to be up")
        return self

    def wait(self) -> int:
        done: list[int] = []

        def ended() -> bool:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                done.append(os.waitstatus_to_exitcode(status))
            return bool(pid)

        wait_for(ended, 60, "the supervisor to end")
        self.pid = 0
        return done[0]

    def pid_of(self, name: str) -> int:
        return int((self.state / f"{name}.up").read_text())


def _run(state: Path, tiers: list[Tier], lines: Path) -> int:
    def report(line: str) -> None:
        with lines.open("a") as out:
            out.write(line + "\n")

    def check() -> None:
        if (state / "refuse").exists():
            raise UserError("port_taken", "No.")

    nursery = Nursery.open(tiers)
    try:
        supervisor = Supervisor(state, tiers, report, (state / "is-up").touch, check=check, nursery=nursery)
        return asyncio.run(supervisor.run())
    except UserError as error:
        report(f"refused: {error.code}")
        return 3
    finally:
        if nursery:
            nursery.close()


Start = Callable[[list[Tier]], Started]


def forked(state: Path, name: str) -> Service:
    """The same as `fake`, out of the nursery."""
    command = [sys.executable, "-m", "tests.infrastructure.forked", str(state), name]
    return dataclasses.replace(fake(state, name), command=lambda: command, forked=True, env={**os.environ, "OWN": "x"})
