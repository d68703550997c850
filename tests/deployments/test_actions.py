"""What people ask of deployments, and what becomes of the rows."""

import pytest

from apps.builds.models import Artifact, Build
from apps.builds.stored import stored_apps
from apps.core.errors import Conflict, Invalid, NotFound
from apps.deployments import actions, teardown
from apps.deployments.models import Deployment, Trigger
from apps.deployments.release import Release
from apps.pods import actions as pods
from apps.pods.models import Pod
from apps.pods.plan import make_plan

pytestmark = pytest.mark.django_db

APP = {"source": {"repo": "https://git.example.com/team/shop.git", "branch": "main"}, "instance": "1x"}


@pytest.fixture
def shop(team, alice):
    pod = pods.create_pod(team=team, name="shop", by=alice)
    pods.save_resource(pod=pod, kind="App", name="web", spec=APP, by=alice, create=True)
    route = {"rules": [{"path": "/", "app": "web"}]}
    pods.save_resource(pod=pod, kind="Route", name="site", spec=route, by=alice, create=True)
    return pod


def deploy(pod, by, **fields):
    pod.refresh_from_db()
    plan = make_plan(pod, pod.draft, stored=stored_apps(pod.draft))
    given = {"summary": "", "token": plan.token, "confirmed": False, **fields}
    return actions.deploy_draft(pod=pod, by=by, **given)


def finish(deployment, state="ready"):
    """What the pipeline would have left behind."""
    for build in deployment.revision.builds.filter(artifact=None):
        build.artifact = Artifact.objects.create(
            team=deployment.pod.team, kind="bundle", manifest={"app": f"sha256:{build.pk}"}
        )
        build.commit = build.commit or "a" * 40
        build.save()
    Deployment.objects.filter(pk=deployment.pk).update(state=state)
    if state == "ready":
        type(deployment.pod).objects.filter(pk=deployment.pod_id).update(live=deployment.revision)
    deployment.refresh_from_db()


def change_env(pod, by, value):
    spec = APP | {"env": [{"name": "GREETING", "value": value}]}
    pods.save_resource(pod=pod, kind="App", name="web", spec=spec, by=by, create=False)


def test_deploying_a_draft_seals_it_and_queues(shop, alice):
    deployment = deploy(shop, alice, summary="first")
    shop.refresh_from_db()
    assert (deployment.state, deployment.trigger, deployment.revision.version) == ("waiting", "manual", 1)
    assert shop.draft is None
    assert shop.head == deployment.revision
    assert deployment.revision.summary == "first"
    assert Build.objects.get(revision=deployment.revision).artifact is None


def test_a_stale_plan_is_refused_and_nothing_is_sealed(shop, alice):
    with pytest.raises(Conflict) as error:
        deploy(shop, alice, token="of another plan")
    assert error.value.code == "stale_plan"
    assert shop.draft is not None
    assert not Deployment.objects.exists()


def test_there_is_nothing_to_deploy_without_a_draft(shop, alice):
    deploy(shop, alice)
    with pytest.raises(Conflict):
        actions.deploy_draft(pod=shop, summary="", token="", confirmed=False, by=alice)


def test_a_newer_waiting_deployment_replaces_an_older(shop, alice):
    first = deploy(shop, alice)
    second = actions.deploy_revision(pod=shop, revision=first.revision, by=alice)
    first.refresh_from_db()
    assert (first.state, second.state) == ("cancelled", "waiting")
    assert "newer" in first.error


def test_a_change_of_the_environment_keeps_the_artifact(shop, alice):
    first = deploy(shop, alice)
    finish(first)
    change_env(shop, alice, "hi")
    second = deploy(shop, alice)
    before, after = first.revision.builds.get(), second.revision.builds.get()
    assert after.artifact == before.artifact
    assert after.commit == before.commit
    releases = [Release.of(d.revision).wanted()[0] for d in (first, second)]
    assert releases[0].fingerprint != releases[1].fingerprint


def test_a_variable_that_is_built_in_makes_another_artifact(shop, alice):
    finish(deploy(shop, alice))
    spec = APP | {"env": [{"name": "VITE_TITLE", "value": "hi"}]}
    pods.save_resource(pod=shop, kind="App", name="web", spec=spec, by=alice, create=False)
    assert deploy(shop, alice).revision.builds.get().artifact is None


def test_a_rollback_finds_its_artifact_and_says_it_is_one(shop, alice):
    first = deploy(shop, alice)
    finish(first)
    change_env(shop, alice, "hi")
    finish(deploy(shop, alice))
    shop.refresh_from_db()
    back = actions.deploy_revision(pod=shop, revision=first.revision, by=alice)
    assert back.trigger == Trigger.ROLLBACK
    assert stored_apps(back.revision) == {"web"}


