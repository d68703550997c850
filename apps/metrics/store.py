"""The database's side: what was counted is added together with how far was read, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.metrics.models import Bucket, Reading, Statements
from apps.metrics.steps import EVER, ROUTES, Key, routes_of
from apps.metrics.sums import ADDED, NUMBERS, Sums
from apps.servers.base import SERVICES

COLUMNS = (*NUMBERS, "latencies", "figures")
TABLE = Bucket._meta.db_table


class Overtaken(Exception):
    """Somebody else has written since this was read: what was counted here may be counted already."""


def reading(source: str) -> Reading:
    """How far `source` was read; from the beginning if never."""
    return Reading.objects.get_or_create(source=source)[0]


def write(row: Reading, state: dict[str, Any], buckets: Mapping[Key, Sums]) -> None:
    """Add `buckets` to what is stored, and note `state` in `row`. Raises Overtaken, with nothing written."""
    with transaction.atomic():
        mine = Reading.objects.filter(pk=row.pk, version=row.version)
        # First of all: on PostgreSQL the second writer waits here, and then finds that it lost.
        if not mine.update(version=row.version + 1, state=state, written_at=timezone.now()):
            raise Overtaken(row.pk)
        _add(buckets)
    row.version += 1
    row.state = state


def _add(buckets: Mapping[Key, Sums]) -> None:
    """Most have numbers alone, which the database adds up itself: with many idle apps this is most of what the platform
    does. What is a dictionary is read, added to and written.
    """
    plain = {key: sums for key, sums in buckets.items() if not sums.latencies and not sums.figures}
    _add_numbers(plain)
    _merge({key: sums for key, sums in buckets.items() if key not in plain})


def _add_numbers(buckets: Mapping[Key, Sums]) -> None:
    if not buckets:
        return
    columns = ("pod", "app", "step", "start", *COLUMNS)
    values = [
        (key.pod, key.app, key.step, key.start, *(getattr(sums, name) for name in NUMBERS), "{}", "{}")
        for key, sums in buckets.items()
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {TABLE} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"  # noqa: S608 # nosec B608
            f" ON CONFLICT (pod, app, step, start) DO UPDATE SET {', '.join(map(_added, NUMBERS))}",
            values,
        )


def _added(name: str) -> str:
    """`name` of a row that is there and of the one to be added to it, in SQL."""
    there, more = f"{TABLE}.{name}", f"excluded.{name}"
    if name in ADDED:
        return f"{name} = {there} + {more}"
    return f"{name} = CASE WHEN {more} > {there} THEN {more} ELSE {there} END"


def _merge(buckets: Mapping[Key, Sums]) -> None:
    if not buckets:
        return
    stored = Bucket.objects.filter(
        pod__in={key.pod for key in buckets},
        step__in={key.step for key in buckets},
        start__in={key.start for key in buckets},
    )
    rows = []
    merged = {key: sums for key, sums in _keyed(stored) if key in buckets}
    for key, sums in buckets.items():
        whole = merged.get(key) or Sums()
        whole.add(sums)
        rows.append(_row(key, whole))
    Bucket.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["pod", "app", "step", "start"], update_fields=COLUMNS
    )


def _row(key: Key, sums: Sums) -> Bucket:
    numbers = {name: getattr(sums, name) for name in NUMBERS}
    latencies = {str(number): count for number, count in sorted(sums.latencies.items())}
    return Bucket(
        pod=key.pod, app=key.app, step=key.step, start=key.start, latencies=latencies, figures=sums.figures, **numbers
    )


def _keyed(rows: Any) -> Iterator[tuple[Key, Sums]]:
    for pod, app, step, start, *numbers, latencies, figures in rows.values_list(
        "pod", "app", "step", "start", *COLUMNS
    ):
        counted = dict(zip(NUMBERS, numbers, strict=True))
        histogram = {int(number): count for number, count in latencies.items()}
        yield Key(pod, app, step, start), Sums(**counted, latencies=histogram, figures=figures)


def between(pod: str, app: str, step: int, first: int, end: int) -> dict[int, Sums]:
    """The buckets of `app` that start from `first` to before `end`, by their start."""
    rows = Bucket.objects.filter(pod=pod, app=app, step=step, start__gte=first, start__lt=end)
    return {key.start: sums for key, sums in _keyed(rows)}


def totals() -> dict[tuple[str, str], Sums]:
    """Everything since each app was first seen, by pod and app."""
    return {(key.pod, key.app): sums for key, sums in _keyed(_of_apps().filter(step=EVER))}


def since(step: int, first: int) -> dict[tuple[str, str], list[Sums]]:
    """The buckets of all apps that start from `first` on, the newest last, by pod and app."""
    found: dict[tuple[str, str], list[Sums]] = {}
    rows = _of_apps().filter(step=step, start__gte=first).order_by("start")
    for key, sums in _keyed(rows):
        found.setdefault((key.pod, key.app), []).append(sums)
    return found


def _of_apps() -> QuerySet[Bucket]:
    return Bucket.objects.exclude(pod="").exclude(pod__endswith=ROUTES)


def forget(pods: Iterable[str]) -> None:
    gone = list(pods)
    Bucket.objects.filter(pod__in=[*gone, *map(routes_of, gone)]).delete()
    Statements.objects.filter(pod__in=gone).delete()


def forget_service(name: str) -> None:
    Bucket.objects.filter(pod=SERVICES, app=name).delete()
    Statements.objects.filter(pod=SERVICES, database=name).delete()


def starts(step: int, first: int, end: int) -> list[int]:
    """The starts of the buckets in which the platform measured."""
    rows = Bucket.objects.filter(pod="", app="", step=step, start__gte=first, start__lt=end)
    return list(rows.values_list("start", flat=True))


def newest() -> float | None:
    """When was last written, in seconds of the epoch."""
    at = Reading.objects.order_by("-written_at").values_list("written_at", flat=True).first()
    return at.timestamp() if at else None
