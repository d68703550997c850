"""The database as it was before a new version changed it, and the way back to it.

A copy lies beside the database, readable by the platform's user alone, and is not sealed: whoever can read it can read
the database too. It has the database and nothing else; what an older version needs besides is still there.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from apps.backups.platform import database
from apps.core import claims, room
from apps.core.errors import NotFound, UserError
from apps.infrastructure.embedded.supervisor import refuse_second

log = structlog.get_logger(__name__)
ABOUT = "about.json"
Applied = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Copy:
    """`applied`: the migrations of the database then. `why`: upgrade, or back: made before going back to another."""

    name: str
    at: datetime.datetime
    why: str
    file: Path
    size: int
    applied: Applied


def directory() -> Path:
    return Path(settings.BRAINPOD.state) / "backups" / "upgrades"


def copies() -> list[Copy]:
    """The newest first."""
    found = (_read(path) for path in directory().glob(f"*/{ABOUT}"))
    return sorted(found, key=lambda copy: copy.at, reverse=True)


def keep(why: str = "upgrade") -> Copy:
    """A copy of the database as it is, whole or not there; the oldest beyond BRAINPOD_UPGRADE_COPIES go.

    Raises UserError("no_room" | "backup_tools_missing"), PlatformError.
    """
    place = directory()
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    _check_room()
    now = timezone.now()
    with claims.claimed(place, "copy-") as work:
        file = database.dump(work).name
        about = {"at": now.isoformat(), "why": why, "database": file, "applied": sorted(applied())}
        (work / ABOUT).write_text(json.dumps(about))
        for path in (work / file, work / ABOUT):
            path.chmod(0o600)
            _sync(path)
        made = place / f"{now:%Y%m%dT%H%M%S%fZ}"
        made.mkdir(mode=0o700)
        for name in (file, ABOUT):  # what says that it is one comes last
            (work / name).rename(made / name)
    kept = _read(made / ABOUT)
    log.info("upgrade_copy_kept", name=kept.name, why=why, size=kept.size)
    for old in copies()[max(settings.BRAINPOD.upgrade_copies, 1) :]:
        shutil.rmtree(directory() / old.name, ignore_errors=True)
    return kept


def back(name: str) -> Copy:
    """The database as it was in the copy `name`; as it is now it is kept as another copy, which is returned.

    Raises NotFound, UserError("already_running") while the platform runs here, and what `keep` raises.
    """
    wanted = next((copy for copy in copies() if copy.name == name), None)
    if wanted is None:
        raise NotFound(f"copy {name}: manage.py upgrades lists them")
    refuse_second(Path(settings.BRAINPOD.state))
    with claims.claimed(directory(), "back-") as work:
        source = work / wanted.file.name
        shutil.copyfile(wanted.file, source)  # first: the copy that is made now may be one too many
        now = keep("back")
        database.put_back(source)
    connection.close()
    log.info("upgrade_taken_back", to=name, kept=now.name)
    return now


def applied() -> Applied:
    return frozenset(MigrationRecorder(connection).applied_migrations())


def _check_room() -> None:
    """A copy that fills the disk would take down what serves."""
    needed = database.size() // 2**20 + settings.BRAINPOD.spare_mb
    if room.free_mb() < needed:
        raise UserError(
            "no_room", f"The copy of the database that an upgrade begins with needs {needed} MB; "
            f"{room.free_mb()} MB are free. Nothing was changed.", room.HINT, status=room.STATUS,
        )  # fmt: skip


def _read(about: Path) -> Copy:
    told: dict[str, Any] = json.loads(about.read_text())
    file = about.parent / told["database"]
    had = frozenset((app, name) for app, name in told["applied"])
    moment = datetime.datetime.fromisoformat(told["at"])
    return Copy(about.parent.name, moment, told["why"], file, file.stat().st_size, had)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
