"""The platform's end of git's hook: hears what has moved, acts on it, and says what comes of it as it comes."""

from __future__ import annotations

import contextvars
import re
import socket
import threading
from collections.abc import Callable

import structlog
from django.db import DatabaseError, connection

from apps.core.errors import PlatformError, UserError
from apps.pushes import arrival, words
from apps.pushes.arrival import Move
from apps.pushes.door import Repository
from apps.pushes.first import Place

LONGEST = 1024 * 1024  # bytes of what git says has moved
_ID = "[0-9a-f]{40}(?:[0-9a-f]{24})?"
_MOVED = re.compile(rf"({_ID}) ({_ID}) (refs/[\x21-\x7e\u0080-\U0010ffff]{{1,400}})")

log = structlog.get_logger(__name__)


class Attendant:
    """`arrived` is called once everything is there and the branches have moved."""

    def __init__(self, line: socket.socket, found: Repository, place: Place, *, arrived: Callable[[], None]) -> None:
        self._line, self._found, self._place, self._arrived = line, found, place, arrived
        self._hushed = threading.Event()
        # What is known of the request (its number, where it came from) holds for what is done for it here.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._run,), name="push", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hush(self) -> None:
        """Nobody listens any more. What is being done is done all the same."""
        self._hushed.set()
        try:
            self._line.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            if moves := self._heard():
                self._arrived()
                self._act(moves)
        except OSError:
            log.info("push_unheard", repository=self._found.url)
        finally:
            self._line.close()
            connection.close()

    def _heard(self) -> list[Move]:
        said = bytearray()
        while piece := self._line.recv(65536):
            if len(said) < LONGEST:
                said += piece
        lines = said[:LONGEST].decode("utf-8", "replace").split("\n")
        found = [_MOVED.fullmatch(line) for line in lines]
        return [Move(old=one[1], new=one[2], ref=one[3]) for one in found if one]

    def _act(self, moves: list[Move]) -> None:
        try:
            outcome = arrival.take(self._found, self._place, moves, say=self._say)
            if outcome:
                for piece in words.told(outcome, gone=self._hushed.is_set):
                    self._say(piece)
        except UserError as error:
            self._say(words.refused(error))
        except PlatformError as error:
            log.exception("push_failed", repository=self._found.url, error_id=error.id)
            self._say(words.failed(error))
        except DatabaseError:
            log.exception("push_failed", repository=self._found.url)
            self._say("The platform cannot say more now: look at the dashboard.\n")
        except Exception:
            failure = PlatformError("internal_error", "The push is stored.", "Look at the dashboard, and push again.")
            log.exception("push_failed", repository=self._found.url, error_id=failure.id)
            self._say(words.failed(failure))

    def _say(self, text: str) -> None:
        """Text that ends a line, to whoever pushes; nothing where nobody listens."""
        try:
            if not self._hushed.is_set():
                self._line.sendall(text.encode("utf-8", "replace"))
        except OSError:
            self._hushed.set()
