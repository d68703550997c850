"""Operators are told what is wrong with the backups of the platform itself: by mail, once when it begins."""

from __future__ import annotations

import datetime

from apps.accounts.models import User
from apps.backups.platform import kept
from apps.core.announce import write_to

SEEN = "alarm"  # the file beside the backups that is there as long as something is wrong; in it, whether that is told
TOLD = "told"
TITLE = "The platform's own backup"
PAGE = "platform-backups"


def tend(now: datetime.datetime) -> None:
    """A copy that could not be made, or does not have what was written, is a backup that failed.

    One that is overdue has a while to be made: the platform may have been down, or been set up just now.
    """
    path = kept.directory() / SEEN
    alarm = kept.alarm(now)
    if not alarm:
        path.unlink(missing_ok=True)
        return
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(0o600)
    since = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
    if path.read_text() != TOLD and (kept.error() or since + kept.AGAIN <= now):
        for email in User.objects.filter(is_active=True, is_staff=True).values_list("email", flat=True):
            write_to(email, title=TITLE, words=alarm, page=PAGE)
        path.write_text(TOLD)
