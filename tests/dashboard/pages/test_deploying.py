"""Making pods, reviewing, deploying, cancelling, rolling back and deleting, through the pages."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from markupsafe import escape

from apps.accounts.models import Team, User
from apps.pods import actions
from apps.pods.models import Pod
from tests.dashboard.pages.conftest import HOSTILE, deploy, make_pod, seal, spec, whole

pytestmark = pytest.mark.django_db


def review(client: Client, pod: Pod) -> str:
    return client.get(reverse("draft", args=[pod.name])).content.decode()


def token_of(html: str) -> str:
    found = re.search(r'name="token" value="([0-9a-f]+)"', html)
    assert found
    return found[1]


def post_draft(client: Client, pod: Pod, **fields: Any) -> Any:
    return client.post(reverse("deployments", args=[pod.name]), {"draft": "1"} | fields)


@pytest.fixture
def draft(live_pod: Pod, bob: User) -> Pod:
    """The live pod with a larger disk in the draft."""
    actions.save_resource(pod=live_pod, kind="Disk", name="data", spec={"size": 9}, by=bob, create=False)
    return live_pod


def test_a_pod_is_made_where_one_may(team: Team, bobs: Client, veras: Client, charlie: User) -> None:
    name = f"made-{team.pk}"
    assert bobs.post(reverse("pods"), {"name": name, "team": team.slug})["Location"] == f"/pods/{name}/"
    assert Pod.objects.get(name=name).team == team
    assert veras.post(reverse("pods"), {"name": "vera", "team": team.slug}).status_code == 422
    elsewhere = charlie.teams.get()
    assert bobs.post(reverse("pods"), {"name": "stolen", "team": elsewhere.slug}).status_code == 422
    assert not Pod.objects.filter(name__in=["vera", "stolen"]).exists()


def test_with_one_team_the_form_has_chosen_it(team: Team, bobs: Client) -> None:
    html = bobs.get(reverse("pod-new")).content.decode()
    assert re.search(rf'<input type="hidden" name="team" value="{team.slug}"', html)


@pytest.mark.parametrize("name", ["", "Upper", "-x", "x--y", "a b", "new", "é", "a" * 41, "<b>"])
def test_a_bad_name_is_told_beside_the_field(name: str, team: Team, bobs: Client) -> None:
    answer = bobs.post(reverse("pods"), {"name": name, "team": team.slug})
    assert answer.status_code == 422
    assert 'id="id_name-errors"' in answer.content.decode()


def test_a_name_that_is_taken_is_told_beside_the_field(live_pod: Pod, team: Team, bobs: Client) -> None:
    answer = bobs.post(reverse("pods"), {"name": live_pod.name, "team": team.slug})
    assert answer.status_code == 409
    assert 'id="id_name-errors"' in answer.content.decode()


def test_the_review_shows_the_diff_and_the_consequences(draft: Pod, veras: Client, bobs: Client) -> None:
    html = review(bobs, draft)
    assert re.search(r"size.*?5.*?9", html, flags=re.DOTALL)
    assert "disk data grows from 5 to 9 GB" in html
    assert "Deploy</button>" in html
    assert "Deploy</button>" not in review(veras, draft)


def test_deploying_the_draft_leads_to_its_deployment(draft: Pod, bobs: Client) -> None:
    answer = post_draft(bobs, draft, token=token_of(review(bobs, draft)), summary="Grow")
    deployment = draft.deployments.first()
    assert deployment is not None
    assert deployment.revision.summary == "Grow"
    assert answer["Location"] == reverse("deployment", args=[draft.name, deployment.pk])
    assert bobs.get(answer["Location"]).status_code == 200


def test_a_stale_plan_is_not_deployed_and_a_fresh_one_is_shown(draft: Pod, bob: User, bobs: Client) -> None:
    token = token_of(review(bobs, draft))
    actions.save_resource(pod=draft, kind="Disk", name="data", spec={"size": 11}, by=bob, create=False)
    answer = post_draft(bobs, draft, token=token, summary="My words")
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "has changed since you looked" in html
    assert "grows from 5 to 11 GB" in html
    assert 'value="My words"' in html
    assert token_of(html) != token
    assert draft.deployments.count() == 1


def test_destruction_is_confirmed_apart(live_pod: Pod, bob: User, bobs: Client) -> None:
    web = whole(f"{live_pod.name}.localhost")["web"][1] | {"mounts": []}
    actions.save_resource(pod=live_pod, kind="App", name="web", spec=web, by=bob, create=False)
    actions.delete_resource(pod=live_pod, name="data", by=bob)
    html = review(bobs, live_pod)
    assert "Destroyed for good" in html
    answer = post_draft(bobs, live_pod, token=token_of(html), summary="")
    assert answer.status_code == 422
    assert 'id="id_confirmed-errors"' in answer.content.decode()
    assert live_pod.deployments.count() == 1
    assert post_draft(bobs, live_pod, token=token_of(html), confirmed="on").status_code == 302


def test_problems_are_named_and_keep_it_from_being_deployed(live_pod: Pod, bob: User, bobs: Client) -> None:
    actions.delete_resource(pod=live_pod, name="settings", by=bob)
    html = review(bobs, live_pod)
    assert "It cannot be deployed yet" in html
    assert "web.configs.0" in html
    assert "Deploy</button>" not in html


@pytest.mark.parametrize("data", [{}, {"draft": "1"}, {"draft": "1", "token": "x" * 300}])
def test_deploying_without_a_draft_says_so(data: dict[str, str], live_pod: Pod, bobs: Client) -> None:
    answer = bobs.post(reverse("deployments", args=[live_pod.name]), data)
    assert answer.status_code in (400, 409, 422)
    assert live_pod.deployments.count() == 1


@pytest.mark.parametrize("version", ["", "0", "99", "x", "-1", "1;2", "9" * 30])
def test_a_revision_that_is_not_there_is_not_found(version: str, live_pod: Pod, bobs: Client) -> None:
    answer = bobs.post(reverse("deployments", args=[live_pod.name]), {"revision": version})
    assert answer.status_code == 404


def test_an_older_revision_is_rolled_back_to(live_pod: Pod, bobs: Client) -> None:
    seal(live_pod, 2, whole(f"{live_pod.name}.localhost"))
    answer = bobs.post(reverse("deployments", args=[live_pod.name]), {"revision": "1"})
    made = live_pod.deployments.first()
    assert made is not None
    assert (made.trigger, made.revision.version) == ("rollback", 1)
    assert answer["Location"] == reverse("deployment", args=[live_pod.name, made.pk])


def back_before_the_disk(pod: Pod) -> str:
    """v2 is live with the disk, v1 is without it; the address to post to."""
    with_disk = whole(f"{pod.name}.localhost")
    web = with_disk["web"][1] | {"mounts": []}
    seal(pod, 1, {"settings": with_disk["settings"], "web": ("App", web), "front": with_disk["front"]})
    seal(pod, 2, with_disk)
    return reverse("deployments", args=[pod.name])


def test_a_rollback_that_destroys_a_disk_is_confirmed_apart(empty_pod: Pod, bobs: Client) -> None:
    address = back_before_the_disk(empty_pod)
    html = bobs.get(reverse("revision", args=[empty_pod.name, 1])).content.decode()
    assert "Destroyed for good" in html
    token = token_of(html)
    answer = bobs.post(address, {"revision": "1", "token": token})
    assert answer.status_code == 422
    assert 'id="id_confirmed-errors"' in answer.content.decode()
    assert "data-reopen" in answer.content.decode()
    assert bobs.post(address, {"revision": "1"}).status_code == 422, "without having read any plan neither"
    assert not empty_pod.deployments.exists()
    assert bobs.post(address, {"revision": "1", "token": token, "confirmed": "on"}).status_code == 302
    assert empty_pod.deployments.get().trigger == "rollback"


def test_a_rollback_whose_plan_has_changed_is_not_done(empty_pod: Pod, bobs: Client) -> None:
    address = back_before_the_disk(empty_pod)
    token = token_of(bobs.get(reverse("revision", args=[empty_pod.name, 1])).content.decode())
    seal(empty_pod, 3, whole(f"{empty_pod.name}.localhost") | {"more": ("Disk", spec("Disk", size=5))})
    answer = bobs.post(address, {"revision": "1", "token": token, "confirmed": "on"})
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "has changed since you looked" in html
    assert "disk more" in html
    assert token_of(html) != token
    assert not empty_pod.deployments.exists()


def test_a_deployment_is_cancelled_once_and_not_after_its_end(live_pod: Pod, bobs: Client) -> None:
    assert live_pod.live is not None
    under_way = deploy(live_pod.live, "pending")
    address = reverse("cancellation", args=[live_pod.name, under_way.pk])
    assert bobs.post(address).status_code == 302
    under_way.refresh_from_db()
    assert under_way.cancel_at is not None
    assert "being cancelled" in bobs.get(reverse("deployment", args=[live_pod.name, under_way.pk])).content.decode()
    ended = live_pod.deployments.get(state="ready")
    assert bobs.post(reverse("cancellation", args=[live_pod.name, ended.pk])).status_code == 409


def test_the_draft_is_discarded(draft: Pod, bobs: Client) -> None:
    assert bobs.post(reverse("draft-discard", args=[draft.name])).status_code == 302
    assert draft.draft is None
    assert "No draft" in review(bobs, draft)


def test_a_pod_is_deleted_by_typing_its_name(live_pod: Pod, alices: Client) -> None:
    address = reverse("pod-deletion", args=[live_pod.name])
    answer = alices.post(address, {"confirmation": "something"})
    assert answer.status_code == 422
    assert 'id="id_confirmation-errors"' in answer.content.decode()
    assert alices.post(address, {"confirmation": live_pod.name}).status_code == 302
    live_pod.refresh_from_db()
    assert live_pod.deleting_at is not None
    html = alices.get(reverse("pod", args=[live_pod.name])).content.decode()
    assert "Add a resource" not in html


def test_viewers_change_nothing(draft: Pod, veras: Client) -> None:
    deployments = reverse("deployments", args=[draft.name])
    for address, data in [
        (deployments, {"draft": "1", "token": "x"}),
        (deployments, {"revision": "1"}),
        (deployments, {"latest": "web"}),
        (reverse("draft-discard", args=[draft.name]), {}),
        (reverse("pod-deletion", args=[draft.name]), {"confirmation": draft.name}),
        (reverse("cancellation", args=[draft.name, draft.deployments.get().pk]), {}),
    ]:
        assert veras.post(address, data).status_code == 403, address
    assert draft.deployments.count() == 1
    assert draft.draft is not None


def test_developers_delete_no_pods(live_pod: Pod, bobs: Client) -> None:
    answer = bobs.post(reverse("pod-deletion", args=[live_pod.name]), {"confirmation": live_pod.name})
    assert answer.status_code == 403
    assert "Delete this pod" not in bobs.get(reverse("pod-settings", args=[live_pod.name])).content.decode()


def test_latest_needs_an_app_with_a_repository(live_pod: Pod, bobs: Client) -> None:
    for name in ("data", "nothing", "<b>"):
        assert bobs.post(reverse("deployments", args=[live_pod.name]), {"latest": name}).status_code == 404


def test_whoever_deploys_the_latest_waits_for_no_git_host(live_pod: Pod, alices: Client, veras: Client) -> None:
    """The page that says so leads on to the deployment once there is one."""
    with socket.create_server(("127.0.0.1", 0)) as host:  # nobody ever answers there
        host.setblocking(False)
        app = live_pod.live.resources.get(name="web")
        app.spec = app.spec | {"source": {"repo": f"https://127.0.0.1:{host.getsockname()[1]}/x.git"}}
        app.save()
        answer = alices.post(reverse("deployments", args=[live_pod.name]), {"latest": "web"})
        with pytest.raises(BlockingIOError):
            host.accept()
    lookup = live_pod.lookups.get()
    page = reverse("lookup", args=[live_pod.name, lookup.pk])
    assert (answer.status_code, answer["Location"]) == (302, page)
    again = alices.post(reverse("deployments", args=[live_pod.name]), {"latest": "web"})
    assert again["Location"] == page, "it is under way"
    html = veras.get(page).content.decode()
    assert "is being asked for it" in html
    assert "pod-changed" in html
    assert "Try again" not in html
    shown = alices.get(reverse("resource", args=[live_pod.name, "web"])).content.decode()
    assert page in shown
    assert "Deploy latest commit" not in shown
    deployment = deploy(live_pod.live, "waiting")
    live_pod.lookups.update(state="deployed", deployment=deployment)
    onward = reverse("deployment", args=[live_pod.name, deployment.pk])
    assert alices.get(page)["Location"] == onward
    assert alices.get(page, headers={"HX-Request": "true"})["HX-Redirect"] == onward


def test_why_the_latest_was_not_deployed_is_said(live_pod: Pod, alices: Client, veras: Client) -> None:
    lookup = live_pod.lookups.create(
        app="web", repo="https://git.example.com/web.git", branch=HOSTILE, deadline=timezone.now(), state="failed",
        error_code="branch_not_found", error=f"There is no branch {HOSTILE}.", hint="Choose another.",
    )  # fmt: skip
    page = reverse("lookup", args=[live_pod.name, lookup.pk])
    html = alices.get(page).content.decode()
    for words in ("branch_not_found", "Choose another.", "v1 still serves", "Try again", str(escape(HOSTILE))):
        assert words in html
    assert HOSTILE not in html
    assert "pod-changed from" not in html.partition('id="lookup"')[2][:200]
    assert "Try again" not in veras.get(page).content.decode()
    other = make_pod(live_pod.team)
    assert alices.get(reverse("lookup", args=[other.name, lookup.pk])).status_code == 404
