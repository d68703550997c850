"""The pages of terminals: who sees a way in, who sees which sessions, who may end them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.deployments.models import Workload
from apps.pods.models import Pod
from apps.terminals.models import TerminalSession
from tests.people import join, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance(bob: User) -> Workload:
    team = bob.memberships.get().team
    pod = Pod.objects.create(team=team, name=f"p{team.pk}")
    revision = pod.revisions.create(version=1, sealed_at=timezone.now())
    revision.resources.create(kind="App", name="web", spec={"source": {"repo": "https://git.example.com/a/b.git"}})
    Pod.objects.filter(pk=pod.pk).update(live=revision, head=revision)
    return Workload.objects.create(
        pod=pod, revision=revision, app="web", fingerprint="f", handle={"id": "x"}, serving=True, state="healthy",
        observed_at=timezone.now(),
    )  # fmt: skip


def session_of(user: User, instance: Workload) -> TerminalSession:
    return TerminalSession.objects.create(
        team=instance.pod.team, user=user, person=user.email, pod=instance.pod, pod_name=instance.pod.name,
        app="web", instance="web.1", workload=instance.pk,
    )  # fmt: skip


def test_the_way_in_is_shown_to_who_may(
    instance: Workload, bob: User, vera: User, client_of: Callable[..., Client]
) -> None:
    app = reverse("resource", args=[instance.pod.name, "web"])
    page = reverse("terminal", args=[instance.pod.name, "web"])
    assert page in client_of(bob).get(app).content.decode()
    assert page not in client_of(vera).get(app).content.decode()
    shown = client_of(bob).get(page).content.decode()
    assert f'data-socket="/ws/pods/{instance.pod.name}/terminals/{instance.pk}/"' in shown
    assert "That instance has gone" in client_of(bob).get(f"{page}?instance=nowhere").content.decode()


def test_an_instance_that_is_gone_has_no_terminal(
    instance: Workload, bob: User, client_of: Callable[..., Client]
) -> None:
    Workload.objects.update(stopped_at=timezone.now())
    page = client_of(bob).get(reverse("terminal", args=[instance.pod.name, "web"])).content.decode()
    assert "No instance runs" in page
    assert "<pod-terminal" not in page


def test_admins_see_everybodys_and_end_them(
    instance: Workload, alice: User, bob: User, vera: User, client_of: Callable[..., Client]
) -> None:
    team = instance.pod.team
    dora = join(team, make_user("dora"), "developer")
    mine, other = session_of(bob, instance), session_of(dora, instance)
    listing = reverse("terminals", args=[team.slug])
    assert mine.pk in client_of(bob).get(listing).content.decode()
    assert other.pk not in client_of(bob).get(listing).content.decode()
    ending = reverse("terminal-ending", args=[team.slug, other.pk])
    assert client_of(bob).post(ending).status_code == 404
    assert client_of(vera).post(ending).status_code == 404
    assert client_of(alice).post(ending).status_code == 302
    other.refresh_from_db()
    assert other.ended_by == alice
    assert other.end_asked_at is not None
    assert client_of(bob).post(reverse("terminal-ending", args=[team.slug, mine.pk])).status_code == 302
