"""Carries bytes between an engine's terminal and whoever shows it, at the pace of the slower one.

Engines block, so two threads do it; the event loop of the sockets never waits for them.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from apps.core.errors import PlatformError, UserError
from apps.engines.base import Size, Terminal
from apps.terminals.models import Ending

WAIT = 0.2  # seconds a look at the terminal takes, if nothing happens
BATCH = 32 * 1024  # bytes put together into one message, when as many are there
WINDOW = 512 * 1024  # bytes shown to nobody yet, after which the terminal has to wait
WAITING = 256 * 1024  # bytes typed or pasted that the app has not taken yet
KILLED = 137
SILENT = 60.0  # seconds without a sign of life from the owner, after which nobody can be there

logger = structlog.get_logger(__name__)


class Watcher(Protocol):
    """Told of what happens, in threads of the carrier's."""

    def output(self, data: bytes) -> None: ...
    def taken(self, count: int) -> None: ...
    def over(self, ending: str, exit_code: int | None, note: str) -> None: ...


class Carrier:
    """One session: `attach` starts the terminal, `alive` says whether the instance still runs."""

    def __init__(
        self, attach: Callable[[Size], Terminal], alive: Callable[[], bool], watcher: Watcher, size: Size
    ) -> None:
        self._attach, self._alive, self._watcher = attach, alive, watcher
        self._size: Size | None = size
        self._input: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._waiting = 0
        self._window = 0
        self._room = threading.Condition()
        self._asked = ""
        self._ended = threading.Event()
        self._heard = time.monotonic()

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True, name="terminal").start()

    # From the owner, in any thread; none of it blocks

    def type(self, data: bytes) -> bool:
        """Whether there was room for it."""
        with self._room:
            if self._waiting + len(data) > WAITING:
                return False
            self._waiting += len(data)
        self._input.put(data)
        return True

    def resize(self, size: Size) -> None:
        self._size = size
        self._input.put(b"")

    def shown(self, count: int) -> None:
        with self._room:
            self._window = max(0, self._window - count)
            self._room.notify_all()

    def keep(self) -> None:
        """The owner is there."""
        self._heard = time.monotonic()

    def end(self, ending: str) -> None:
        """The first reason is the one that counts."""
        with self._room:
            self._asked = self._asked or ending
            self._room.notify_all()

    # The threads

    def _run(self) -> None:
        ending, code, note = str(Ending.REFUSED), None, ""
        try:
            size, self._size = self._size or Size(), None
            terminal = self._attach(size)
        except (UserError, PlatformError) as error:
            note = " ".join(filter(None, (error.message, error.hint)))
        except Exception:
            logger.exception("terminal_failed")
            note = "Something went wrong here; the platform's log has it."
        else:
            ending, code = self._carry(terminal)
        self._ended.set()
        self._watcher.over(ending, code, note)

    def _carry(self, terminal: Terminal) -> tuple[str, int | None]:
        writer = threading.Thread(target=self._write, args=(terminal,), daemon=True, name="terminal-input")
        writer.start()
        ending = str(Ending.LOST)
        try:
            ending = self._read(terminal)
        except PlatformError as error:
            logger.info("terminal_lost", error=str(error))
        except Exception:
            logger.exception("terminal_failed")
        finally:
            self._ended.set()
            self._input.put(b"")
            terminal.close()
        if ending != Ending.EXITED:
            return ending, None
        code = terminal.exit_code()
        gone = code is None or (code == KILLED and not self._alive())
        return (str(Ending.STOPPED), None) if gone else (ending, code)

    def _read(self, terminal: Terminal) -> str:
        """Until it is over; why."""
        while True:
            with self._room:
                full = self._window >= WINDOW
                if full and not self._asked:
                    self._room.wait(WAIT)
            if self._asked:
                return self._asked
            if time.monotonic() - self._heard > SILENT:
                return str(Ending.LOST)
            if full:
                continue
            data = terminal.read(WAIT)
            if data is None:
                return str(Ending.EXITED)
            while data and len(data) < BATCH and (more := terminal.read(0.0)):
                data += more
            if data:
                with self._room:
                    self._window += len(data)
                self._watcher.output(data)

    def _write(self, terminal: Terminal) -> None:
        while not self._ended.is_set():
            data = self._input.get()
            total = len(data)
            while not self._ended.is_set():
                size, self._size = self._size, None
                if size is not None:
                    terminal.resize(size)
                if not data:
                    break
                data = data[terminal.write(data, WAIT) :]
            if total:
                with self._room:
                    self._waiting -= total
                self._watcher.taken(total)
