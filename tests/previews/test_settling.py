"""What workers make of pull requests: copies of what is live, at the commits of those, and nothing left of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts import gate
from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.core.errors import Conflict, Invalid, NotFound
from apps.dashboard.search.asked import Asked
from apps.deployments import actions as deployments
from apps.deployments import teardown
from apps.deployments.models import AppControl, Deployment
from apps.pods import actions as pods
from apps.pods.environment import KEY, secret_path, secret_paths
from apps.pods.models import HostName, Pod, PodRole
from apps.pods.roles import give_role
from apps.previews import actions, settling, tending
from apps.previews.models import Preview, PreviewSettings
from apps.secretstore.vault import Vault
from tests.hooks.conftest import A, B, C, D, finish
from tests.previews.conftest import Shop

pytestmark = pytest.mark.django_db


def test_a_preview_is_the_parent_at_the_pull_requests_commit(shop: Shop, openbao: Vault) -> None:
    PreviewSettings.objects.update(variables={"COLOUR": "blue", "MODE": "preview", "NEW": "1"}, sleep=30)
    assert shop.told().words == "Opening preview shop-pr-12 at bbbbbbb."
    child, row = shop.child(), shop.row()
    assert (child.name, child.parent_id, child.lineage, child.team_id) == (
        "shop-pr-12", shop.pod.pk, "preview", shop.pod.team_id,
    )  # fmt: skip
    deployment = child.deployments.get()
    assert (deployment.revision, deployment.state, deployment.revision.summary) == (
        child.head, "waiting", "Pull request 12 at bbbbbbb: Fix the door",
    )  # fmt: skip
    assert (row.state, row.deployed_sha, row.error) == ("open", B, "")
    there = deployment.revision.snapshot()
    web, api = there["web"].spec, there["api"].spec
    assert (web["source"]["branch"], web["source"]["commit"]) == ("refs/pull/12/head", B)
    assert web["source"]["submodules"] is True
    assert web["sleepAfter"] == 30
    assert [(job["name"], job["enabled"]) for job in web["jobs"]] == [("nightly", False)], "no clock runs it"
    assert api["source"]["commit"] == A, "what the pull request does not touch is as it is live"
    assert {entry["name"]: entry["value"] for entry in web["env"]} == {
        "DATABASE_URL": "${db.uri}", "COLOUR": "blue", "NEW": "1",
    }  # fmt: skip
    assert there["common"].spec["variables"] == [{"name": "MODE", "value": "preview"}]
    version = there["common"].spec["secrets"]["TOKEN"]
    assert openbao.read(secret_path(child.pk, "common", "TOKEN"), version)[KEY] == "s3cret-of-shop"
    assert there["site"].spec["hostname"] == "shop-pr-12.localhost"
    assert "db" in there, "a database of its own"
    shop.settle()
    assert Deployment.objects.filter(pod=child).count() == 1, "woken again, nothing is left to do"


def test_a_new_commit_is_deployed_on_the_same_pod(shop: Shop) -> None:
    shop.told()
    finish(shop.child().deployments.get())
    shop.told(C)
    assert shop.commits() == [B, C]
    assert shop.told(C).words.startswith("Nothing new")
    assert shop.child().deployments.count() == 2


def test_without_databases(shop: Shop) -> None:
    PreviewSettings.objects.update(databases="none")
    shop.told()
    there = shop.child().deployments.get().revision.snapshot()
    assert "db" not in there
    assert "DATABASE_URL" not in {entry["name"] for entry in there["web"].spec["env"]}


def test_a_fork_waits_for_approval_of_each_commit_and_gets_no_secrets(shop: Shop, openbao: Vault, alice: User) -> None:
    shop.told(is_fork=True)
    row = shop.row()
    assert (row.state, row.why, row.pod) == ("waiting", "approval", None)
    assert not Pod.objects.filter(parent=shop.pod).exists()
    with pytest.raises(Conflict, match="newer commit"):
        actions.approve(parent=shop.pod, pk=row.pk, sha=A, by=alice)
    actions.approve(parent=shop.pod, pk=row.pk, sha=B, by=alice)
    shop.settle()
    child = shop.child()
    finish(child.deployments.get())
    there = child.deployments.get().revision.snapshot()
    assert not there["common"].spec.get("secrets")
    assert not [path for path in secret_paths(child) if "TOKEN" in path]
    assert there["web"].spec["source"]["submodules"] is False, "they would be fetched with the team's access"
    answer = shop.told(C, is_fork=True)
    assert answer.words == "Pull request 12 comes from a fork: ccccccc waits for approval. shop-pr-12 stays at bbbbbbb."
    assert shop.commits() == [B], "a commit that nobody approved is not built"
    assert shop.told(C).words.startswith("Nothing new")
    assert shop.row().is_fork, "what was foreign is not trusted because a later delivery says so"
    actions.approve(parent=shop.pod, pk=row.pk, sha=C, by=alice)
    shop.settle()
    assert shop.commits() == [B, C]
    shop.told(B, is_fork=True)
    assert shop.commits() == [B, C], "going back to what was approved once needs it again"
    actions.close(parent=shop.pod, pk=row.pk, by=alice)
    shop.settle()
    shop.told(D, is_fork=True)
    assert shop.row().why == "approval", "what was approved before it was closed is forgotten"


def test_over_the_limit_they_wait_and_open_in_turn(shop: Shop) -> None:
    for number in (1, 2, 3, 4):
        shop.told(number=number)
    states = {row.number: (row.state, row.why) for row in Preview.objects.all()}
    assert states == {1: ("open", ""), 2: ("open", ""), 3: ("waiting", "limit"), 4: ("waiting", "limit")}
    shop.told(number=1, is_open=False)
    assert (shop.row(3).state, shop.row(4).state) == ("open", "waiting")
    shop.settle()
    assert shop.child(3).deployments.exists()
    held = PreviewSettings.objects.get()
    given = {"days": held.days, "sleep": 0, "variables": {}, "databases": "empty", "bases": [], "by": None}
    actions.set_settings(pod=shop.pod, enabled=True, limit=3, **given)
    assert shop.row(4).state == "open"


@pytest.mark.usefixtures("front_door")
def test_closed_and_nothing_is_left(shop: Shop, openbao: Vault) -> None:
    shop.told()
    child = shop.child()
    finish(child.deployments.get())
    unnamed = f"pods/{child.pk}/common/UNNAMED"  # as of a change that failed after it was written
    openbao.write(unnamed, {KEY: "x"})
    paths = secret_paths(child)
    assert len(paths) == 2
    paths |= {unnamed}
    shop.told(is_open=False)
    row = shop.row()
    assert (row.state, row.ended) == ("closed", "The pull request was closed.")
    assert row.pod
    assert row.pod.deleting_at, "through the teardown of pods"
    teardown.tear_down(row.pod.pk)
    row.refresh_from_db()
    assert row.pod is None
    assert not Pod.objects.filter(pk=child.pk).exists()
    assert not HostName.objects.filter(host__contains="shop-pr-12").exists()
    for path in paths:
        with pytest.raises(Exception, match=r"."):
            openbao.read(path, 1)
    shop.told()
    assert shop.row().pod, "opened again, it is made anew"


def test_what_nobody_touched_is_closed(shop: Shop) -> None:
    shop.told()
    shop.told(number=13, is_fork=True)
    tending.tend()
    assert shop.row().state == "open"
    Preview.objects.update(active_at=timezone.now() - timedelta(days=8))
    tending.tend()
    assert [shop.row(number).ended for number in (12, 13)] == ["Nothing happened to it for 7 days."] * 2
    assert shop.told(B).words.startswith("Preview shop-pr-12 was closed: the next commit opens it again.")
    shop.settle()
    child = shop.row().pod
    assert child
    assert child.deleting_at


def test_one_whose_pod_somebody_deletes_is_closed(shop: Shop, alice: User) -> None:
    shop.told()
    deployments.delete_pod(pod=shop.child(), confirmation="shop-pr-12", by=alice)
    tending.tend()
    assert (shop.row().state, shop.row().ended) == ("closed", "Its pod was deleted.")


@pytest.mark.usefixtures("front_door")
def test_with_the_parent_its_previews_go(shop: Shop, alice: User) -> None:
    shop.told()
    child = shop.child()
    deployments.delete_pod(pod=shop.pod, confirmation="shop", by=alice)
    child.refresh_from_db()
    assert child.deleting_at
    shop.pod.refresh_from_db()
    for deployment in Deployment.objects.all():
        finish(deployment, "cancelled")
    teardown.tear_down(shop.pod.pk)
    assert Pod.objects.filter(pk=shop.pod.pk).exists(), "after them"
    teardown.tear_down(child.pk)
    teardown.tear_down(shop.pod.pk)
    assert not Pod.objects.filter(pk__in=(shop.pod.pk, child.pk)).exists()
    assert not Preview.objects.exists()


def test_a_worker_that_died_on_the_way(shop: Shop) -> None:
    """After the copy, before the row; and while copying."""
    shop.told()
    first = shop.child()
    Deployment.objects.all().delete()
    Preview.objects.update(pod=None, deployed_sha="")
    Pod.objects.filter(pk=first.pk).update(head=None)
    first.revisions.update(sealed_at=None, version=None)
    shop.settle()
    assert shop.child() == first, "the copy that is there is taken up"
    assert shop.child().deployments.count() == 1
    Preview.objects.update(pod=None, deployed_sha="")
    first.refresh_from_db()
    shop.settle()
    assert shop.child() != first
    first.refresh_from_db()
    assert first.deleting_at


def test_a_name_that_is_taken(shop: Shop, alice: User) -> None:
    pods.create_pod(team=shop.pod.team, name="shop-pr-12", by=alice)
    shop.told()
    assert shop.child().name == "shop-pr-12-2"


def test_what_is_refused_is_said_and_tried_again_when_asked(shop: Shop, alice: User) -> None:
    live = shop.pod.live
    assert live
    PreviewSettings.objects.update(variables={"LD_PRELOAD": "x"})
    shop.told()
    assert "cannot be set" in shop.row().error
    assert not Preview.objects.due().exists(), "not tried for ever"
    PreviewSettings.objects.update(variables={})
    actions.redeploy(parent=shop.pod, pk=shop.row().pk, by=alice)
    shop.settle()
    assert (shop.row().error, shop.commits()) == ("", [B])


def test_roles_in_the_parent_hold_in_the_preview(shop: Shop, bob: User) -> None:
    membership = shop.pod.team.memberships.get(user=bob)
    PodRole.objects.create(membership=membership, pod=shop.pod, role="viewer")
    shop.told()
    assert gate.role_in(bob, shop.child()) == Role.VIEWER


def test_a_role_that_is_changed_in_the_parent_is_changed_in_its_previews(shop: Shop, alice: User, bob: User) -> None:
    shop.told()
    membership = shop.pod.team.memberships.get(user=bob)
    assert gate.role_in(bob, shop.child()) == Role.DEVELOPER
    give_role(membership=membership, pod=shop.pod, role=Role.VIEWER, by=alice)
    assert gate.role_in(bob, shop.child()) == Role.VIEWER
    assert {one.role for one in Asked(bob, "shop").pods.values()} == {Role.VIEWER}
    with pytest.raises(Conflict, match=f"said in {shop.pod.name}"):
        give_role(membership=membership, pod=shop.child(), role=Role.DEVELOPER, by=alice)
    give_role(membership=membership, pod=shop.pod, role=None, by=alice)
    assert gate.role_in(bob, shop.child()) == Role.DEVELOPER


def test_what_people_do(shop: Shop, alice: User) -> None:
    shop.told()
    row = shop.row()
    finish(shop.child().deployments.get())
    AppControl.objects.create(pod=shop.child(), app="web", stopped_at=timezone.now())
    actions.wake(parent=shop.pod, pk=row.pk, by=alice)
    assert AppControl.objects.get(app="web").stopped_at is None
    actions.redeploy(parent=shop.pod, pk=row.pk, by=alice)
    assert shop.child().deployments.count() == 2
    actions.close(parent=shop.pod, pk=row.pk, by=alice)
    with pytest.raises(Conflict, match="closed already"):
        actions.close(parent=shop.pod, pk=row.pk, by=alice)
    shop.settle()
    with pytest.raises(Conflict, match="still being removed"):
        actions.redeploy(parent=shop.pod, pk=row.pk, by=alice)
    other = pods.create_pod(team=shop.pod.team, name="other", by=alice)
    with pytest.raises(NotFound):
        actions.close(parent=other, pk=row.pk, by=alice)


def test_settings_are_checked_and_off_closes_all(shop: Shop, alice: User) -> None:
    shop.told()
    good = {"limit": 2, "days": 7, "sleep": 0, "variables": {}, "databases": "empty", "bases": []}
    wrong = {
        "limit": 0, "days": 91, "sleep": 1441, "databases": "seeded!", "bases": ["a\nb"],
        "variables": {"LD_PRELOAD": "x"},
    }  # fmt: skip
    for field, value in wrong.items():
        with pytest.raises(Invalid) as caught:
            actions.set_settings(pod=shop.pod, enabled=True, by=alice, **{**good, field: value})  # type: ignore[arg-type]
        assert [detail.path for detail in caught.value.details] == [field]
    with pytest.raises(Conflict, match="branched off"):
        actions.set_settings(pod=shop.child(), enabled=True, by=alice, **good)  # type: ignore[arg-type]
    actions.set_settings(pod=shop.pod, enabled=False, by=alice, **good)  # type: ignore[arg-type]
    assert shop.row().ended == "Previews were switched off."


def test_a_short_commit_is_asked_for_whole(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Host:
        def resolve(self, url: str, branch: str, *, credential: object) -> str:
            asked.append((url, branch))
            return C if len(asked) == 1 else B

    monkeypatch.setattr(settling.sources, "source", Host)
    shop.told(B[:12], source_url="https://bitbucket.org/mona/shop")
    assert "is at ccccccc by now, and not at bbbbbbb" in shop.row().error
    Preview.objects.update(error="")
    shop.settle()
    assert asked[-1] == ("https://bitbucket.org/mona/shop", "refs/pull/12/head")
    assert shop.commits() == [B]


def test_databases_are_filled_for_those_of_the_team_alone(shop: Shop, alice: User) -> None:
    PreviewSettings.objects.filter(pod=shop.pod).update(databases="seeded")
    shop.told(number=1)
    shop.told(number=2, is_fork=True)
    actions.approve(parent=shop.pod, pk=shop.row(2).pk, sha=B, by=alice)
    shop.settle()
    assert (shop.child(1).seeded, shop.child(2).seeded) == (True, False)
    for number in (1, 2):
        head = shop.child(number).head
        assert head
        assert "db" in head.snapshot()
