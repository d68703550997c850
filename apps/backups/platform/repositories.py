"""The repositories that the platform hosts, for its backup: each as a copy that git makes, whole whatever is pushed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from apps.core import claims
from apps.core.errors import PlatformError
from apps.sources import processes
from apps.sources.hosted import Hosted

PLACE = "repositories"  # of the state directory
LONGEST = 3600.0  # seconds for one of them


def names() -> list[str]:
    """<team>/<name>.git and <team>/<pod>/<app>.git, sorted."""
    return [str(path) for path in Hosted(Path(settings.BRAINPOD.state) / PLACE).everything()]


def copies(work: Path) -> Iterator[tuple[Path, str]]:
    """A copy in `work` and the name beneath the state directory, for each; a copy is gone when the next is asked for.

    Everything that branches, tags and other refs reach is in it. One that is deleted meanwhile is left out.
    Raises PlatformError("backup_repository_failed").
    """
    for name in names():
        path = Path(settings.BRAINPOD.state) / PLACE / name
        with claims.claimed(work, "repository-") as place:
            copy = place / path.name
            copy.mkdir(mode=0o700)
            try:
                _copy(path, copy)
            except (processes.Failed, processes.Stopped) as failed:
                if not path.exists():
                    continue
                raise PlatformError(
                    "backup_repository_failed", f"The repository {name} cannot be read: {str(failed)[-500:]}",
                    "Look at it with `git fsck` on the platform's host, and mend it from a clone or remove it.",
                ) from None  # fmt: skip
            yield copy, f"{PLACE}/{name}"


def _copy(path: Path, to: Path) -> None:
    at = ("--git-dir", str(to))
    _git("init", "--quiet", "--bare", "--", str(to))
    wanted = ("--quiet", "--no-tags", "--no-write-fetch-head", "--", str(path), "+refs/*:refs/*")
    _git(*at, "fetch", *wanted, config=("fetch.unpackLimit=1",))
    _git(*at, "symbolic-ref", "HEAD", _git("--git-dir", str(path), "symbolic-ref", "HEAD").strip())


def _git(*arguments: str, config: tuple[str, ...] = ()) -> str:
    return processes.run(
        arguments, deadline=time.monotonic() + LONGEST, cancelled=lambda: False,
        config=("protocol.file.allow=always", *config), env={"GIT_ALLOW_PROTOCOL": "file"},
    )  # fmt: skip
