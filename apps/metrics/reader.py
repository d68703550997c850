"""What pages ask for: the points of an app, and when was last measured."""

from __future__ import annotations

import time
from datetime import datetime

from apps.metrics import charts, store
from apps.metrics.databases import Statement
from apps.metrics.models import Bucket, Statements
from apps.metrics.steps import COARSE


def points(pod: str, app: str, shown: charts.Range, span: charts.Span) -> list[charts.Point]:
    buckets = store.between(pod, app, shown.step, span.first, span.end)
    return charts.points(shown, span, buckets, store.starts(shown.step, span.first, span.end))


def age() -> float | None:
    """Seconds since the platform last measured; None if it never has."""
    newest = store.newest()
    return None if newest is None else max(0.0, time.time() - newest)


def has_any(pod: str, app: str) -> bool:
    """Whether anything of the app is kept that pages show."""
    return Bucket.objects.filter(pod=pod, app=app, step=COARSE).exists()


def statements(pod: str, database: str) -> tuple[list[Statement], datetime | None]:
    """What a database server spent most time on, and when it said so."""
    found = Statements.objects.filter(pod=pod, database=database).first()
    return ([Statement(*row) for row in found.rows], found.said_at) if found else ([], None)
