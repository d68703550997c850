"""The book of what was done: an entry before it is done, closed with what came of it."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.models import User
from apps.audit import trail
from apps.core.errors import PlatformError, UserError
from apps.core.ids import new_id
from apps.databases.models import Entry
from apps.databases.targets import Target

LONGEST = 20_000  # characters of a statement that are kept
MOST = 3  # statements a person may have running at once
_SECRET = re.compile(r"password|identified|secret", re.IGNORECASE)
_LITERAL = re.compile(r"'(?:[^'\\]|''|\\.)*'|\$(\w*)\$.*?\$\1\$|\"(?:[^\"]|\"\")*\"", re.DOTALL)
_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{16}")


def forget() -> None:
    """Drop entries that are as old as those of the audit log may be."""
    old = timezone.now() - datetime.timedelta(days=settings.BRAINPOD.audit_days)
    Entry.objects.filter(at__lt=old).exclude(state=Entry.RUNNING).delete()


def masked(text: str) -> str:
    """Without its literals, if one of them may be a password."""
    return _LITERAL.sub("'…'", text) if _SECRET.search(text) else text


@contextmanager
def recorded(
    *, target: Target, by: User, kind: str, database: str = "", words: str, read_only: bool = False, id: str = ""
) -> Iterator[Entry]:
    """What fails is recorded and raised on. `id`: given by a page that wants to cancel it."""
    given = id if _ID.fullmatch(id) and not Entry.objects.filter(pk=id).exists() else new_id()
    entry = Entry.objects.create(
        pk=given, team=target.team, pod=target.pod, pod_name=target.pod.name if target.pod else "", server=target.name,
        database=_kept(database, 128), user=by, person=by.email, kind=kind, read_only=read_only,
        words=_kept(masked(words), LONGEST),
    )  # fmt: skip
    as_user = (target.reader if read_only and target.reader else target.apps).username
    trail.note("database.use", by=by, did=kind, database=database, entry=entry.pk, as_user=as_user, **noted(target))
    began = time.monotonic()
    state, error_words = Entry.FAILED, "It was not finished."
    try:
        yield entry
        state, error_words = Entry.DONE, ""
    except (UserError, PlatformError) as error:
        state = Entry.CANCELLED if error.code == "sql_cancelled" else Entry.FAILED
        # Servers quote the place where they stopped understanding.
        error_words = error.code if _SECRET.search(words) else str(error)
        raise
    finally:
        entry.state, entry.error, entry.token = state, error_words[:300], ""
        entry.seconds = time.monotonic() - began
        entry.save(update_fields=("state", "error", "token", "seconds", "rows"))


def _kept(text: str, longest: int) -> str:
    """As much of it as a column takes, and nothing that no database does."""
    return text.encode(errors="replace").decode()[:longest].replace("\0", "")


def noted(target: Target) -> dict[str, Any]:
    """How the audit log names the server."""
    return {"about": target.pod, "part": target.name} if target.pod else {"about": None, "name": target.name}


def entries(target: Target) -> QuerySet[Entry]:
    """What was done in this server, the newest first. Those of pods that were deleted have the pod's name still."""
    pod = {"pod": target.pod} if target.pod else {"pod": None, "pod_name": ""}
    return Entry.objects.filter(server=target.name, **pod)


def room(by: User) -> None:
    """Raises UserError("statements_many"). What a process left running when it died counts for five minutes."""
    since = timezone.now() - datetime.timedelta(minutes=5)
    if Entry.objects.filter(user=by, state=Entry.RUNNING, at__gt=since).count() >= MOST:
        raise UserError(
            "statements_many", f"You have {MOST} statements running.", "Wait for one, or cancel it.", status=429
        )
