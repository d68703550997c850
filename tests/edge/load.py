"""A constant load of new and keep-alive connections, every request of which must be answered 200."""

from __future__ import annotations

import http.client
import threading
from types import TracebackType

PAUSE = 0.01


class Load:
    """Six clients, three of which open a connection for each request and one of which posts."""

    def __init__(self, port: int, host: str) -> None:
        self.port = port
        self.host = host
        self.answered = 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        kinds = [(kept, method) for kept in (True, False) for method in ("GET", "GET", "POST")]
        self._threads = [threading.Thread(target=self._client, args=kind, daemon=True) for kind in kinds]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _client(self, kept: bool, method: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self._stop.wait(PAUSE):
            try:
                connection.request(method, "/", b"x" if method == "POST" else None, {"Host": self.host})
                answer = connection.getresponse()
                answer.read()
                self._count("" if answer.status == 200 else f"{method} kept={kept}: {answer.status}")
            except (OSError, http.client.HTTPException) as error:
                self._count(f"{method} kept={kept}: {error!r}")
                connection.close()
            if not kept:
                connection.close()
        connection.close()

    def _count(self, failure: str) -> None:
        with self._lock:
            self.answered += 1
            if failure:
                self.failures.append(failure)
