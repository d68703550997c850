"""Looking things up in the audit log: filters, pages by key, and files."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, TextField
from django.db.models.functions import Cast

from apps.audit.models import AuditEntry, AuditQuerySet
from apps.audit.verbs import VERBS

PAGE = 50
COLUMNS = ("at", "actor", "person", "token", "verb", "name", "object_id", "team", "address", "request", "details")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`what`: a verb, or the part before its dot; `object` a part of its name, or its id; the days are in UTC."""

    who: str = ""
    what: str = ""
    object: str = ""
    since: datetime.date | None = None
    until: datetime.date | None = None
    text: str = ""


def signing_in_of(user: Any) -> AuditQuerySet:
    """What was done with `user`'s own account, newest first: sign-ins, failed ones too, passwords, second factors."""
    verbs = [verb for verb in VERBS if verb.startswith(("signin.", "account."))]
    return AuditEntry.objects.filter(verb__in=verbs, object_id=str(user.pk))


def matching(rows: AuditQuerySet, wanted: Wanted) -> AuditQuerySet:
    """Those of `rows` that every given part of `wanted` fits."""
    if wanted.who:
        rows = rows.filter(
            Q(person__icontains=wanted.who) | Q(token__icontains=wanted.who) | Q(user__name__icontains=wanted.who)
        )
    if wanted.what:
        rows = rows.filter(Q(verb=wanted.what) | Q(verb__startswith=f"{wanted.what}."))
    if wanted.object:
        rows = rows.filter(Q(name__icontains=wanted.object) | Q(object_id=wanted.object))
    if wanted.since:
        rows = rows.filter(at__gte=_midnight(wanted.since))
    if wanted.until:
        rows = rows.filter(at__lt=_midnight(wanted.until) + datetime.timedelta(days=1))
    if wanted.text:
        quoted = json.dumps(wanted.text)[1:-1]  # as SQLite keeps it; PostgreSQL has the letters themselves
        rows = rows.annotate(told=Cast("details", TextField())).filter(
            Q(told__icontains=wanted.text)
            | Q(told__icontains=quoted)
            | Q(name__icontains=wanted.text)
            | Q(person__icontains=wanted.text)
            | Q(address=wanted.text)
            | Q(request=wanted.text)
        )
    return rows


def page(rows: AuditQuerySet, before: int | None) -> tuple[list[AuditEntry], int | None]:
    """The newest PAGE of `rows` that are older than the entry `before`, and the key of the page after it."""
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.shown().order_by("-id")[: PAGE + 1])
    return found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None


def as_csv(rows: AuditQuerySet) -> Iterator[str]:
    """Line by line. What a spreadsheet would take for a formula begins with an apostrophe."""
    yield _line(COLUMNS)
    for told in _told(rows):
        yield _line([harmless(text if isinstance(text, str) else json.dumps(text)) for text in told.values()])


def as_json_lines(rows: AuditQuerySet) -> Iterator[str]:
    for told in _told(rows):
        yield json.dumps(told, ensure_ascii=False) + "\n"


def harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _told(rows: AuditQuerySet) -> Iterator[dict[str, object]]:
    for row in rows.select_related("team").order_by("-id").iterator(chunk_size=500):
        values = (
            row.at.isoformat(timespec="milliseconds"), row.actor, row.person, row.token, row.verb, row.name,
            row.object_id, row.team.slug if row.team else "", row.address, row.request, row.details,
        )  # fmt: skip
        yield dict(zip(COLUMNS, values, strict=True))


def _line(cells: object) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)  # type: ignore[arg-type]
    return line.getvalue()


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)
