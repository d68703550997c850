"""An image on its way between a daemon and a registry: told in a few lines, tried again, ended when asked to."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.errors import APIError

from apps.engines.docker.daemon import AWAY

QUIET = 300.0  # seconds in which nothing at all is heard of it, after which it is given up
SLACK = 60.0  # seconds after which the connection to the daemon is given up as well
LOOK = 0.2  # seconds between two questions whether to stop
SAY = 5.0  # seconds between two lines on how far it is
PAUSES = (1.0, 4.0)  # seconds before each further try
MB = 1_000_000
# What trying again does not change.
FINAL = (
    "unauthorized", "denied", "no basic auth", "authentication required", "manifest unknown", "manifest for",
    "name unknown", "not found", "nothing was heard", "no matching manifest", "invalid reference", "does not exist",
)  # fmt: skip
THERE = ("Layer already exists", "Already exists", "Mounted from")
DONE = ("Pushed", "Pull complete")
STORED = re.compile(r": digest: (sha256:[0-9a-f]{64}) size: \d+$")  # all that containerd's store of images says

Login = Callable[[str], Mapping[str, str] | None]
"""What a daemon is to say who it is with, for an image; None: what the Docker configuration of this user says."""


class Failed(Exception):
    """It did not arrive; the message is the daemon's."""


class Stopped(Exception):
    """`stopped()` said so."""


@dataclass(slots=True)
class Journey:
    """What the daemon said. `digest`: of the image in the registry, known after a push."""

    on_line: Callable[[str], None]
    digest: str = ""
    sent: set[str] = field(default_factory=set)
    there: set[str] = field(default_factory=set)
    _bytes: dict[str, tuple[int, int]] = field(default_factory=dict)
    _said: float = field(default_factory=time.monotonic)
    _retries: bool = False

    def take(self, event: Mapping[str, Any]) -> None:
        """Raises Failed."""
        if error := event.get("error"):
            raise Failed(str(error))
        status, layer = str(event.get("status", "")), str(event.get("id", ""))
        detail = event.get("progressDetail") or {}
        self.digest = (event.get("aux") or {}).get("Digest", self.digest)
        if stored := STORED.search(status):
            self.digest = stored[1]
        if status in DONE:
            self.sent.add(layer)
        elif status.startswith(THERE):
            self.there.add(layer)
        elif status.startswith("Retrying in") and not self._retries:
            self._retries = True
            self.on_line("A layer did not get through; Docker tries it again.")
        elif status in ("Pushing", "Downloading") and detail.get("total"):
            self._bytes[layer] = (int(detail.get("current", 0)), int(detail["total"]))
            self._tell()

    def _tell(self) -> None:
        if time.monotonic() - self._said >= SAY:
            self._said = time.monotonic()
            done, total = (sum(pair[n] for pair in self._bytes.values()) / MB for n in (0, 1))
            self.on_line(f"{min(done, total):.1f} of {total:.1f} MB")

    @property
    def words(self) -> str:
        number = len(self.sent)
        there = f", {len(self.there)} there already" if self.there else ""
        return f"{number} layer{'' if number == 1 else 's'}{there}"

    @property
    def tried_again(self) -> bool:
        """Whether the daemon has tried several times by itself."""
        return self._retries


def push(
    host: str, reference: str, login: Mapping[str, str] | None, *, on_line: Callable[[str], None],
    stopped: Callable[[], bool],
) -> str:  # fmt: skip
    """Push `reference` (repository:tag); its digest in the registry.

    Raises Failed, Stopped, and what docker-py raises when the daemon itself does not answer.
    """
    began = time.monotonic()

    def start(api: docker.APIClient) -> Iterator[dict[str, Any]]:
        events: Iterator[dict[str, Any]] = api.push(reference, stream=True, decode=True, auth_config=login)
        return events

    journey = _tried(host, start, on_line, stopped)
    if not journey.digest:
        raise Failed("Docker did not say under which digest the image is stored.")
    on_line(f"Pushed {journey.digest[:19]} in {time.monotonic() - began:.1f} s: {journey.words}.")
    return journey.digest


def pull(
    host: str, reference: str, login: Mapping[str, str] | None, *, on_line: Callable[[str], None],
    stopped: Callable[[], bool], patient: bool = True,
) -> None:  # fmt: skip
    """Pull `reference`, by tag or digest; once if not `patient`. Raises as `push`."""
    began = time.monotonic()
    name, _, digest = reference.partition("@")
    last = name.rpartition("/")[2]
    tag = digest or (last.partition(":")[2] if ":" in last else "latest")
    repository = name.removesuffix(f":{tag}")

    def start(api: docker.APIClient) -> Iterator[dict[str, Any]]:
        events: Iterator[dict[str, Any]] = api.pull(repository, tag=tag, stream=True, decode=True, auth_config=login)
        return events

    on_line(f"Pulling {reference}")
    journey = _tried(host, start, on_line, stopped, patient)
    on_line(f"Pulled in {time.monotonic() - began:.1f} s: {journey.words}.")


def _tried(
    host: str, start: Callable[[Any], Iterator[dict[str, Any]]], on_line: Callable[[str], None],
    stopped: Callable[[], bool], patient: bool = True,
) -> Journey:  # fmt: skip
    for pause in (*(PAUSES if patient else ()), None):
        journey = Journey(on_line)
        try:
            for event in _events(host, start, stopped):
                journey.take(event)
        except (Failed, APIError) as error:
            words = str(getattr(error, "explanation", "") or error).strip().rstrip(".")
            if pause is None or journey.tried_again or any(part in words.lower() for part in FINAL):
                raise Failed(words) from error
            on_line(f"{words}. Trying again in {pause:g} s.")
            _wait(pause, stopped)
        else:
            return journey
    raise AssertionError("unreachable: the last try returns or raises")


def _wait(seconds: float, stopped: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if stopped():
            raise Stopped
        time.sleep(LOOK)


def _events(
    host: str, start: Callable[[Any], Iterator[dict[str, Any]]], stopped: Callable[[], bool]
) -> Iterator[dict[str, Any]]:
    """What the daemon says, read by a thread of its own: nobody waits for a silent registry to be told to stop."""
    said: queue.Queue[Any] = queue.Queue()
    over = threading.Event()

    def read() -> None:
        ended: Exception | None = ConnectionError("the daemon's answer broke off")
        try:
            api = docker.APIClient(base_url=host, version="auto", timeout=QUIET + SLACK)
            try:
                for event in start(api):
                    said.put(event)
                    if over.is_set():
                        break  # the connection goes with it, and the daemon ends what nobody listens to
            finally:
                api.close()
            ended = None
        except (APIError, *AWAY) as error:
            ended = error
        finally:
            said.put(ended)

    threading.Thread(target=read, daemon=True, name="docker-transfer").start()
    heard = time.monotonic()
    try:
        while not stopped():
            try:
                event = said.get(timeout=LOOK)
            except queue.Empty:
                if time.monotonic() - heard > QUIET:
                    raise Failed(f"nothing was heard of it for {QUIET:.0f} s") from None
                continue
            heard = time.monotonic()
            if event is None:
                return
            if isinstance(event, Exception):
                raise event
            yield event
        raise Stopped
    finally:
        over.set()
