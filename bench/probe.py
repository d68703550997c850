"""Looking until something is served, as the edge's and the limits' clients alike."""

from __future__ import annotations

import http.client
import time

EVERY = 0.004  # seconds between two looks


def until(port: int, host: str, text: str, seconds: float, path: str = "/") -> None:
    """Return when 127.0.0.1:`port` answers `host` with `text` in a 200. Raises TimeoutError with the last answer."""
    deadline, seen = time.monotonic() + seconds, "nothing"
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace")
            if answer.status == 200 and text in body:
                return
            seen = f"{answer.status} {body[:200]}"
        except OSError as error:
            seen = repr(error)
        finally:
            connection.close()
        time.sleep(EVERY)
    raise TimeoutError(f"{host} did not answer with {text!r} within {seconds:.0f} s: {seen}")
