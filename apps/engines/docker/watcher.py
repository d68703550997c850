"""Starts again what ended: `python -m apps.engines.docker.watcher --state DIR [--host ADDRESS]`.

One process of the platform. TERM ends it at once and leaves every container as it is; whatever ended without it is
started when the next one looks.
"""

from __future__ import annotations

import argparse
import ipaddress
import logging
import queue
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docker.errors import APIError

from apps.core import log_lines
from apps.core.errors import PlatformError, Unavailable
from apps.engines.base import DATABASE, PROXY
from apps.engines.docker.client import DockerEngine
from apps.engines.docker.frames import SECOND, moment
from apps.engines.docker.life import Life, words
from apps.engines.docker.names import FILES, MEETS, RUN, UNTIL, WORKLOAD
from apps.engines.docker.start import ADDRESS_TAKEN

log = logging.getLogger("brainpod.engine")
LOOK = 10.0  # seconds between two looks when nothing is due and nothing was told
GUARD = 60.0  # seconds between two times the firewall's rules are set: a reload of it forgets them
EMPTY = 600.0  # seconds a pod's network stays without a container: the next start, of one that slept, need not wait
SETTLED = 0.3  # seconds after an end was told
AGAIN = 2.0  # seconds until a daemon that went away is asked again
STALE = 120.0  # seconds after which nobody starts what was made, or ends what was asked to stop
NETWORK_GONE = re.compile(r"network \S+ not found")  # somebody removed a shared one meanwhile
ENDED = ["created", "exited", "dead"]


