"""Staging pods: made from a pod's page, shown under their parent, deleted with it only when agreed to."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.builds.models import Artifact
from apps.dashboard.pod_cards import cards
from apps.pods import actions
from apps.pods.models import Pod, PodRole
from tests.dashboard.pages.conftest import spec

pytestmark = pytest.mark.django_db
GIVEN = {"name": "beside", "with_secrets": "on", "databases": "empty"}


def _child(client: Client, pod: Pod) -> Pod:
    answer = client.post(reverse("staging", args=[pod.name]), GIVEN)
    assert answer.headers.get("Location") == "/pods/beside/draft/", answer.content.decode()
    return Pod.objects.get(name="beside")


def test_a_staging_pod_is_made_and_found(bobs: Client, bob: User, live_pod: Pod) -> None:
    assert "New staging pod" in bobs.get(f"/pods/{live_pod.name}/").content.decode()
    child = _child(bobs, live_pod)
    assert child.draft
    assert child.draft.snapshot().keys() == {"data", "front", "settings", "web"}
    assert "beside.localhost" in bobs.get("/pods/beside/draft/").content.decode()
    assert f"/pods/{live_pod.name}/" in bobs.get("/pods/beside/settings/").content.decode()
    assert "/pods/beside/" in bobs.get(f"/pods/{live_pod.name}/").content.decode()
    assert [(card.name, [it.name for it in card.children]) for card in cards(bob)] == [(live_pod.name, ["beside"])]
    assert [card.name for card in cards(bob, text="beside")] == ["beside"]
    home = bobs.get("/").content.decode()
    assert home.index(f"/pods/{live_pod.name}/") < home.index("/pods/beside/")


def test_what_is_left_out_follows_the_choice(bobs: Client, live_pod: Pod) -> None:
    assert live_pod.live
    live_pod.live.resources.create(name="db", kind="PostgresDB", spec=spec("PostgresDB", version="17", disk="data"))
    where = reverse("staging", args=[live_pod.name])
    said = {}
    for choice in ("empty", "none"):
        answer = bobs.get(where, {"databases": choice}, headers={"HX-Request": "true"})
        said[choice] = answer.content.decode()
        assert "<html" not in said[choice]
    assert "Nothing." in said["empty"]
    assert "<code>db</code>" in said["none"]


@pytest.fixture
def built(live_pod: Pod, bobs: Client, bob: User) -> Pod:
    """A staging pod that is live as v1, with another greeting, and has built the app `web`."""
    child = _child(bobs, live_pod)
    draft = child.draft
    assert draft
    config = draft.resources.get(name="settings")
    config.spec["variables"] = [{"name": "GREETING", "value": "from staging"}]
    config.save()
    child.live = child.head = actions.seal(pod=child, summary="", by=bob)
    child.save()
    artifact = Artifact.objects.create(team=child.team, kind="bundle", manifest={"app": "sha256:0"})
    child.live.builds.create(app="web", inputs="0", commit="c" * 40, message="Blue buttons", artifact=artifact)
    return child


def test_promotion_is_chosen_and_reviewed(bobs: Client, live_pod: Pod, built: Pod) -> None:
    assert "/pods/beside/promotion/" in bobs.get("/pods/beside/").content.decode()
    page = bobs.get("/pods/beside/promotion/").content.decode()
    assert "Blue buttons" in page
    assert "from staging" in page  # what is not carried over
    answer = bobs.post("/pods/beside/promotion/", {"apps": ["web"], "version": 1})
    assert answer.headers["Location"] == f"/pods/{live_pod.name}/draft/"
    review = bobs.get(answer.headers["Location"]).content.decode()
    assert "web: the artifact of beside, revision 1. Nothing is built." in review
    assert "Promote web of beside, revision 1" in review
    assert "from staging" not in review


def test_what_the_draft_changes_already_is_named(bobs: Client, bob: User, live_pod: Pod, built: Pod) -> None:
    assert 'id="along"' not in bobs.get("/pods/beside/promotion/").content.decode()
    actions.save_resource(pod=live_pod, kind="Disk", name="later", spec={"size": 5}, by=bob, create=True)
    page = bobs.get("/pods/beside/promotion/").content.decode()
    assert "They are deployed along" in page
    assert "add Disk later" in page


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"apps": [], "version": 1}, "Choose an app."),
        ({"apps": ["web"], "version": 2}, "Another revision of beside is live"),
        ({"apps": ["nothing"], "version": 1}, "Select a valid choice"),
    ],
)
def test_promotions_that_are_refused(
    bobs: Client, live_pod: Pod, built: Pod, given: dict[str, object], words: str
) -> None:
    answer = bobs.post("/pods/beside/promotion/", given)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert live_pod.draft is None


def test_promoting_takes_developers_of_both(bobs: Client, bob: User, team: Team, live_pod: Pod, built: Pod) -> None:
    PodRole.objects.create(pod=live_pod, membership=team.memberships.get(user=bob), role=Role.VIEWER)
    assert bobs.get("/pods/beside/promotion/").status_code == 403
    assert bobs.post("/pods/beside/promotion/", {"apps": ["web"], "version": 1}).status_code == 403
    assert live_pod.draft is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "No Name"}, "Must be 1 to 40 lower-case letters"),
        ({"name": ""}, "This field is required"),
        ({"databases": "other"}, "Select a valid choice"),
    ],
)
def test_bad_input(bobs: Client, live_pod: Pod, given: dict[str, str], words: str) -> None:
    answer = bobs.post(reverse("staging", args=[live_pod.name]), GIVEN | given)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not live_pod.children.exists()


def test_a_name_that_is_taken_is_said_at_the_name(bobs: Client, live_pod: Pod) -> None:
    answer = bobs.post(reverse("staging", args=[live_pod.name]), GIVEN | {"name": live_pod.name})
    assert answer.status_code == 422
    assert "Choose another name." in answer.content.decode()


def test_roles_in_the_parent_hold_in_the_child(
    alices: Client, bobs: Client, bob: User, team: Team, live_pod: Pod
) -> None:
    PodRole.objects.create(pod=live_pod, membership=team.memberships.get(user=bob), role=Role.VIEWER)
    assert bobs.post(reverse("staging", args=[live_pod.name]), GIVEN).status_code == 403
    _child(alices, live_pod)
    assert bobs.post("/pods/beside/draft/discard/").status_code == 403


def test_a_parent_is_deleted_with_its_children_when_agreed(alices: Client, live_pod: Pod) -> None:
    child = _child(alices, live_pod)
    where, given = reverse("pod-deletion", args=[live_pod.name]), {"confirmation": live_pod.name}
    refused = alices.post(where, given)
    assert refused.status_code == 422
    assert f"{live_pod.name} has children: beside." in refused.content.decode()
    assert alices.post(where, given | {"children": "on"}).status_code == 302
    child.refresh_from_db()
    assert child.deleting_at
