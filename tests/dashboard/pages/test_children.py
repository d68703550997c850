"""Staging pods: made from a pod's page, shown under their parent, deleted with it only when agreed to."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.dashboard.pod_cards import cards
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


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "No Name"}, "Must be 1 to 40 lower-case letters"),
        ({"name": ""}, "This field is required"),
        ({"databases": "seeded"}, "Select a valid choice"),
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
