"""The backups of the platform that are made by the clock: files in one directory, and what is known of the last try."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.conf import settings
from django.utils import timezone
from pyrage import x25519

from apps.backups import remote, sealing
from apps.backups.platform import making, restored
from apps.core.errors import PlatformError, UserError
from apps.core.schedules import Schedule
from apps.deployments.duties import duty

log = structlog.get_logger(__name__)
PLACE = "platform"
ERROR = "last-error"
AGAIN = datetime.timedelta(minutes=15)  # after one that failed
LATE = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class File:
    name: str
    size: int
    at: datetime.datetime


def directory() -> Path:
    return Path(settings.BRAINPOD.state) / "backups" / PLACE


def files() -> list[File]:
    """The newest first."""
    found = sorted(directory().glob(f"platform_*{making.EXTENSION}"), reverse=True)
    return [File(path.name, path.stat().st_size, _moment(path)) for path in found]


def _made_here() -> list[File]:
    """Without those of the platform that this one was restored from: there may be no other of what it had."""
    since = restored.last()
    return [file for file in files() if since is None or file.at > since.at]


def error() -> tuple[str, datetime.datetime] | None:
    """Why the last try failed, and when; None if it did not."""
    path = directory() / ERROR
    return (path.read_text(), _moment(path)) if path.exists() else None


def due(now: datetime.datetime, *, late: datetime.timedelta = datetime.timedelta()) -> bool:
    """Whether one has been due for `late` that is not there."""
    line = settings.BRAINPOD.backups_platform
    if not line:
        return False
    if not late and (failed := error()) and failed[1] + AGAIN > now:
        return False
    there = files()
    following = Schedule(line).after(there[0].at if there else now - datetime.timedelta(days=1))
    return following is not None and following + late <= now


def alarm(now: datetime.datetime) -> str:
    """What is wrong with them, in words; empty if nothing is."""
    if failed := error():
        return f"The last backup of the platform failed: {failed[0]}"
    return "A backup of the platform is overdue." if due(now, late=LATE) else ""


def make() -> None:
    """Make one that is due, copy it, and forget the oldest. What goes wrong is remembered for operators."""
    with duty("backups.platform") as lease:
        if lease is None or not due(timezone.now()):
            return
        place = directory()
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = place / making.name_at(timezone.now())
        try:
            made = making.make(path, [x25519.Recipient.from_str(settings.BRAINPOD.backups_recipient)])
            _copy(path, made.digest)
        except (PlatformError, UserError) as failed:
            log.warning("platform_backup_failed", error=str(failed))
            (place / ERROR).write_text(str(failed))
            return
        (place / ERROR).unlink(missing_ok=True)
        log.info("platform_backup_completed", file=path.name, size=made.size)
        for old in _made_here()[settings.BRAINPOD.backups_platform_kept :]:
            _forget(old.name)


def _copy(path: Path, digest: str) -> None:
    to = remote.store()
    if to is None:
        return
    with path.open("rb") as file:
        to.put(f"{PLACE}/{path.name}", file)
    copy = to.get(f"{PLACE}/{path.name}")
    if copy is None:
        raise sealing.damaged()
    with copy:
        sealing.verify(copy, digest)


def _forget(name: str) -> None:
    to = remote.store()
    try:
        if to is not None:
            to.delete(f"{PLACE}/{name}")
    except PlatformError as failed:
        log.info("platform_backup_waits", file=name, error=str(failed))
        return
    (directory() / name).unlink(missing_ok=True)


def _moment(path: Path) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
