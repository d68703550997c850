"""What runs before a new version starts: with which things, how its failure ends the deployment, and how often."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps import artifacts
from apps.accounts.models import Team, User
from apps.builds.models import Artifact, Build
from apps.core.errors import Invalid
from apps.deployments import actions, pipeline
from apps.deployments.disk_paths import disk_path
from apps.deployments.models import Deployment, Trigger, Workload
from apps.engines.base import Finished, RunSpec
from apps.engines.process.client import ProcessEngine
from apps.logs import reader
from apps.pods import actions as pods
from apps.pods import kinds
from apps.pods.models import Pod
from tests.engines.workloads import until

pytestmark = pytest.mark.django_db(transaction=True)
APP = {"type": "worker", "source": {"repo": "https://git.example.com/team/shop.git"}, "instance": ".25x"}
DISK = {"mounts": [{"path": "/data", "disk": "notes"}]}
START = "exec sleep 600"


@pytest.fixture
def engine(served: ProcessEngine) -> ProcessEngine:
    if not served.check().sandbox:
        pytest.skip("without a sandbox a disk is not at its path")
    return served


@pytest.fixture
def pod(team: Team, alice: User) -> Pod:
    made = pods.create_pod(team=team, name=f"shop-{secrets.token_hex(4)}", by=alice)
    pods.save_resource(pod=made, kind="Disk", name="notes", spec={"size": 5}, by=alice, create=True)
    pods.save_resource(pod=made, kind="App", name="web", spec=APP, by=alice, create=True)
    made.refresh_from_db()
    return made


def deploy(pod: Pod, by: User, *, release: str = "", **spec: object) -> Deployment:
    """A new revision whose build is there already: a directory with one file, and perhaps a release command."""
    number = Deployment.objects.filter(pod=pod).count()
    env = [{"name": "GREETING", "value": "hello"}, {"name": "N", "value": str(number)}]
    pods.save_resource(pod=pod, kind="App", name="web", spec=APP | {"env": env} | spec, by=by, create=False)
    pod.refresh_from_db()
    revision = pods.seal(pod=pod, summary=str(number), by=by)
    deployment = actions.start(pod=pod, revision=revision, trigger=Trigger.MANUAL, by=by)
    place = artifacts.artifacts().scratch(f"prestart-{deployment.pk}")
    tree = place / "app"
    tree.mkdir()
    (tree / "code.txt").write_text("the app's own\n")
    digest = artifacts.artifacts().adopt(tree).digest
    manifest = {"kind": "bundle", "app": digest, "start": START, "release": release, "env": {"FROM_BUILD": "yes"}}
    made = Artifact.objects.create(team=pod.team, kind="bundle", manifest=manifest)
    Build.objects.filter(revision=revision, app="web").update(artifact=made)
    pipeline.run(deployment.pk)
    deployment.refresh_from_db()
    pod.refresh_from_db()
    return deployment


def lines(deployment: Deployment) -> list[str]:
    return [line.text for line in reader.read(deployment.stream)]


def test_a_release_command_has_the_app_and_a_prestart_command_its_variables_and_disk(
    engine: ProcessEngine, pod: Pod, alice: User
) -> None:
    first = 'echo "release: $GREETING $(cat code.txt) $FROM_BUILD"; echo 1 >> /data/order'
    second = 'echo "pre-start: $GREETING ${FROM_BUILD:-without} $(ls /app 2>&1)"; echo 2 >> /data/order && true'
    done = deploy(pod, alice, release=first, preStart=second, **DISK)
    assert (done.state, done.error) == ("ready", "")
    said = lines(done)
    assert "release: hello the app's own yes" in said
    (small,) = [line for line in said if line.startswith("pre-start: ")]
    assert small.startswith("pre-start: hello without")
    assert "code.txt" not in small
    assert Path(disk_path(pod.pk, "notes"), "order").read_text() == "1\n2\n"
    assert said.index("release: hello the app's own yes") < said.index(small)
    assert any("pre-start command of web is done" in line for line in said)


@pytest.mark.parametrize("what", ["release", "preStart"])
def test_one_that_fails_ends_the_deployment_and_what_serves_goes_on(
    engine: ProcessEngine, pod: Pod, alice: User, what: str
) -> None:
    assert deploy(pod, alice, **DISK).state == "ready"
    (before,) = Workload.objects.filter(pod=pod, serving=True)
    done = deploy(pod, alice, **DISK, **{what: "echo no table called notes; exit 3"})
    code = {"release": "release_failed", "preStart": "prestart_failed"}[what]
    assert (done.state, done.error_code) == ("failed", code)
    assert "exit code 3: no table called notes" in done.error
    assert done.stages.get(stage="launch").state == "failed"
    assert "no table called notes" in lines(done)
    assert not Workload.objects.filter(deployment=done).exists()  # nothing of it was started
    before.refresh_from_db()
    assert (before.serving, before.yielded_to) == (True, None)  # it has its disk again
    until(lambda: engine.status(before.handle).state == "running", "what served")


def test_it_runs_once_for_all_instances_and_not_for_those_that_stay(
    engine: ProcessEngine, pod: Pod, alice: User
) -> None:
    spec = {"instance": "1x", "env": [{"name": "A", "value": "same"}], "preStart": "echo once"}
    first = deploy(pod, alice, replicas=3, **spec)
    assert (first.state, first.error) == ("ready", "")
    assert lines(first).count("once") == 1
    more = deploy(pod, alice, replicas=4, **spec)
    assert more.state == "ready"
    assert Workload.objects.filter(pod=pod, serving=True).count() == 4
    assert "once" not in lines(more)


def test_it_has_little_memory(engine: ProcessEngine, pod: Pod, alice: User) -> None:
    greedy = "python3 -c 'x = bytearray(400_000_000); print(len(x))'"
    done = deploy(pod, alice, instance="2x", preStart=greedy)
    assert done.state == "failed"
    assert "400000000" not in lines(done)


def test_it_is_cancelled_with_the_deployment(
    engine: ProcessEngine, pod: Pod, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_once = engine.run_once

    def cancelling(spec: RunSpec, *, on_line: Callable[[str], None], **given: Any) -> Finished:
        def told(line: str) -> None:
            on_line(line)
            actions.cancel(deployment=Deployment.objects.get(pod=pod), by=alice)

        return run_once(spec, on_line=told, **given)

    monkeypatch.setattr(engine, "run_once", cancelling)
    done = deploy(pod, alice, preStart="echo begun; exec sleep 600")
    assert done.state == "cancelled"
    assert "begun" in lines(done)
    assert not Workload.objects.filter(pod=pod).exists()


def test_a_static_app_has_none() -> None:
    with pytest.raises(Invalid) as error:
        kinds.APP.parse({"type": "static", "source": APP["source"], "preStart": "echo"})
    assert [detail.path for detail in error.value.details] == ["preStart"]
