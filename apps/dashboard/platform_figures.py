"""The figures of every app and of the platform itself, for monitoring. A handful of queries, whatever their number."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping

from django.db.models import Count

from apps.builds.models import Builder
from apps.dashboard import platform_gauges
from apps.deployments.disks import live_disks
from apps.deployments.models import Deployment, DeploymentState, Workload
from apps.metrics import reader, store
from apps.metrics.databases.charts import average
from apps.metrics.disks import GB
from apps.metrics.exposition import Family
from apps.metrics.latency import cumulative
from apps.metrics.models import DiskUsage
from apps.metrics.steps import FINE
from apps.metrics.sums import CLASSES, Sums
from apps.pods.models import Pod

FRESH = 4 * FINE  # seconds: what an app has now is what was seen within them
EVERY = 4  # one of so many bounds of the latencies is passed on: 1 ms, 2 ms, 4 ms, … 17 min
MB = 1024 * 1024
Labels = Mapping[str, str]


def families() -> list[Family]:
    return [*_apps(), *_deployments(), *_builders(), *_disks(), *platform_gauges.families(), _age()]


def _apps() -> Iterator[Family]:
    requests = Family("brainpod_app_requests_total", "counter", "Requests the edge answered, by class of status.")
    seconds = Family("brainpod_app_request_duration_seconds", "histogram", "How long requests took, streams left out.")
    received = Family("brainpod_app_received_bytes_total", "counter", "Bytes of requests, with headers.")
    sent = Family("brainpod_app_sent_bytes_total", "counter", "Bytes of answers, with headers.")
    cpu = Family("brainpod_app_cpu_seconds_total", "counter", "CPU time of the instances.")
    restarts = Family("brainpod_app_restarts_total", "counter", "Times an instance was started again after it ended.")
    memory = Family("brainpod_app_memory_bytes", "gauge", "Memory of the instances together.")
    named = _names()
    totals, fresh = store.totals(), store.since(FINE, int(time.time()) - FRESH)
    for (pod, app), sums in sorted(totals.items()):
        if pod not in named:
            continue
        labels = {**named[pod], "app": app}
        for number, name in enumerate(CLASSES, 1):
            requests.add(getattr(sums, name), {**labels, "status": f"{number}xx"})
        _histogram(seconds, labels, sums)
        received.add(sums.received, labels)
        sent.add(sums.sent, labels)
        cpu.add(sums.cpu_ms / 1000, labels)
        restarts.add(sums.restarts, labels)
    for (pod, app), looks in sorted(fresh.items()):
        newest = next((sums.memory for sums in reversed(looks) if sums.memory is not None), None)
        if pod in named and newest is not None:
            memory.add(round(newest * MB), {**named[pod], "app": app})
    yield from (requests, seconds, received, sent, cpu, restarts, memory, _instances(named))
    yield from _databases(named, totals, fresh)


DATABASE_GAUGES = {
    "connections": ("connections", "Clients connected to a database server."),
    "limit": ("connections_limit", "Clients that may be connected."),
    "size": ("size_bytes", "Data of a database server; of Valkey, its memory."),
    "keys": ("keys", "Keys of a Valkey."),
}
DATABASE_COUNTERS = {
    "hits": ("cache_hits_total", "Reads that were answered from memory; of Valkey, keys that were there."),
    "misses": ("cache_misses_total", "Reads that were not."),
    "slow": ("slow_statements_total", "Statements slower than a second; of Valkey, than 10 ms."),
    "evictions": ("evictions_total", "Keys dropped for want of memory."),
}


def _databases(
    named: Mapping[str, Labels],
    totals: Mapping[tuple[str, str], Sums],
    fresh: Mapping[tuple[str, str], list[Sums]],
) -> Iterator[Family]:
    """Counters of everything since each was first seen, gauges as they are now."""
    for name, (said, words) in DATABASE_GAUGES.items():
        family = Family(f"brainpod_database_{said}", "gauge", words)
        for (pod, database), looks in sorted(fresh.items()):
            newest = next((value for sums in reversed(looks) if (value := average(sums, name)) is not None), None)
            if pod in named and newest is not None:
                family.add(round(newest), {**named[pod], "database": database})
        yield family
    for name, (said, words) in DATABASE_COUNTERS.items():
        family = Family(f"brainpod_database_{said}", "counter", words)
        for (pod, database), sums in sorted(totals.items()):
            if pod in named and name in sums.figures:
                family.add(sums.figures[name], {**named[pod], "database": database})
        yield family


def _histogram(family: Family, labels: Labels, sums: Sums) -> None:
    for bound, count in cumulative(sums.latencies, EVERY):
        family.add(count, {**labels, "le": f"{bound / 1000:g}"}, "_bucket")
    family.add(sums.timed, {**labels, "le": "+Inf"}, "_bucket")
    family.add(sums.took_ms / 1000, labels, "_sum")
    family.add(sums.timed, labels, "_count")


def _names() -> dict[str, Labels]:
    rows = Pod.objects.values_list("id", "team__slug", "name")
    return {pod: {"team": team, "pod": name} for pod, team, name in rows}


def _instances(named: Mapping[str, Labels]) -> Family:
    family = Family("brainpod_app_instances", "gauge", "Instances that are to run, by state.")
    rows = Workload.objects.exclude(state="stopped").order_by("pod_id", "app", "state")
    for pod, app, state, count in rows.values_list("pod_id", "app", "state").annotate(count=Count("id")):
        family.add(count, {**named.get(pod, {}), "app": app, "state": state})
    return family


def _deployments() -> Iterator[Family]:
    by_state = Family("brainpod_deployments", "gauge", "Deployments kept, by state.")
    counts = dict(Deployment.objects.order_by().values_list("state").annotate(count=Count("id")))
    for state in DeploymentState.values:
        by_state.add(counts.get(state, 0), {"state": state})
    yield by_state
    queue = Family("brainpod_deployments_waiting", "gauge", "Deployments that wait, by what for.")
    rows = Deployment.objects.filter(state="waiting").order_by("waits_for").values_list("waits_for")
    for reason, count in rows.annotate(count=Count("id")):
        queue.add(count, {"for": reason or "turn"})
    yield queue


def _builders() -> Iterator[Family]:
    builders = Family("brainpod_builders", "gauge", "Builders, by region and whether they answer.")
    slots = Family("brainpod_builder_slots", "gauge", "Builds at once of the builders that answer, by region.")
    counts: dict[tuple[str, str], int] = {}
    room: dict[str, int] = {}
    for builder in Builder.objects.order_by("region", "name"):
        state = ("draining" if builder.draining else "alive") if builder.alive else "silent"
        counts[builder.region, state] = counts.get((builder.region, state), 0) + 1
        if state == "alive":
            room[builder.region] = room.get(builder.region, 0) + builder.capacity
    for (region, state), count in sorted(counts.items()):
        builders.add(count, {"region": region, "state": state})
    for region, capacity in sorted(room.items()):
        slots.add(capacity, {"region": region})
    yield from (builders, slots)


def _disks() -> Iterator[Family]:
    used = Family("brainpod_disk_used_bytes", "gauge", "What was last found on a disk.")
    size = Family("brainpod_disk_size_bytes", "gauge", "The size a disk was given; nothing enforces it.")
    known = {(usage.pod, usage.disk): usage for usage in DiskUsage.objects.all()}
    for disk in live_disks():
        labels = {"team": disk.pod.team.slug, "pod": disk.pod.name, "disk": disk.name}
        size.add(disk.size * GB, labels)
        if (disk.pod.pk, disk.name) in known:
            used.add(known[disk.pod.pk, disk.name].used, labels)
    yield from (used, size)


def _age() -> Family:
    family = Family("brainpod_metrics_age_seconds", "gauge", "Since apps were last measured; +Inf: never.")
    age = reader.age()
    family.add(math.inf if age is None else age)
    return family
