"""The metrics of an app, a database or a route as shown: charts of a range, figures in words, the deployments in it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q
from django.db.models.functions import Coalesce
from django.urls import reverse

from apps.core.errors import NotFound
from apps.infrastructure import workloads
from apps.infrastructure.models import Service
from apps.metrics import reader
from apps.metrics.charts import RANGES, TRAFFIC, Range, Span, series, summary
from apps.metrics.databases import charts as database_charts
from apps.metrics.steps import routes_of
from apps.pods import kinds
from apps.pods.kinds.app import RESTING
from apps.pods.models import Pod, Resource
from apps.servers.base import SERVICES

SILENT = 120.0  # seconds without a measurement that are worth a word
MOST_MARKS = 100
TIMES = ("range", "step", "first", "end", "times")
WORDS = {"ready": "went live", "degraded": "went live degraded", "failed": "failed", "cancelled": "was cancelled"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A deployment in a chart: when its traffic moved, or when it ended without that."""

    at: float
    id: str
    version: int | None
    state: str
    words: str
    summary: str
    address: str

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


def context(pod: Pod, found: Resource, asked: str) -> dict[str, Any]:
    """`asked`: the name of a range, empty for the shortest. Raises NotFound for another."""
    chosen = _range(asked or "1h")
    span = Span.of(chosen, time.time())
    points = reader.points(_owner(pod, found), found.name, chosen, span)
    age = reader.age()
    type, kind = found.spec.get("type", "web"), kinds.get(found.kind)
    server = kind.server
    statements, said_at = reader.statements(pod.pk, found.name) if server else ([], None)
    return {
        "ranges": RANGES.values(),
        "range": chosen,
        "summary": summary(points),
        "marks": _marks(pod, span),
        "any": reader.has_any(_owner(pod, found), found.name),
        "silent": age if age is None or age > SILENT else False,
        "answers": found.kind == "Route" or (found.kind == "App" and type not in ("worker", "job")),
        "runs": kind.runs and type not in RESTING,
        "server": server,
        "source": reverse("app-metrics", args=[pod.name, found.name]),
        "figures": database_charts.summary(points) if server else None,
        "statements": statements,
        "said_at": said_at,
    }


def data(pod: Pod, found: Resource, asked: str) -> dict[str, Any]:
    """What the page's script draws. Of a route: what the edge answered by way of it, for whichever app or for none."""
    drawn = _drawn(_owner(pod, found), found.name, asked, server=kinds.get(found.kind).server is not None)
    if found.kind == "Route":
        drawn = {key: value for key, value in drawn.items() if key in TIMES or key in TRAFFIC}
    return drawn | {"marks": [asdict(mark) for mark in _marks(pod, Span(drawn["first"], drawn["end"]))]}


def _owner(pod: Pod, found: Resource) -> str:
    """Under what the buckets of a resource are."""
    return routes_of(pod.pk) if found.kind == "Route" else pod.pk


def of_service(service: Service, asked: str) -> dict[str, Any]:
    """The same of an infrastructure service that runs here, for its charts."""
    return _drawn(SERVICES, service.name, asked, server=True) | {"marks": []}


def service_context(service: Service, asked: str) -> dict[str, Any]:
    """What the charts of such a service need. Raises NotFound for a range there is none of."""
    return {
        "ranges": RANGES.values(),
        "range": _range(asked or "1h"),
        "answers": False,
        "runs": True,
        "server": workloads.server_of(service),
        "source": reverse("service-metrics", args=[service.name]),
    }


def _drawn(pod: str, name: str, asked: str, *, server: bool) -> dict[str, Any]:
    chosen = _range(asked)
    span = Span.of(chosen, time.time())
    points = reader.points(pod, name, chosen, span)
    return {
        "range": chosen.name,
        "step": chosen.width,
        "first": span.first,
        "end": span.end,
        **series(points),
        **(database_charts.series(points) if server else {}),
    }


def _range(name: str) -> Range:
    if name not in RANGES:
        raise NotFound(f"such range: there are {', '.join(RANGES)}")
    return RANGES[name]


def _marks(pod: Pod, span: Span) -> list[Mark]:
    """The deployments that went live or ended in the span, the newest first."""
    first = datetime.fromtimestamp(span.first, UTC)
    rows = (
        pod.deployments.filter(Q(switched_at__isnull=False) | Q(finished_at__isnull=False))
        .annotate(moved_at=Coalesce("switched_at", "finished_at"))
        .filter(moved_at__gte=first)
        .select_related("revision")
        .order_by("-moved_at")[:MOST_MARKS]
    )
    return [
        Mark(
            at=row.moved_at.timestamp(),
            id=row.pk,
            version=row.revision.version,
            state=row.state,
            words=WORDS.get(row.state, "went live"),
            summary=row.revision.summary,
            address=reverse("deployment", args=[pod.name, row.pk]),
        )
        for row in rows
    ]
