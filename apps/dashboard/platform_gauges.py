"""What is measured of the platform itself, for monitoring."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from django.db.models import DurationField, ExpressionWrapper, F
from django.utils import timezone

from apps.dashboard import platform_parts, platform_state
from apps.deployments.models import Deployment, StageRun
from apps.metrics.exposition import Family

DAY = datetime.timedelta(days=1)
MOST = 2000  # of the newest: quantiles need no more
QUANTILES = (0.5, 0.95)
TOOK = ExpressionWrapper(F("finished_at") - F("started_at"), DurationField())


def families() -> list[Family]:
    return [*_work(), *_durations(), *_edge(), *_room(), _parts()]


def _work() -> Iterator[Family]:
    queued = Family("brainpod_queue_messages", "gauge", "Messages for workers, by queue; unacked: under way.")
    for name, depth in (platform_state.queues() or {}).items():
        queued.add(depth, {"queue": name})
    leases = Family("brainpod_leases", "gauge", "Rows that workers hold, and (run_out) that were left by one.")
    for one in platform_state.leases():
        leases.add(one.held, {"kind": one.kind, "state": "held"})
        leases.add(one.run_out, {"kind": one.kind, "state": "run_out"})
    outbox = Family("brainpod_outbox", "gauge", "What is still to be sent.")
    late = Family("brainpod_outbox_oldest_seconds", "gauge", "For how long the oldest that is due has waited.")
    now = timezone.now()
    for box in platform_state.outboxes():
        outbox.add(box.waiting, {"outbox": box.name})
        late.add((now - box.since).total_seconds() if box.since else 0, {"outbox": box.name})
    building = Family("brainpod_builds", "gauge", "Builds under way, by builder.")
    for builder in platform_state.builders():
        building.add(builder.busy, {"builder": builder.builder.name, "region": builder.builder.region})
    yield from (queued, leases, outbox, late, building)


def _durations() -> Iterator[Family]:
    """Of the last 24 hours, as they are in the ledger: nothing is counted beside it that could be lost."""
    since = timezone.now() - DAY
    ended = Deployment.objects.filter(finished_at__gte=since).exclude(started_at=None).order_by("-finished_at")
    outcomes = Family("brainpod_deployments_ended", "gauge", "Deployments that ended in the last 24 hours, by outcome.")
    seconds = Family("brainpod_deployment_seconds", "gauge", "How long those of the last 24 hours took, by outcome.")
    by_state: dict[str, list[float]] = {"ready": [], "failed": [], "cancelled": []}
    for state, took in ended.values_list("state", TOOK)[:MOST]:
        by_state.setdefault(state, []).append(took.total_seconds())
    for state, values in by_state.items():
        outcomes.add(len(values), {"outcome": state})
        _quantiles(seconds, values, {"outcome": state})
    stages = Family("brainpod_stage_seconds", "gauge", "How long stages that passed in the last 24 hours took.")
    runs = StageRun.objects.filter(state="passed", finished_at__gte=since).exclude(started_at=None)
    by_stage: dict[str, list[float]] = {}
    for stage, took in runs.order_by("-id").values_list("stage", TOOK)[:MOST]:
        by_stage.setdefault(stage, []).append(took.total_seconds())
    for stage, values in sorted(by_stage.items()):
        _quantiles(stages, values, {"stage": stage})
    yield from (outcomes, seconds, stages)


def _quantiles(family: Family, values: Sequence[float], labels: dict[str, str]) -> None:
    ordered = sorted(values)
    for quantile in QUANTILES if ordered else ():
        value = ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]
        family.add(round(value, 3), {**labels, "quantile": f"{quantile:g}"})


def _edge() -> Iterator[Family]:
    generation = Family("brainpod_edge_generation", "gauge", "The edge's configuration: in place, and served by nginx.")
    state = platform_state.edge_state()
    generation.add(state.in_place, {"of": "in_place"})
    generation.add(state.served, {"of": "served"})
    refused = Family("brainpod_edge_refused", "gauge", "1 while the last configuration was refused.")
    refused.add(bool(state.refused))
    days = Family("brainpod_certificate_days", "gauge", "Whole days until a certificate ends; negative: it has.")
    for certificate, left in platform_state.certificates():
        if left is not None:
            days.add(left, {"host": certificate.host})
    yield from (generation, refused, days)


def _room() -> Iterator[Family]:
    disk = platform_state.disk()
    free = Family("brainpod_state_free_bytes", "gauge", "What is free on the disk with the state directory.")
    size = Family("brainpod_state_size_bytes", "gauge", "How large that disk is.")
    free.add(disk.free)
    size.add(disk.size)
    yield from (free, size)


def _parts() -> Family:
    family = Family("brainpod_up", "gauge", "1 for each part of the platform that answers, as in /readyz.")
    for part in platform_parts.parts():
        family.add(part.ok, {"part": part.name})
    return family
