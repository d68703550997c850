"""What the metrics of an app show: charts of a range, its figures in words, the deployments in it."""

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


def context(pod: Pod, app: Resource, asked: str) -> dict[str, Any]:
    """`asked`: the name of a range, empty for the shortest. Raises NotFound for another."""
    chosen = _range(asked or "1h")
    span = Span.of(chosen, time.time())
    points = reader.points(pod.pk, app.name, chosen, span)
    age = reader.age()
    kind = app.spec.get("type", "web")
    server = kinds.get(app.kind).server
    statements, said_at = reader.statements(pod.pk, app.name) if server else ([], None)
    return {
        "ranges": RANGES.values(),
        "range": chosen,
        "summary": summary(points),
        "marks": _marks(pod, span),
        "any": reader.has_any(pod.pk, app.name),
        "silent": age if age is None or age > SILENT else False,
        "answers": app.kind == "App" and kind not in ("worker", "job"),
        "runs": kind not in RESTING,
        "server": server,
        "source": reverse("app-metrics", args=[pod.name, app.name]),
        "figures": database_charts.summary(points) if server else None,
        "statements": statements,
        "said_at": said_at,
    }


def data(pod: Pod, app: Resource, asked: str) -> dict[str, Any]:
    """What the page's script draws."""
    found = _drawn(pod.pk, app.name, asked, server=kinds.get(app.kind).server is not None)
    return found | {"marks": [asdict(mark) for mark in _marks(pod, Span(found["first"], found["end"]))]}


def of_route(pod: Pod, name: str, asked: str) -> dict[str, Any]:
    """What the edge answered by way of a route, whichever app it was for and where it was for none."""
    found = _drawn(routes_of(pod.pk), name, asked, server=False)
    kept = {key: value for key, value in found.items() if key in TIMES or key in TRAFFIC}
    return kept | {"marks": [asdict(mark) for mark in _marks(pod, Span(found["first"], found["end"]))]}


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
