"""How long what is ended has to end by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps import engines
from apps.deployments import launch
from apps.deployments.models import Workload
from apps.engines.base import LaunchSpec
from apps.pods.models import Resource, Revision
from tests.stack.components import wait_for
from tests.stack.engine import EngineAgent

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineAgent]:
    made = EngineAgent("--sandbox", "off")
    try:
        made.start()
        monkeypatch.setattr(engines, "engine", lambda: made.engine)
        yield made
    finally:
        made.remove()


@pytest.mark.parametrize(("kind", "ended"), [("App", "killed"), ("PostgresDB", "written")])
def test_a_database_may_write_everything_down(
    kind: str, ended: str, agent: EngineAgent, live: Revision, tmp_path: Path
) -> None:
    """However little time whoever ends it would give: half of what is written at the end is worse than waiting."""
    Resource.objects.create(revision=live, kind=kind, name="it", spec={})
    row = Workload.objects.create(
        pod=live.pod, revision=live, app="it", state="healthy", serving=True, fingerprint="f"
    )  # fmt: skip
    told, ready = tmp_path / "told", tmp_path / "ready"
    slow = f"trap 'sleep 2; echo written > {told}; exit 0' TERM; echo > {ready}; while :; do sleep 0.1; done"
    row.handle = agent.engine.launch(
        LaunchSpec(id=row.pk, pod=live.pod_id, command=("sh", "-c", slow), env={}, grace=1.0)
    )
    row.save()
    wait_for(ready.exists)
    launch.stop(row, 0.3)
    assert (told.read_text().strip() if told.exists() else "killed") == ended
    assert row.state == "stopped"
