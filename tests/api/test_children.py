"""Staging pods, promotions and previews through the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.accounts.policies import ACTIONS
from apps.accounts.roles import Role
from apps.audit.models import AuditEntry
from apps.builds.models import Artifact, Build
from apps.deployments.models import AppControl
from apps.pods import actions
from apps.pods.models import Lineage, Pod, PodRole
from apps.previews.models import Preview, PreviewSettings
from tests.api.conftest import DATA, WEB, Program

pytestmark = pytest.mark.django_db
COMMIT = "c" * 40


def go_live(pod: Pod, commit: str) -> Pod:
    """As if it had been built of `commit` and deployed."""
    revision = actions.seal(pod=pod, summary="", by=None)
    artifact = Artifact.objects.create(team=pod.team, kind="bundle", manifest={"app": "sha256:0"})
    Build.objects.create(revision=revision, app="web", inputs="0", commit=commit, artifact=artifact)
    Pod.objects.filter(pk=pod.pk).update(live=revision, head=revision)
    return Pod.objects.get(pk=pod.pk)


@pytest.fixture
def shop(pod: Pod, ask: Program) -> Pod:
    assert ask.post("/pods/shop/resources", [WEB, DATA]).status == 201
    return go_live(pod, "a" * 40)


@pytest.fixture
def staging(shop: Pod, ask: Program) -> Pod:
    made = ask.post("/pods/shop/children", {"name": "shop-next", "databases": "seeded"})
    assert made.status == 201, made.said
    assert (made.said["pod"]["name"], made.said["pod"]["deployed"], made.said["leftOut"]) == ("shop-next", None, [])
    return Pod.objects.get(name="shop-next")


def test_a_staging_pod_is_made_and_promoted(ask: Program, shop: Pod, staging: Pod) -> None:
    assert (staging.parent, staging.lineage, staging.seeded) == (shop, "staging", True)
    (child,) = ask.get("/pods/shop/children").said
    assert (child["name"], child["lineage"], child["version"]) == ("shop-next", "staging", None)
    assert ask.get("/pods/shop-next/promotions").error == "PRECONDITION_FAILED", "nothing of it is live"
    go_live(staging, COMMIT)
    ask.post("/pods/shop/resources", [{**DATA, "metadata": {"name": "more", "namespace": "default"}}])
    found = ask.get("/pods/shop-next/promotions").said
    assert found["apps"] == [{"app": "web", "commit": COMMIT, "possible": True, "why": "", "there": False}]
    assert {"kind": "Disk", "name": "more", "change": "create"} in found["deployedAlong"]

    assert ask.post("/pods/shop-next/promotions", {"apps": ["web"], "version": 7}).error == "PRECONDITION_FAILED"
    made = ask.post("/pods/shop-next/promotions", {"apps": ["web"], "version": found["version"]})
    assert (made.status, made.said["parent"]) == (201, "shop")
    assert shop.draft
    assert shop.draft.resources.get(name="web").spec["source"]["commit"] == COMMIT
    assert ask.get(made.said["_links"]["revision"]["href"]).status == 200


def test_what_is_no_staging_pod_is_not_promoted(ask: Program, shop: Pod) -> None:
    assert ask.get("/pods/shop/promotions").error == "PRECONDITION_FAILED"
    assert ask.post("/pods/shop/children", {"name": "No Name"}).paths == ["name"]
    assert ask.post("/pods/shop/children", {"name": "x", "databases": "full"}).paths == ["databases"]
    assert ask.post("/pods/shop/children", {"name": "shop"}).error == "PRECONDITION_FAILED"
    assert not shop.children.exists()


def allowing(*actions: str, resource: str) -> dict[str, Any]:
    statement = {"sid": "s", "effect": "allow", "actions": list(actions), "resources": [f"urn:brain:pod:{resource}"]}
    return {"version": "1", "statements": [statement]}


def test_what_leads_into_the_parent_is_asked_of_it(
    program: Callable[..., Program], bob: User, team: Team, shop: Pod, staging: Pod
) -> None:
    go_live(staging, COMMIT)
    body = {"apps": ["web"], "version": 1}
    there = program(bob, allowing(*ACTIONS, resource="shop-next"))
    assert there.get("/pods/shop-next/promotions").error == "FORBIDDEN"
    assert there.post("/pods/shop-next/promotions", body).error == "FORBIDDEN"
    PodRole.objects.create(pod=shop, membership=team.memberships.get(user=bob), role=Role.VIEWER)
    assert program(bob).post("/pods/shop-next/promotions", body).error == "FORBIDDEN"
    here = program(bob, allowing("pods:read", resource="shop"))
    assert here.get("/pods/shop/children").said == []
    assert shop.draft is None


def test_deleting_takes_children_along_when_it_is_said(
    program: Callable[..., Program], alice: User, shop: Pod, staging: Pod
) -> None:
    owner = program(alice)
    assert owner("DELETE", "/pods/shop?confirmation=shop").error == "PRECONDITION_FAILED"
    alone = program(alice, allowing("pods:delete", resource="shop"))
    assert alone("DELETE", "/pods/shop?confirmation=shop&children=true").error == "FORBIDDEN"
    staging.refresh_from_db()
    assert staging.deleting_at is None
    assert owner("DELETE", "/pods/shop?confirmation=shop&children=true").status == 202
    staging.refresh_from_db()
    assert staging.deleting_at
    assert ask_names(owner) == [("shop-next", True)]


def ask_names(program: Program) -> list[tuple[str, bool]]:
    return [(one["name"], one["deleting"]) for one in program.get("/pods/shop/children").said]


def test_previews(ask: Program, shop: Pod) -> None:
    PreviewSettings.objects.create(pod=shop, enabled=True)
    row = Preview.objects.create(
        parent=shop, name="shop-pr-1", repository="github.com/octo/shop", number=1, ref="refs/pull/1/head",
        head_sha=COMMIT, state="waiting", why="approval", is_fork=True, active_at=timezone.now(),
    )  # fmt: skip
    (shown,) = ask.get("/pods/shop/previews").said
    assert (shown["id"], shown["state"], shown["waitsFor"], shown["commit"]) == (row.pk, "waiting", "approval", COMMIT)
    at = f"/pods/shop/previews/{row.pk}"
    assert ask.post(f"{at}/approve", {"commit": "d" * 40}).error == "PRECONDITION_FAILED"
    done = ask.post(f"{at}/approve", {"commit": COMMIT})
    assert (done.status, done.said["state"], done.said["waitsFor"]) == (202, "open", "")
    assert ask.post(f"{at}/close").said["state"] == "closed"
    assert ask.post(f"{at}/close").error == "PRECONDITION_FAILED"
    assert ask.post(f"/pods/shop/previews/{row.pk + 1}/close").status == 404
    assert ask.post("/pods/shop/previews/0/close").paths == ["preview"]
    assert Lineage.PREVIEW not in [one["lineage"] for one in ask.get("/pods/shop/children").said]


def test_what_is_done_with_a_preview(ask: Program, shop: Pod) -> None:
    PreviewSettings.objects.create(pod=shop, enabled=True)
    row = Preview.objects.create(
        parent=shop, name="shop-pr-1", repository="github.com/octo/shop", number=1, ref="refs/pull/1/head",
        head_sha=COMMIT, state="closed", active_at=timezone.now(),
    )  # fmt: skip
    at = f"/pods/shop/previews/{row.pk}"
    assert ask.post(f"{at}/wake").error == "PRECONDITION_FAILED"
    done = ask.post(f"{at}/redeploy")
    assert (done.status, done.said["state"]) == (202, "open"), "what was closed is opened again"
    assert AuditEntry.objects.get(verb="preview.redeploy").actor == "token"
    Preview.objects.update(state="closed", is_pull_open=False)
    assert ask.post(f"{at}/redeploy").error == "PRECONDITION_FAILED"

    made = Pod.objects.create(team=shop.team, name="shop-pr-1", parent=shop, lineage=Lineage.PREVIEW, live=shop.live)
    AppControl.objects.create(pod=made, app="web", stopped_at=timezone.now())
    Preview.objects.update(state="open", pod=made)
    woken = ask.post(f"{at}/wake")
    assert (woken.status, woken.said["_links"]["pod"]["href"][-10:]) == (202, "/shop-pr-1")
    assert AppControl.objects.get(pod=made).stopped_at is None
    assert ask.post(f"/pods/shop/previews/{row.pk + 1}/wake").status == 404


def test_what_holds_for_previews(ask: Program, shop: Pod, staging: Pod) -> None:
    at = "/pods/shop/preview-settings"
    before = ask.get(at)
    assert (before.status, before.said["enabled"], before.said["limit"]) == (200, False, 10)
    assert not PreviewSettings.objects.exists(), "looking makes none"
    given = {"enabled": True, "limit": 3, "bases": ["main", "release/*"], "variables": {"COLOUR": "blue"}}
    kept = ask("PUT", at, given)
    assert kept.status == 200
    assert {name: kept.said[name] for name in given} == given
    assert (kept.said["days"], kept.said["databases"]) == (7, "empty")
    assert ask.get(at).said == kept.said
    assert ask("PUT", at, {"enabled": True, "limit": 0}).paths == ["limit"]
    assert ask("PUT", at, {"enabled": True, "bases": [" "]}).paths == ["bases"]
    assert ask("PUT", at, {"enabled": True, "variables": {"LD_PRELOAD": "x y\0"}}).paths == ["variables"]
    assert ask("PUT", at, {"limit": 3}).paths == ["enabled"]
    assert ask.get(at).said == kept.said
    assert ask("PUT", "/pods/shop-next/preview-settings", {"enabled": True}).error == "PRECONDITION_FAILED"
    row = Preview.objects.create(
        parent=shop, name="shop-pr-1", repository="github.com/octo/shop", number=1, ref="refs/pull/1/head",
        head_sha=COMMIT, state="open", active_at=timezone.now(),
    )  # fmt: skip
    assert ask("PUT", at, {"enabled": False}).said["enabled"] is False
    row.refresh_from_db()
    assert row.state == "closed"
