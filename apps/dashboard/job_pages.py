"""What the pages of jobs show."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from apps.deployments.jobs import tend
from apps.deployments.jobs.follow import jobs_of
from apps.deployments.models import Job, JobRun
from apps.logs.history import initial
from apps.pods.models import Pod

SHOWN = 20  # runs on the card of an app


@dataclass(frozen=True, slots=True)
class Row:
    """A job of what is live. `next_at` is None while it is switched off; `last` its newest run."""

    name: str
    words: str
    schedule: str
    command: str
    enabled: bool
    next_at: datetime.datetime | None
    last: JobRun | None


@dataclass(frozen=True, slots=True)
class Card:
    """`stopped`: somebody stopped the app, so the clock runs none of them."""

    rows: list[Row]
    runs: list[JobRun]
    stopped: bool

    @property
    def failed(self) -> list[Row]:
        return [row for row in self.rows if row.last and row.last.state in ("failed", "missed")]


def jobs_card(pod: Pod, app: str) -> Card | None:
    """The jobs of `app` in what is live, and its newest runs; None without either."""
    specs = {name: spec for (of, name), spec in jobs_of(pod.live.snapshot()).items() if of == app} if pod.live else {}
    runs = JobRun.objects.filter(pod=pod, app=app).select_related("actor", "revision").order_by("-id")
    next_at = dict(Job.objects.filter(pod=pod, app=app).values_list("name", "next_at"))
    last: dict[str, JobRun] = {}
    for name in specs:
        if (newest := runs.filter(job=name).first()) is not None:
            last[name] = newest
    rows = [
        Row(name, spec.due.words, spec.schedule, spec.command, spec.enabled, next_at.get(name), last.get(name))
        for name, spec in specs.items()
    ]
    shown = list(runs[:SHOWN])
    return Card(rows, shown, tend.stopped(pod.pk, app)) if rows or shown else None


def run_context(pod: Pod, run: JobRun, *, page: bool) -> dict[str, Any]:
    """`page`: with what only the whole page shows, the log."""
    context: dict[str, Any] = {"run": run, "may_cancel": run.is_open and not run.cancel_at}
    if page:
        context |= {
            "stream": run.stream,
            "log": initial(run.stream),
            "history_url": reverse("job-run-log", args=[pod.name, run.pk]),
        }
    return context
