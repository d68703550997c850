"""The eight stages of a deployment, app by app, as they are shown."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from apps.deployments.models import STAGE_TITLES, STAGES, Deployment, StageRun


@dataclass(frozen=True, slots=True)
class Step:
    """`since` is given while it runs: the page counts from there."""

    stage: str
    title: str
    state: str
    seconds: float | None
    since: datetime.datetime | None
    note: str


@dataclass(frozen=True, slots=True)
class Track:
    app: str
    steps: tuple[Step, ...]

    @property
    def state(self) -> str:
        states = {step.state for step in self.steps}
        for state in ("failed", "running"):
            if state in states:
                return state
        if "pending" in states:
            return "pending" if not states - {"pending"} else "running"
        return "skipped" if states == {"skipped"} else "passed"

    @property
    def seconds(self) -> float:
        return sum(step.seconds or 0 for step in self.steps)


def tracks(runs: Iterable[StageRun]) -> list[Track]:
    """One track for each app, in the order the deployment took them up; what is not built has fewer stages."""
    by_app: dict[str, dict[str, StageRun]] = {}
    for run in runs:
        by_app.setdefault(run.app, {})[run.stage] = run
    return [
        Track(app, tuple(_step(found[stage]) for stage in STAGES if stage in found)) for app, found in by_app.items()
    ]


def _step(run: StageRun) -> Step:
    since = run.started_at if run.state == "running" else None
    return Step(run.stage, STAGE_TITLES[run.stage], run.state, run.seconds, since, run.note)


def failed_step(runs: Iterable[StageRun]) -> StageRun | None:
    """The stage that failed, if the deployment got as far as a stage."""
    return next((run for run in runs if run.state == "failed"), None)


def elapsed(deployment: Deployment) -> float | None:
    """Seconds from its start to its end; None before either."""
    if deployment.started_at and deployment.finished_at:
        return max(0.0, (deployment.finished_at - deployment.started_at).total_seconds())
    return None
