"""Revisions through the API: pages, details, differences, what was live when; and deploying them."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.deployments.models import Deployment, Workload
from apps.pods import actions
from apps.pods.models import Pod, Revision
from tests.api.conftest import APP, DATA, FRONT, WEB, Program, resource

pytestmark = pytest.mark.django_db
AT = "/pods/shop/revisions"


@pytest.fixture
def shop(pod: Pod, ask: Program) -> Pod:
    """With three sealed revisions, the last of them live, and a draft."""
    ask.post("/pods/shop/resources", [WEB, FRONT])
    for number in (1, 2, 3):
        body = resource("App", "web", APP | {"startCommand": f"run {number}"})
        assert ask.put("/pods/shop/resources/App/default/web", body).status == 200
        went_live(pod, actions.seal(pod=pod, summary=f"number {number}", by=None))
    ask.post("/pods/shop/resources", [DATA])
    return pod


def went_live(pod: Pod, revision: Revision, state: str = "ready") -> Deployment:
    """As a deployment leaves it at its end."""
    now = timezone.now()
    row = Deployment.objects.create(
        pod=pod, revision=revision, trigger="manual", state=state, switched_at=now if state == "ready" else None,
        finished_at=now, error="It broke." if state == "failed" else "",
    )  # fmt: skip
    live = {"live": revision} if state == "ready" else {}
    Pod.objects.filter(pk=pod.pk).update(head=revision, **live)
    pod.refresh_from_db()
    return row


def test_they_are_listed_from_the_newest_on(ask: Program, shop: Pod) -> None:
    items = ask.get(AT).said["items"]
    assert [one["version"] for one in items] == [4, 3, 2, 1]
    assert [one["state"] for one in items] == ["draft", "deployed", "deployed", "deployed"]
    assert [one["isDeployed"] for one in items] == [False, True, False, False]
    assert [one["isLatest"] for one in items] == [True, False, False, False]
    assert [one["summary"] for one in items] == [None, "number 3", "number 2", "number 1"]
    assert items[0]["parent"] == items[1]["id"]
    pages, at = [], f"{AT}?limit=2"
    while at:
        page = ask.get(at)
        pages.append([one["version"] for one in page.said["items"]])
        further = page.said["_links"]["next"]
        assert ("x-next-cursor" in page.headers) == ("Link" in page.headers) == (further is not None)
        at = further["href"] if further else ""
    assert pages == [[4, 3], [2, 1]]
    assert ask.get(f"{AT}?cursor={uuid.uuid4()}").paths == ["cursor"]
    assert ask.get(f"{AT}?cursor=x").paths == ["cursor"]
    assert ask.get(f"{AT}?limit=51").paths == ["limit"]


def test_one_has_its_resources_and_a_checksum(ask: Program, shop: Pod) -> None:
    items = ask.get(AT).said["items"]
    details = [ask.get(one["_links"]["self"]["href"]).said for one in items]
    assert [len(one["resources"]) for one in details] == [3, 2, 2, 2]
    assert len({one["checksum"] for one in details}) == 4
    assert ask.get(f"{AT}/{items[1]['id']}").said == details[1]
    for wrong in ("x", str(uuid.uuid4()), str(uuid.UUID(int=0)), "draft"):
        assert ask.get(f"{AT}/{wrong}").status == 404
    other = actions.create_pod(team=shop.team, name="other", by=None)
    assert ask.get(f"/pods/{other.name}/revisions/{items[1]['id']}").status == 404


def test_differences(ask: Program, shop: Pod) -> None:
    draft, third, _, first = (one["id"] for one in ask.get(AT).said["items"])
    said = ask.get(f"{AT}/{draft}/diff").said
    assert (said["revision"], said["base"]) == (draft, third)
    assert [(one["kind"], one["name"], one["changeType"]) for one in said["entries"]] == [("Disk", "data", "create")]
    said = ask.get(f"{AT}/{third}/diff?base={first}").said
    assert [one["changeType"] for one in said["entries"]] == ["update"]
    assert '-    "startCommand": "run 1"' in said["entries"][0]["patch"]
    assert '+    "startCommand": "run 3"' in said["entries"][0]["patch"]
    assert [one["changeType"] for one in ask.get(f"{AT}/{first}/diff").said["entries"]] == ["create", "create"]
    back = ask.get(f"{AT}/{third}/diff?base={draft}").said["entries"]
    assert [(one["kind"], one["changeType"]) for one in back] == [("Disk", "delete")]
    assert ask.get(f"{AT}/{third}/diff?base={uuid.uuid4()}").status == 404


def test_the_resources_of_another_revision_or_moment(ask: Program, shop: Pod) -> None:
    first = ask.get(AT).said["items"][-1]["id"]
    at = "/pods/shop/resources"

    def command(query: str) -> str:
        return str(ask.get(f"{at}/App/default/web?{query}").said["content"]["spec"]["startCommand"])

    assert command(f"revision={first}") == "run 1"
    second = Deployment.objects.order_by("created_at")[1]
    moment = (second.switched_at + datetime.timedelta(milliseconds=1)).isoformat().replace("+", "%2B")
    assert command(f"at={moment}") == "run 2"
    assert len(ask.get(f"{at}?at={moment}").said) == 2
    assert ask.get(f"{at}?at=2001-01-01T00:00:00Z").status == 404
    assert ask.get(f"{at}?at=yesterday").paths == ["at"]
    assert ask.get(f"{at}?at={moment}&revision={first}").paths == ["at"]


def test_what_is_live_has_a_standing(ask: Program, shop: Pod) -> None:
    def shown(name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(one for one in ask.get("/pods/shop/resources").said if one["urn"].endswith(name))
        return found

    assert shown("web")["status"] == {"phase": "Queued", "readyReplicas": 0, "replicas": []}
    assert shown("web")["healthy"] is False
    row = Workload.objects.create(pod=shop, revision=shop.live, app="web", fingerprint="f", state="healthy")
    assert shown("web")["status"] == {
        "phase": "Ready", "readyReplicas": 1, "replicas": [{"name": "web.1", "phase": "Ready"}],
    }  # fmt: skip
    assert shown("web")["healthy"] is True
    Workload.objects.filter(pk=row.pk).update(state="unhealthy", failing="answers 500")
    assert shown("web")["status"]["phase"] == "Degraded"
    assert shown("web")["status"]["replicas"][0]["reason"] == "answers 500"
    assert shown("front")["status"] == {"ready": True}
    assert (shown("data")["status"], shown("data")["healthy"]) == (None, False)
    first = ask.get(AT).said["items"][-1]["id"]
    assert {one["status"] for one in ask.get(f"/pods/shop/resources?revision={first}").said} == {None}


def test_deploying_the_draft(ask: Program, shop: Pod) -> None:
    plan = ask.get("/pods/shop/plan").said
    assert ("data", "create", False) in [(one["name"], one["action"], one["destructive"]) for one in plan["lines"]]
    assert ask.post("/pods/shop/deploy", {"plan": "old"}).error == "PRECONDITION_FAILED"
    assert ask.post("/pods/shop/deploy", {"nonsense": 1}).paths == ["nonsense"]
    made = ask.post("/pods/shop/deploy", {"summary": "a disk", "plan": plan["token"]})
    assert (made.status, made.said["state"]) == (202, "pending")
    assert made.said["revisionId"] == plan["revisionId"]
    assert ask.get(f"{AT}/{made.said['revisionId']}").said["summary"] == "a disk"
    row = Deployment.objects.get(revision__summary="a disk")
    assert row.actor is not None
    assert ask.post("/pods/shop/deploy").error == "PRECONDITION_FAILED", "there is no draft any more"
    Deployment.objects.filter(pk=row.pk).update(state="failed", error="It broke.", hint="Mend it.")
    said = ask.get("/pods/shop").said
    assert (said["head"]["status"], said["head"]["error"]) == ("failed", "It broke. Mend it.")
    assert said["deployed"]["version"] == 3
    again = ask.post("/pods/shop/redeploy")
    assert (again.status, again.said["revisionId"]) == (202, made.said["revisionId"])


def test_waiting_for_the_end(ask: Program, shop: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.api.operations import deploying

    def ends(seconds: float) -> None:
        Deployment.objects.filter(state="waiting").update(state="ready")

    monkeypatch.setattr(deploying.time, "sleep", ends)
    made = ask.post("/pods/shop/deploy?watch=20")
    assert (made.status, made.said["state"], made.said["error"]) == (200, "deployed", None)
    assert ask.post("/pods/shop/redeploy?watch=21").paths == ["watch"]


def test_what_is_destroyed_has_to_be_confirmed(ask: Program, shop: Pod) -> None:
    went_live(shop, actions.seal(pod=shop, summary="a disk", by=None))
    ask.delete("/pods/shop/resources/Disk/default/data")
    before = Deployment.objects.count()
    refused = ask.post("/pods/shop/deploy")
    assert (refused.status, refused.error) == (412, "PRECONDITION_FAILED")
    assert "confirmed" in refused.said["error"]["message"]
    assert Deployment.objects.count() == before
    assert ask.post("/pods/shop/deploy", {"confirmed": True}).status == 202


def test_a_draft_with_problems_is_not_deployed(ask: Program, pod: Pod) -> None:
    ask.post("/pods/shop/resources", [FRONT])
    said = ask.post("/pods/shop/deploy")
    assert (said.status, said.error) == (400, "VALIDATION_ERROR")
    assert said.paths == ["front.rules.0.app"]
    assert ask.get("/pods/shop/plan").said["problems"][0]["path"] == "front.rules.0.app"


def test_rolling_back(ask: Program, shop: Pod, alice: User) -> None:
    first = ask.get(AT).said["items"][-1]["id"]
    made = ask.post(f"{AT}/{first}/deploy")
    assert (made.status, made.said["revisionId"]) == (202, first)
    assert Deployment.objects.order_by("created_at", "id").last().trigger == "rollback"
    draft = ask.get(AT).said["items"][0]["id"]
    assert ask.post(f"{AT}/{draft}/deploy").status == 404
    assert ask.post(f"{AT}/{first}/deploy", {"plan": "old"}).error == "PRECONDITION_FAILED"


def test_nothing_was_deployed_yet(ask: Program, pod: Pod) -> None:
    for path in ("deploy", "redeploy"):
        assert ask.post(f"/pods/shop/{path}").error == "PRECONDITION_FAILED"
    assert ask.get("/pods/shop/plan").error == "PRECONDITION_FAILED"
