"""Where one build works: the same for all its stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from apps.builds.caching.cache import Cache
from apps.core.paths import beneath
from apps.engines.base import Limits


class Interrupted(Exception):
    """The build was ended because `Room.cancelled` said so."""


def limits(memory: int = 0) -> Limits:
    """Of each command of a build; `memory` in MB as the app asks for it, 0 for the usual."""
    config = settings.BRAINPOD
    most = max(config.build_memory, config.build_memory_most)
    return Limits(cpu=config.build_cpu, memory=min(memory or config.build_memory, most), processes=2048)


@dataclass(frozen=True, slots=True)
class Room:
    """`workspace`: scratch on the artifact store's file system, gone afterwards. `caching`: what is kept for the next
    build of this app and zone, and mounted for nobody else. `tools`: where programs the platform brings are."""

    workspace: Path
    caching: Cache
    pod: str
    write: Callable[[str], None]
    cancelled: Callable[[], bool] = lambda: False
    limits: Limits = field(default_factory=limits)
    seconds: float = field(default_factory=lambda: float(settings.BRAINPOD.build_seconds))
    tools: Path = field(default_factory=lambda: settings.BRAINPOD.state / "tools")

    @property
    def cache(self) -> Path:
        """Where this build may keep what it likes."""
        return self.caching.directory

    @property
    def source(self) -> Path:
        """The checkout."""
        return self.workspace / "source"

    @property
    def dependencies(self) -> Path:
        """What `install` fills."""
        return self.workspace / "deps"

    def app(self, root: str) -> Path:
        """The app's directory in the checkout. Raises Invalid naming source.rootDir."""
        return beneath(self.source, root, "source.rootDir") if root else self.source

    def directory(self, name: str) -> Path:
        """A directory of the workspace, made if it is not there."""
        path = self.workspace / name
        path.mkdir(exist_ok=True)
        return path

    def check(self) -> None:
        if self.cancelled():
            raise Interrupted