def test_a_rollback_destroys_nothing_without_consent(shop, alice):
    first = deploy(shop, alice)
    finish(first)
    pods.save_resource(pod=shop, kind="Disk", name="data", spec={"size": 5}, by=alice, create=True)
    finish(deploy(shop, alice))
    shop.refresh_from_db()
    with pytest.raises(Invalid) as error:
        actions.deploy_revision(pod=shop, revision=first.revision, by=alice)
    assert [detail.path for detail in error.value.details] == ["confirmed"]
    with pytest.raises(Conflict) as stale:
        actions.deploy_revision(pod=shop, revision=first.revision, by=alice, token="another", confirmed=True)
    assert stale.value.code == "stale_plan"
    token = make_plan(shop, first.revision, stored=stored_apps(first.revision)).token
    back = actions.deploy_revision(pod=shop, revision=first.revision, by=alice, token=token, confirmed=True)
    assert back.trigger == Trigger.ROLLBACK


def test_a_failed_revision_can_be_deployed_again(shop, alice):
    first = deploy(shop, alice)
    finish(first, "failed")
    again = actions.deploy_revision(pod=shop, revision=first.revision, by=alice)
    assert (again.trigger, again.state) == ("redeploy", "waiting")


def test_a_push_ships_nobodys_draft(shop, alice):
    finish(deploy(shop, alice))
    change_env(shop, alice, "unfinished")
    deployment = actions.deploy_commits(
        pod=shop, commits={"web": "b" * 40}, trigger=Trigger.PUSH, by=None, summary="pushed"
    )
    spec = deployment.revision.snapshot()["web"].spec
    assert spec["env"] in ([], ())
    assert spec["source"]["commit"] == "b" * 40
    shop.refresh_from_db()
    assert shop.draft.snapshot()["web"].spec["source"]["commit"] == "b" * 40


def test_a_commit_built_before_is_not_built_again(shop, alice):
    finish(deploy(shop, alice))
    for sha in ("b", "c"):
        finish(actions.deploy_commits(pod=shop, commits={"web": sha * 40}, trigger=Trigger.PUSH, by=None, summary=""))
    again = actions.deploy_commits(pod=shop, commits={"web": "b" * 40}, trigger=Trigger.PUSH, by=None, summary="")
    assert stored_apps(again.revision) == {"web"}


def test_cancelling(shop, alice):
    waiting = deploy(shop, alice)
    actions.cancel(deployment=waiting, by=alice)
    waiting.refresh_from_db()
    assert waiting.state == "cancelled"
    with pytest.raises(Conflict) as error:
        actions.cancel(deployment=waiting, by=alice)
    assert error.value.code == "too_late_to_cancel"


def test_one_under_way_is_asked_to_stop(shop, alice):
    deployment = deploy(shop, alice)
    Deployment.objects.filter(pk=deployment.pk).update(state="pending")
    deployment.refresh_from_db()
    actions.cancel(deployment=deployment, by=alice)
    deployment.refresh_from_db()
    assert deployment.state == "pending"
    assert deployment.cancel_at is not None


def test_a_foreign_or_unsealed_revision_is_not_found(shop, team, alice):
    other = pods.create_pod(team=team, name="other", by=alice)
    first = deploy(shop, alice)
    with pytest.raises(NotFound):
        actions.deploy_revision(pod=other, revision=first.revision, by=alice)
    change_env(shop, alice, "hi")
    with pytest.raises(NotFound):
        actions.deploy_revision(pod=shop, revision=shop.draft, by=alice)


def test_deleting_a_pod_wants_its_name(shop, alice):
    with pytest.raises(Invalid) as error:
        actions.delete_pod(pod=shop, confirmation="shopp", by=alice)
    assert error.value.details[0].path == "confirmation"
    actions.delete_pod(pod=shop, confirmation="shop", by=alice)
    shop.refresh_from_db()
    assert shop.deleting_at
    with pytest.raises(Conflict):
        deploy(shop, alice)


def test_children_go_before_or_with_their_parent(shop, alice):
    named = [pods.create_pod(team=shop.team, name=n, by=alice, parent=shop, lineage="staging") for n in ("one", "two")]
    with pytest.raises(Conflict, match="one, two") as refused:
        actions.delete_pod(pod=shop, confirmation="shop", by=alice)
    assert refused.value.code == "has_children"
    assert not Pod.objects.exclude(deleting_at=None).exists()
    actions.delete_pod(pod=named[0], confirmation="one", by=alice)
    actions.delete_pod(pod=shop, confirmation="shop", by=alice, children=True)
    assert not Pod.objects.filter(deleting_at=None).exists()
    teardown.tear_down(shop.pk)
    assert Pod.objects.filter(pk=shop.pk).exists()  # until they are gone


def test_what_was_built_for_another_engine_is_built_again(shop, alice):
    first = deploy(shop, alice)
    finish(first)
    again = actions.deploy_revision(pod=shop, revision=first.revision, by=alice)
    assert again.revision.builds.get().artifact is not None
    finish(again)
    Artifact.objects.update(kind="image")
    assert stored_apps(first.revision) == frozenset()
    once_more = actions.deploy_revision(pod=shop, revision=first.revision, by=alice)
    build = once_more.revision.builds.get()
    assert (build.artifact, build.built_at, build.commit) == (None, None, "a" * 40)
