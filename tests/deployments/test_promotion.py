"""What a staging pod runs goes to its parent: the same artifact, and nothing is built."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from apps import secretstore
from apps.accounts.models import Team, User
from apps.audit.models import AuditEntry
from apps.builds.models import Build, Promotion
from apps.builds.stored import stored_apps
from apps.core.errors import Conflict, Invalid
from apps.deployments import actions, promotion
from apps.deployments.models import STAGES
from apps.pods import actions as pods
from apps.pods.children import DatabasePolicy, branch_off
from apps.pods.models import Lineage, Pod
from apps.pods.plan import make_plan
from apps.secretstore.vault import Vault
from tests.deployments import standing
from tests.deployments.standing import Shop
from tests.deployments.test_actions import APP, deploy, finish

COMMIT = "c" * 40


def _branch(pod: Pod, by: User) -> Pod:
    """A staging pod, of which nothing is deployed yet."""
    return branch_off(
        pod, lineage=Lineage.STAGING, name=f"{pod.name}-next", by=by, with_secrets=False,
        databases=DatabasePolicy.EMPTY,
    )  # fmt: skip


def _run(shop: Shop, commit: str, **given: Any) -> Build:
    """Deployed and live, as if it had been built of `commit`."""
    deployment = shop.deploy(**given)
    assert deployment.state == "ready", deployment.error
    Build.objects.filter(revision=deployment.revision).update(commit=commit)
    return deployment.revision.builds.get()


def promote(child: Pod, by: User, apps: tuple[str, ...] = ("web",), version: int = 1) -> Any:
    return promotion.promote(child=child, apps=apps, version=version, by=by)


@pytest.mark.django_db(transaction=True)
def test_what_staging_runs_is_promoted_and_not_built(shop: Shop, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(shop, "a" * 40, env={"GREETING": "production"})
    staging = copy.copy(shop)
    staging.pod = _branch(shop.pod, alice)
    monkeypatch.setattr(standing, "SERVER", standing.SERVER.replace('f"{os', 'f"next {os'))
    built = _run(staging, COMMIT, env={"GREETING": "staging"})

    found = promotion.offers(staging.pod)
    assert [(offer.app, offer.why, offer.there) for offer in found.apps] == [("web", "", False)]
    assert [(one.name, [it.path for it in one.fields]) for one in found.differences] == [("web", ["env.GREETING"])]
    draft = promote(staging.pod, alice)
    shop.pod.refresh_from_db()
    plan = make_plan(shop.pod, draft, stored=stored_apps(draft))
    assert not any(line.action == "rebuild" for line in plan.lines)
    deployment = actions.deploy_draft(pod=shop.pod, summary="", token=plan.token, confirmed=False, by=alice)
    shop.run(deployment)

    assert deployment.state == "ready", deployment.error
    row = deployment.revision.builds.get()
    assert (row.artifact, row.commit) == (built.artifact, COMMIT)
    assert deployment.stages.get(stage="launch").state == "passed"
    notes = dict(deployment.stages.filter(stage__in=STAGES[:6]).values_list("stage", "state"))
    assert notes == dict.fromkeys(STAGES[:6], "skipped")
    said = f"The artifact of {staging.pod.name}, revision 1 ({COMMIT[:7]}): nothing is built."
    assert deployment.stages.get(stage="build").note == said
    answer = shop.ask()[1]
    assert answer.startswith("next ")
    assert "production" in answer  # its own variables stay
    assert AuditEntry.objects.filter(verb="draft.promote", object_id=shop.pod.pk).exists()
    assert promotion.offers(staging.pod).apps[0].there


@pytest.fixture
def parent(team: Team, alice: User) -> Pod:
    """Live, with rows alone: nothing of it runs."""
    pod = pods.create_pod(team=team, name="shop", by=alice)
    pods.save_resource(pod=pod, kind="App", name="web", spec=APP, by=alice, create=True)
    return _live(pod, alice, "a" * 40)


@pytest.fixture
def child(parent: Pod, alice: User) -> Pod:
    return _branch(parent, alice)


def _live(pod: Pod, by: User, commit: str = COMMIT) -> Pod:
    deployment = deploy(pod, by)
    finish(deployment)
    Build.objects.filter(revision=deployment.revision).update(commit=commit)
    pod.refresh_from_db()
    return pod


def _set(pod: Pod, by: User, **env: str) -> Pod:
    spec = APP | {"env": [{"name": name, "value": value} for name, value in env.items()]}
    pods.save_resource(pod=pod, kind="App", name="web", spec=spec, by=by, create=False)
    pod.refresh_from_db()
    return pod


@pytest.mark.django_db
def test_a_draft_that_is_changed_afterwards_is_built(parent: Pod, child: Pod, alice: User) -> None:
    _live(child, alice)
    assert stored_apps(promote(child, alice)) == {"web"}
    draft = _set(parent, alice, VITE_API="elsewhere").draft
    assert draft
    assert stored_apps(draft) == frozenset()


@pytest.mark.django_db
def test_what_is_built_otherwise_is_not_promoted(parent: Pod, child: Pod, alice: User) -> None:
    _live(_set(child, alice, VITE_API="staging"), alice)
    with pytest.raises(Invalid, match=r"web: it was built with another env\.VITE_API"):
        promote(child, alice)
    assert parent.draft is None


@pytest.mark.django_db
def test_secrets_that_are_built_in_are_compared_by_value(
    openbao: Vault, team: Team, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give(pod: Pod, value: str, *, create: bool = False) -> None:
        pods.save_resource(
            pod=pod, kind="Config", name="keys", spec={}, secrets={"VITE_KEY": value, "OTHER": value}, by=alice,
            create=create,
        )  # fmt: skip
        pod.refresh_from_db()

    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    pod = pods.create_pod(team=team, name="shop", by=alice)
    give(pod, "first", create=True)
    give(pod, "second")
    pods.save_resource(pod=pod, kind="App", name="web", spec=APP | {"configs": ["keys"]}, by=alice, create=True)
    parent = _live(pod, alice, "a" * 40)
    child = branch_off(
        parent, lineage=Lineage.STAGING, name="shop-next", by=alice, with_secrets=True, databases=DatabasePolicy.EMPTY
    )
    _live(child, alice)
    draft = promote(child, alice)  # of equal values, with other versions
    assert stored_apps(draft) == {"web"}
    give(parent, "third")
    assert parent.draft
    assert stored_apps(parent.draft) == frozenset(), "another value since"
    with pytest.raises(Invalid, match=r"web: it was built with another configs\.keys\.VITE_KEY"):
        promote(child, alice)
    give(child, "third")  # the same value, and the version that counted before
    with pytest.raises(Invalid):
        promote(child, alice)
    _live(child, alice)
    assert stored_apps(promote(child, alice, version=2)) == {"web"}


@pytest.mark.django_db
def test_what_goes_with_the_staging_pod_is_built(parent: Pod, child: Pod, alice: User) -> None:
    """A plan that was read before says that it is not any more what would happen."""
    _live(child, alice)
    draft = promote(child, alice)
    plan = make_plan(parent, draft, stored=stored_apps(draft))
    Promotion.objects.all().delete()
    with pytest.raises(Conflict) as refused:
        actions.deploy_draft(pod=parent, summary="", token=plan.token, confirmed=False, by=alice)
    assert refused.value.code == "stale_plan"


@pytest.mark.django_db
def test_who_can_be_promoted(parent: Pod, child: Pod, alice: User) -> None:
    codes = []

    def tried(pod: Pod, **given: Any) -> None:
        with pytest.raises(Conflict) as refused:
            promote(pod, alice, **given)
        codes.append(refused.value.code)

    tried(parent)
    tried(child)
    _live(child, alice)
    tried(child, apps=())
    tried(child, version=7)
    Pod.objects.filter(pk=child.pk).update(lineage=Lineage.PREVIEW)
    tried(child)
    assert codes == ["not_staging", "nothing_to_promote", "nothing_to_promote", "stale_plan", "not_staging"]
