"""What the pages of a pod show."""

from __future__ import annotations

import datetime
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.dashboard.pod_cards import cards
from apps.pods import actions
from apps.pods.models import Pod
from tests.dashboard.pages.conftest import HOSTILE, deploy, make_pod, seal, serve, spec, stages, whole

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def page(client: Client, name: str, *args: object, query: str = "", **headers: str) -> str:
    answer = client.get(reverse(name, args=args) + query, headers=headers or None)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def text(html: str) -> str:
    """The words a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


PAGES = ("pod", "deployments", "revisions", "draft", "pod-settings", "resource-kinds")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("filled", [True, False])
def test_every_page_has_one_heading_and_keeps_the_policy(
    name: str, filled: bool, live_pod: Pod, empty_pod: Pod, alices: Client
) -> None:
    html = page(alices, name, (live_pod if filled else empty_pod).name)
    assert len(re.findall(r"<h1", html)) == 1
    assert not re.search(r'\sstyle="|\son[a-z]+="|hx-on', html)
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("kind", ["App", "Route", "Config", "Disk"])
def test_the_form_of_every_kind_labels_all_it_asks(kind: str, live_pod: Pod, bobs: Client) -> None:
    html = page(bobs, "resource-new", live_pod.name, kind)
    body = html.split('name="name"')[1]
    for tag in re.findall(r"<(?:input|select|textarea)\b[^>]*>", body.split("form-bar")[0]):
        identity = re.search(r'id="([^"]+)"', tag)
        labelled = 'aria-label="' in tag or (identity and f'for="{identity[1]}"' in html) or 'type="checkbox"' in tag
        assert labelled, tag


def test_the_map_shows_what_leads_where_and_how_it_is(live_pod: Pod, veras: Client) -> None:
    html = page(veras, "pod", live_pod.name)
    assert 'data-node="front" data-to="web"' in html
    assert 'data-node="web" data-to="data settings"' in html
    assert f'href="http://{live_pod.name}.localhost:8080"' in html
    assert "1/1" in text(html)
    assert "Add a resource" not in html


def test_an_old_observation_is_called_unknown_and_says_its_age(live_pod: Pod, alices: Client) -> None:
    live_pod.workloads.update(observed_at=timezone.now() - datetime.timedelta(minutes=7))
    shown = text(page(alices, "pod", live_pod.name))
    assert "Unknown" in shown
    assert "last seen 7 minutes ago" in shown


def test_the_drafts_changes_are_marked_and_counted(live_pod: Pod, bob: User, bobs: Client) -> None:
    actions.save_resource(pod=live_pod, kind="Disk", name="data", spec={"size": 9}, by=bob, create=False)
    actions.save_resource(pod=live_pod, kind="Disk", name="more", spec={"size": 5}, by=bob, create=True)
    actions.delete_resource(pod=live_pod, name="settings", by=bob)
    html = page(bobs, "pod", live_pod.name)
    assert "3 changes" in text(html)
    for mark, name in [("update", "data"), ("create", "more"), ("delete", "settings")]:
        assert re.search(rf'node-{mark}" data-node="{name}"', html)


def test_every_page_of_the_pod_has_the_bar(live_pod: Pod, bob: User, bobs: Client) -> None:
    actions.save_resource(pod=live_pod, kind="Disk", name="data", spec={"size": 9}, by=bob, create=False)
    for name in PAGES:
        shown = page(bobs, name, live_pod.name)
        assert "1 change" in text(shown)
        assert reverse("draft", args=[live_pod.name]) in shown


def test_fragments_are_parts_and_pages_are_whole(live_pod: Pod, alices: Client) -> None:
    deployment = live_pod.deployments.get()
    for name, args, part in [
        ("pod", (), "pod_map"),
        ("deployments", (), "deployments"),
        ("deployment", (deployment.pk,), "deployment"),
        ("revisions", (), "revisions"),
        ("resource", ("web",), "overview"),
    ]:
        whole_page = page(alices, name, live_pod.name, *args)
        fragment = page(alices, name, live_pod.name, *args, **HTMX)
        assert "<html" in whole_page
        assert "<html" not in fragment
        assert fragment.lstrip().startswith(f'<div id="{part}"'), name
        assert f'id="{part}"' in whole_page
    assert page(alices, "pod-bar", live_pod.name).lstrip().startswith('<div id="pod_bar"')


def test_names_and_values_from_outside_are_text(live_pod: Pod, alices: Client) -> None:
    resources = whole(f"{live_pod.name}.localhost")
    resources["settings"] = ("Config", spec("Config", variables=[{"name": "X", "value": HOSTILE}]))
    revision = seal(live_pod, 2, resources)
    revision.summary = HOSTILE
    revision.save()
    failed = deploy(revision, "failed", error=HOSTILE, hint=HOSTILE, error_code="x", finished_at=timezone.now())
    stages(failed, "web", ["passed", "failed"])
    failed.stages.update(note=HOSTILE)
    revision.builds.create(app="web", inputs="i", commit="a" * 40, message=HOSTILE, author=HOSTILE)
    serve(revision, "web", reason=HOSTILE)
    for address in (
        reverse("home"),
        reverse("pod", args=[live_pod.name]),
        reverse("deployments", args=[live_pod.name]) + f"?state={HOSTILE}",
        reverse("deployment", args=[live_pod.name, failed.pk]),
        reverse("revisions", args=[live_pod.name]) + "?a=1&b=2",
        reverse("revision", args=[live_pod.name, 2]),
        reverse("resource", args=[live_pod.name, "web"]) + f"?instance={HOSTILE}",
        reverse("resource", args=[live_pod.name, "settings"]) + "?tab=configuration",
    ):
        html = alices.get(address).content.decode()
        assert "<script>alert" not in html, address
    assert "&lt;script&gt;alert" in html


def test_none_yet_differs_from_no_match(live_pod: Pod, empty_pod: Pod, alices: Client) -> None:
    assert "No deployments yet" in page(alices, "deployments", empty_pod.name)
    assert "No deployment matches" in page(alices, "deployments", live_pod.name, query="?state=failed")
    assert "No revisions yet" in page(alices, "revisions", empty_pod.name)
    assert "Nothing in this pod yet" in page(alices, "pod", empty_pod.name)


def test_a_long_history_comes_in_pages(live_pod: Pod, alices: Client) -> None:
    for _ in range(31):
        deploy(live_pod.live, "failed", finished_at=timezone.now())  # type: ignore[arg-type]
    html = page(alices, "deployments", live_pod.name, query="?state=failed")
    older = re.search(r'href="(\?[^"]*before=[^"]*)"', html)
    assert older
    following = page(alices, "deployments", live_pod.name, query=older[1].replace("&amp;", "&"))
    assert following.count("<tr>") == 2  # the headings and the one left
    assert "state=failed" in older[1]


def test_the_timeline_has_eight_stages_and_counts_what_runs(live_pod: Pod, alices: Client) -> None:
    deployment = deploy(live_pod.live, "pending")  # type: ignore[arg-type]
    stages(deployment, "web", ["passed", "passed", "skipped", "running", *["pending"] * 4])
    html = page(alices, "deployment", live_pod.name, deployment.pk)
    assert html.count('<li class="stage ') == 8
    for state, number in [("passed", 2), ("skipped", 1), ("running", 1), ("pending", 4)]:
        assert html.count(f"stage-{state}") == number
    assert re.search(r'stage-time"><span data-since="2', html)
    assert "cancel_button" in html


def test_a_failure_names_cause_remedy_stage_and_what_still_serves(live_pod: Pod, alices: Client) -> None:
    revision = seal(live_pod, 2, whole(f"{live_pod.name}.localhost"), live=False)
    failed = deploy(
        revision, "failed", error="npm is unhappy.", hint="Mend the lockfile.", error_code="install_failed",
        finished_at=timezone.now(),
    )  # fmt: skip
    stages(failed, "web", ["passed", "passed", "passed", "failed"])
    shown = text(page(alices, "deployment", live_pod.name, failed.pk))
    for words in ("npm is unhappy.", "Mend the lockfile.", "web, stage install", "install_failed", "v1 still serves"):
        assert words in shown


def test_a_rollback_says_what_it_cannot_bring_back(live_pod: Pod, bobs: Client) -> None:
    seal(live_pod, 2, whole(f"{live_pod.name}.localhost"))
    for name, key in (("revision", 1), ("deployment", live_pod.deployments.get().pk)):
        shown = text(page(bobs, name, live_pod.name, key))
        assert "It cannot bring back:" in shown
        assert "What is on disk data stays as it is now" in shown


def test_two_revisions_are_compared(live_pod: Pod, veras: Client) -> None:
    resources = whole(f"{live_pod.name}.localhost")
    resources["settings"] = ("Config", spec("Config", variables=[{"name": "GREETING", "value": "hi there"}]))
    seal(live_pod, 2, resources)
    shown = text(page(veras, "revisions", live_pod.name, query="?a=1&b=2"))
    assert "From v1 to v2" in shown
    assert re.search(r"variables\.GREETING hello hi there", shown)
    back = text(page(veras, "revisions", live_pod.name, query="?a=2&b=1"))
    assert re.search(r"variables\.GREETING hi there hello", back)


@pytest.mark.parametrize("wrong", ["a=1&b=99", "a=x&b=1", "a=-1&b=1", "a=1&b=99999999999999999999"])
def test_comparing_with_what_is_not_there_is_not_found(wrong: str, live_pod: Pod, alices: Client) -> None:
    assert alices.get(reverse("revisions", args=[live_pod.name]) + f"?{wrong}").status_code == 404


def test_nothing_of_another_pod_is_reached_through_this_one(live_pod: Pod, team: Team, alices: Client) -> None:
    other = make_pod(team)
    revision = seal(other, 7, whole(f"{other.name}.localhost"))
    deployment, workload = deploy(revision), serve(revision, "web")
    for name, key in [
        ("revision", 7),
        ("deployment", deployment.pk),
        ("deployment-log", deployment.pk),
        ("deployment-log-text", deployment.pk),
        ("workload-log", workload.pk),
        ("resource", "nothing"),
    ]:
        assert alices.get(reverse(name, args=[live_pod.name, key])).status_code == 404, name
    assert alices.post(reverse("cancellation", args=[live_pod.name, deployment.pk])).status_code == 404


def test_the_log_is_a_text_file(live_pod: Pod, alices: Client) -> None:
    answer = alices.get(reverse("deployment-log-text", args=[live_pod.name, live_pod.deployments.get().pk]))
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert f"{live_pod.name}-v1-" in answer["Content-Disposition"]
    assert b"".join(answer.streaming_content) == b""  # type: ignore[attr-defined]


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as caught:
        assert client.get(address).status_code == 200
    return len(caught)


def test_the_number_of_queries_does_not_grow(live_pod: Pod, team: Team, alices: Client) -> None:
    addresses = [
        reverse("home"),
        *(reverse(name, args=[live_pod.name]) for name in ("pod", "deployments", "revisions", "draft")),
        reverse("resource", args=[live_pod.name, "web"]),
    ]
    before = [queries(alices, address) for address in addresses]
    for version in range(2, 12):
        revision = seal(live_pod, version, whole(f"{live_pod.name}.localhost"))
        deploy(revision, finished_at=timezone.now())
        serve(revision, "web", replica=version)
        make_pod(team)
    after = [queries(alices, address) for address in addresses]
    assert after == before
    assert max(after) <= 35


def test_fifty_cards_take_four_queries(alice: User, team: Team) -> None:
    for number in range(50):
        pod = make_pod(team)
        deploy(seal(pod, 1, {}), "failed" if number % 2 else "ready")
    with CaptureQueriesContext(connection) as caught:
        found = cards(alice)
    assert len(found) == 50
    assert len(caught) <= 4


def test_a_card_says_how_the_pod_is(live_pod: Pod, empty_pod: Pod, alice: User, charlie: User) -> None:
    by_name = {card.name: card for card in cards(alice)}
    live, empty = by_name[live_pod.name], by_name[empty_pod.name]
    assert (live.state, live.version, live.running, live.wanted) == ("live", 1, 1, 1)
    assert live.hosts == (f"{live_pod.name}.localhost",)
    assert (empty.state, empty.last, empty.hosts) == ("not_deployed", None, ())
    live_pod.workloads.update(state="unhealthy")
    assert next(card for card in cards(alice) if card.name == live_pod.name).state == "degraded"
    deploy(live_pod.live, "pending")  # type: ignore[arg-type]
    assert next(card for card in cards(alice) if card.name == live_pod.name).state == "deploying"
    assert cards(charlie) == []
