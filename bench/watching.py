"""Viewers started and waited for, and logs of their own for them to watch."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any

from django.utils import timezone

from apps.deployments.models import Deployment, Trigger
from bench.ground import Ground

PATIENCE = 120.0  # seconds


class Watching:
    """`count` viewers of `stream`, through nginx as a browser would, until line `last`; `seen`: see viewers.py."""

    def __init__(self, ground: Ground, stream: str, *, count: int, last: int) -> None:
        port = ground.platform.port
        where = f"ws://localhost:{port}/ws/logs/{stream}/?after=0"
        self._start(where, str(count), str(last), ground.cookie(), f"http://localhost:{port}")

    @classmethod
    def raw(cls, port: int, *, count: int, last: int) -> Watching:
        """Of the raw fan-out that listens on `port`."""
        made = cls.__new__(cls)
        made._start(f"tcp:{port}", str(count), str(last))
        return made

    def _start(self, *arguments: str) -> None:
        self.seen: dict[str, Any] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.viewers", *arguments], stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Watching:
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "watching\n":
            raise RuntimeError("the viewers could not connect")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self._process.kill()
        try:
            out, _ = self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise RuntimeError("the viewers did not see the last line") from None
        self.seen = json.loads(out) if error is None else {}


def log_of_its_own(ground: Ground, name: str) -> str:
    """A deployment's log with nothing in it, that the signed-in user may see."""
    pod = ground.team.pods.filter(name=name).first()
    if pod is None:
        ground.commit(name, {"index.html": name})
        pod = ground.pod(name, name, type="static")
    revision = pod.draft
    row = Deployment.objects.create(
        pod=pod, revision=revision, trigger=Trigger.MANUAL, state="cancelled", finished_at=timezone.now()
    )
    return row.stream
