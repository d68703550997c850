"""A status is of what the deployment builds: it says nothing of commits whose artifact was there before."""

from __future__ import annotations

import pytest
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.builds.models import Artifact
from apps.deployments import actions as deployments
from apps.deployments import announcing, pipeline
from apps.deployments.models import Deployment, Trigger
from apps.pods import actions as pods
from apps.pods.models import Pod
from apps.reporting.models import Report
from tests.connections.conftest import Connect
from tests.hooks.conftest import A, B, make_pod

pytestmark = pytest.mark.django_db


@pytest.fixture
def pod(team: Team, bob: User, connect: Connect, authority: str) -> Pod:
    """Live at A: two apps of two repositories."""
    connect(provider="github")
    repositories = {"web": "shop", "api": "api"}
    return make_pod(team, bob, {app: {"repo": f"https://{authority}/acme/{r}.git"} for app, r in repositories.items()})


def begin(pod: Pod, **commits: str) -> Deployment:
    made = deployments.deploy_commits(pod=pod, commits=commits, trigger=Trigger.PUSH, by=None, summary="")
    return _begun(made)


def again(deployment: Deployment, by: User) -> Deployment:
    return _begun(deployments.deploy_revision(pod=deployment.pod, revision=deployment.revision, by=by))


def _begun(made: Deployment) -> Deployment:
    row = Deployment.objects.select_related("pod", "revision__pod").get(pk=made.pk)
    assert pipeline._begin(row)
    return row


def build(row: Deployment, app: str, commit: str) -> None:
    """What a builder that hands over leaves behind, and who goes on: the stages are skipped by then."""
    row.stages.filter(stage="clone", app=app).update(state="skipped", started_at=timezone.now())
    artifact = Artifact.objects.create(team=row.pod.team, kind="bundle", manifest={})
    row.revision.builds.filter(app=app).update(artifact=artifact, commit=commit)


def end(row: Deployment, state: str) -> None:
    Deployment.objects.filter(pk=row.pk).update(state=state)
    row.state = state
    announcing.deployment_ended(row)


def told(pod: Pod) -> dict[tuple[str, str], str]:
    """The state by app and the commit's first letter."""
    rows = Report.objects.filter(pod=pod)
    return {(row.key.removeprefix(f"brainpod/{pod.name}/"), row.subject[0]): row.state for row in rows}


@pytest.mark.parametrize(("ended", "status"), [("ready", "success"), ("failed", "failure"), ("cancelled", "error")])
def test_an_app_that_did_not_change_is_not_spoken_of(pod: Pod, ended: str, status: str) -> None:
    row = begin(pod, web=B)
    assert told(pod) == {("web", "b"): "pending"}
    build(row, "web", B)
    end(row, ended)
    assert told(pod) == {("web", "b"): status}


def test_what_was_not_reached_does_not_stay_pending(pod: Pod) -> None:
    row = begin(pod, web=B, api=B)
    build(row, "api", B)
    end(row, "failed")
    assert told(pod) == {("web", "b"): "failure", ("api", "b"): "failure"}


def test_the_newest_of_a_branch_is_known_when_it_is_built(team: Team, bob: User, pod: Pod) -> None:
    assert pod.live
    source = {"repo": pod.live.snapshot()["web"].spec["source"]["repo"]}
    other = make_pod(team, bob, {"web": source, "late": source}, live=False)
    revision = pods.seal(pod=other, summary="first", by=bob)
    row = _begun(deployments.start(pod=other, revision=revision, trigger=Trigger.MANUAL, by=bob))
    assert told(other) == {}
    build(row, "web", A)
    end(row, "failed")
    assert told(other) == {("web", "a"): "failure"}


def test_a_mistake_in_the_settings_leaves_commits_as_they_are(pod: Pod, bob: User) -> None:
    row = again(Deployment.objects.get(pod=pod), bob)
    end(row, "failed")
    assert told(pod) == {}


def test_what_goes_live_after_all_is_green(pod: Pod, bob: User) -> None:
    """The second try needs not build what the first has built, and left red."""
    first = begin(pod, web=B, api=B)
    build(first, "api", B)
    end(first, "failed")
    second = again(first, bob)
    assert told(pod) == {("web", "b"): "pending", ("api", "b"): "failure"}
    build(second, "web", B)
    end(second, "ready")
    assert told(pod) == {("web", "b"): "success", ("api", "b"): "success"}