class Watcher:
    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine
        self._daemon = engine.daemon
        self._lives = engine.lives
        self._told: queue.Queue[bool] = queue.Queue()
        self._over = threading.Event()
        self._empty: dict[str, float] = {}  # since when, by the network's id

    def stop(self) -> None:
        self._over.set()
        self._told.put(False)

    def run(self) -> None:
        """Until `stop`. A daemon that does not answer is asked again and again."""
        while not self._over.is_set():
            try:
                self._watch()
            except PlatformError as error:
                log.warning("%s", error)
            self._over.wait(AGAIN)

    def _watch(self) -> None:
        with self._daemon.asking():
            events = self._daemon.events({**self._engine.names.filters(WORKLOAD), "event": ["die"]})
        lost = threading.Event()
        threading.Thread(target=self._listen, args=(events, lost), daemon=True, name="docker-events").start()
        first, guard, met = True, 0.0, None
        again: list[float] = []  # Docker tells of an end before its lists show it: looks that follow one
        while not self._over.is_set() and not lost.is_set():
            meetings = self._engine.starter.meetings.now()  # a service that came anew may have another address
            if time.monotonic() >= guard or meetings != met:
                met = meetings
                self._engine.starter.guard()
                self._engine.starter.networks.hasten()
                self._have_shared()
                self.sweep(EMPTY)
                guard = time.monotonic() + GUARD
            if self._engine.starter.meetings.gather():
                self._engine.starter.guard()
            wait = self.look(away=first)
            first = False
            if self._wait(min(wait, again.pop() if again else wait)):
                again = [SETTLED, SETTLED]

    def _guard(self, found: dict[str, Any]) -> None:
        """What is in a shared network may get the address of what ended there: nobody is let through to that now."""
        if MEETS in found["Config"]["Labels"]:
            self._engine.starter.guard()

    def _have_shared(self) -> None:
        for purpose in (DATABASE, PROXY):
            try:
                self._engine.starter.meetings.have(purpose)
            except Unavailable:
                raise
            except PlatformError as error:
                log.warning("%s", error)
        self._engine.starter.meetings.sweep()

    def _wait(self, seconds: float) -> bool:
        """Whether something was told meanwhile."""
        try:
            self._told.get(timeout=seconds)
        except queue.Empty:
            return False
        while not self._told.empty():
            self._told.get_nowait()
        return True

    def _listen(self, events: Iterator[dict[str, Any] | None], lost: threading.Event) -> None:
        try:
            with self._daemon.asking():
                for event in events:
                    if self._over.is_set():
                        return
                    if event is not None:
                        self._told.put(True)
        except PlatformError as error:
            log.warning("%s", error)
        lost.set()
        self._told.put(False)

    def sweep(self, patience: float) -> None:
        """Remove the pods' networks that were without a container at each look for `patience` seconds."""
        networks, now = self._engine.starter.networks, time.monotonic()
        self._empty = {network: self._empty.get(network, now) for network in networks.unused()}
        for network, since in self._empty.items():
            if now - since >= patience:
                networks.remove(network)

    def look(self, *, away: bool = False) -> float:
        """Deal with everything that does not run; seconds until something is due. `away`: nobody looked before."""
        with self._daemon.asking() as api:
            ended = api.containers(all=True, filters={**self._engine.names.filters(WORKLOAD), "status": ENDED})
            runs = api.containers(all=True, filters=self._engine.names.filters(RUN))
        now = time.time()
        for run in runs:
            if float(run["Labels"].get(UNTIL, 0)) < now:
                self._engine.starter.discard(run["Id"])
        dues = [self._deal(listed["Labels"][WORKLOAD], away=away) for listed in ended]
        return max(0.05, min([LOOK, *dues]))

    def _deal(self, workload: str, *, away: bool) -> float:
        """Seconds until this one is due."""
        found = self._engine.starter.find(workload)
        if found is None or found["State"]["Status"] not in ENDED:
            return LOOK
        asked = self._lives.leaving(workload)
        if asked is not None or found["State"]["Status"] == "created":
            self._clear(workload, found, asked)
            return LOOK
        life = self._lives.load(workload)
        state = found["State"]
        if life.ended != state["FinishedAt"]:
            self._note(workload, life, state, away=away)
        wait = life.next_start - time.time()
        if wait > 0:
            return wait
        self._start_again(workload, life, found)
        return 1.0

    def _clear(self, workload: str, found: dict[str, Any], asked: float | None) -> None:
        """Whoever made it never started it, or whoever stopped it never removed it: they have died."""
        since = asked if asked is not None else moment(found["Created"]) / SECOND
        if time.time() - since > STALE:
            self._engine.stop({"id": workload}, 0)

    def _note(self, workload: str, life: Life, state: dict[str, Any], *, away: bool) -> None:
        policy, now = life.policy(), time.time()
        life.ended, life.words = state["FinishedAt"], words(state)
        life.next_start = policy.next_start(moment(life.ended) / SECOND)
        if away and len(life.attempts) < policy.limit:
            life.next_start = now
        told = f"{life.words[0].upper()}{life.words[1:]}"
        life.note(f"{told}; {policy.reason(now, life.next_start)}.")
        self._lives.save(workload, life)

    def _start_again(self, workload: str, life: Life, found: dict[str, Any]) -> None:
        files = self._engine.starter.files.place(workload)
        if found["Config"]["Labels"].get(FILES, "0") != "0" and not files.is_dir():
            log.info("%s: its files went with the machine's memory; it is made anew", workload)
            self._engine.stop({"id": workload}, 0)
            return
        policy, now = life.policy(), time.time()
        policy.started(now)
        life.attempts, life.restarts = policy.attempts, life.restarts + 1
        life.next_start = now + policy.delay
        self._lives.save(workload, life)
        with self._daemon.asking() as api:
            try:
                if self._lives.leaving(workload) is None:
                    self._guard(found)
                    api.start(found["Id"])
            except APIError as error:
                why = (error.explanation or "").lower()
                if any(words in why for words in ADDRESS_TAKEN) or NETWORK_GONE.search(why):
                    log.info("%s: its address or a network has gone; it is made anew", workload)
                    self._engine.stop({"id": workload}, 0)
                    return
                life.note(f"Not started: {error.explanation}")
                life.next_start = life.policy().next_start(now)
                self._lives.save(workload, life)


def options(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="brainpod-docker")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--host", default="", help="the daemon's address; default: /var/run/docker.sock")
    parser.add_argument("--allow-network", type=ipaddress.ip_network, nargs="*", default=[], action="extend")
    parser.add_argument("--join-network", nargs="*", default=[], action="extend")
    parser.add_argument("--log-format", choices=log_lines.FORMS, default="console")
    return parser.parse_args(argv)


def main() -> None:
    given = options()
    log_lines.configure(given.log_format)
    engine = DockerEngine(given.host, given.state, allowed=given.allow_network, shared=tuple(given.join_network))
    watcher = Watcher(engine)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watcher.stop())
    watcher.run()


if __name__ == "__main__":
    main()
