"""Writing the audit log: one call in the action that changes something, inside its transaction.

trail.note("app.stop", by=by, about=pod, part=app)
"""

from __future__ import annotations

from typing import Any

from django.db import models

from apps.audit.circumstances import current
from apps.audit.models import AuditEntry
from apps.audit.verbs import VERBS

LONGEST = 300  # characters of one detail
_SECRET = frozenset({"password", "secret", "token", "key", "code", "credential", "credentials", "private_key"})


def note(
    verb: str, *, by: Any, about: models.Model | None = None, part: str = "", name: str = "", address: str = "",
    **details: Any,
) -> AuditEntry:  # fmt: skip
    """Write down that `by` (None: the platform itself) did `verb`.

    `about`: the row it was done to, which says whose team's it is; `part`: what of it, where it has no row of its own;
    `name`: what it is called, where the row does not say. `address`: where from, outside of requests. Details are
    words, numbers and lists of words; what is called like a secret is refused, being a mistake in the program.
    """
    if verb not in VERBS:
        raise ValueError(f"{verb} is not in apps/audit/verbs.py")
    if secret := details.keys() & _SECRET:
        raise ValueError(f"{', '.join(sorted(secret))} must not be in the audit log")
    now, person = current(), by if getattr(by, "pk", None) else None
    called = name or (_name(about) if about is not None else "")
    return AuditEntry.objects.create(
        team_id=_team(about),
        actor=_actor(person, now.token),
        user=person,
        person=person.email if person else "",
        token=now.token[:100] if person else "",
        verb=verb,
        name=_plain("/".join(word for word in (called, part) if word), 200),
        object_id=str(about.pk or "")[:40] if about is not None else "",
        address=(address or now.address)[:45],
        request=now.request[:128],
        details={word: _small(value) for word, value in details.items() if value not in (None, "", [])},
    )


def request_of(verb: str, about: models.Model) -> str:
    """The number of the request in which `verb` was last done to the row; empty where that was in none."""
    rows = AuditEntry.objects.filter(verb=verb, object_id=str(about.pk)).order_by("-id")
    return rows.values_list("request", flat=True).first() or ""


def _actor(person: Any, token: str) -> str:
    if person is None:
        return AuditEntry.Actor.PLATFORM
    return AuditEntry.Actor.TOKEN if token else AuditEntry.Actor.USER


def _name(about: models.Model) -> str:
    return str(getattr(about, "name", "") or about)


def _team(about: Any) -> int | None:
    """The team that `about` belongs to, directly or through its pod."""
    if about is None:
        return None
    if about._meta.label_lower == "accounts.team":
        return int(about.pk)
    if hasattr(about, "team_id"):
        return about.team_id
    pod = getattr(about, "pod", None)
    return pod.team_id if pod is not None else None


def _small(value: Any) -> Any:
    match value:
        case bool() | int() | float():
            return value
        case list() | tuple() | set() | frozenset():
            return [_plain(str(one), LONGEST) for one in list(value)[:20]]
    return _plain(str(value), LONGEST)


def _plain(text: str, longest: int) -> str:
    """`text` on one line, of what every database takes."""
    return "".join(c if c.isprintable() else " " for c in text)[:longest]
