"""From a commit to an artifact through the pipeline, where the engine runs images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from apps import engines
from apps.builds import bundle, pipeline
from apps.builds.actions import carry_builds
from apps.builds.image import images, pruning
from apps.builds.models import Artifact
from apps.core.leases import Lease, acquire
from apps.deployments import actions
from apps.pods import actions as pods
from apps.sources.git import GitSource
from tests.builds.image.conftest import BUSY, ImageBuilder
from tests.people import make_team

pytestmark = pytest.mark.django_db
DOCKERFILE = f"""{BUSY}RUN --mount=type=secret,id=GREETING cat /run/secrets/GREETING > /greeting
CMD ["cat", "/greeting"]
"""


class Ledger:
    """Remembers what the pipeline tells."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.lines: list[str] = []
        self.notes: dict[str, str] = {}

    def write(self, text: str) -> None:
        self.lines.append(text)

    def cancelled(self) -> bool:
        return False

    def hide(self, values: Iterable[str]) -> None:
        self.hidden = tuple(values)

    @contextmanager
    def stage(self, stage: str, app: str) -> Iterator[SimpleNamespace]:
        note = SimpleNamespace(text="")
        yield note
        self.notes[stage] = note.text

    def patiently(self, action: Callable[[], object], what: str) -> object:
        return action()


def test_a_dockerfile_becomes_an_artifact(
    builder: ImageBuilder,
    openbao: object,
    project: Callable[[dict[str, str]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = GitSource(tmp_path / "repositories")
    monkeypatch.setattr("apps.sources.source", lambda: source)
    monkeypatch.setattr(engines, "engine", lambda: SimpleNamespace(artifacts=frozenset({"image"})))
    team = make_team("acme")
    source.hosted.commit_tree(team.slug, "shop", project({"Dockerfile": DOCKERFILE}), "Sell")
    pod = pods.create_pod(team=team, name="shop", by=None)
    spec = {"source": {"repo": f"brainpod:{team.slug}/shop"}, "env": [{"name": "GREETING", "value": "hello to all"}]}
    pods.save_resource(pod=pod, kind="App", name="web", spec=spec, by=None, create=True)
    revision = pods.seal(pod=pod, summary="", by=None)
    carry_builds(revision=revision)
    deployment = actions.start(pod=pod, revision=revision, trigger="manual", by=None)
    lease = acquire(deployment)
    assert lease
    ledger = Ledger(lease)
    artifact = pipeline.build(revision.builds.get(), ledger)
    manifest = bundle.Manifest.from_json(artifact.manifest)
    assert builder.run(manifest) == "hello to all"
    assert (artifact.kind, manifest.kind) == ("image", "image")
    assert list(ledger.notes) == ["clone", "detect", "secrets", "install", "build", "push"]
    assert ledger.notes["push"].startswith(manifest.image.removeprefix("sha256:")[:12])
    assert {"Stack: docker", "Builder: image, by Docker's BuildKit"} <= set(ledger.lines)
    assert ", in this Docker daemon alone." in "\n".join(ledger.lines)
    pruning.sweep(older_than=-60)
    assert images.inspect(builder.daemon.host, manifest.image)
    revision.builds.update(artifact=None)
    Artifact.objects.all().delete()
    pruning.sweep(older_than=-60)
    assert manifest.image not in {row["Id"] for row in builder.daemon.client().api.images()}
