"""The operators' pages over every model: complete, quick whatever the number of rows, and safe."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.messages import get_messages
from django.db import connection, models
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts import tokens
from apps.accounts.models import ApiToken, Invitation, SignInLink, Team, User
from apps.accounts.roles import Role
from apps.audit.models import AuditEntry
from apps.core.ids import new_id
from apps.deployments.models import Deployment
from apps.pods.models import Pod
from tests.dashboard.planted import PLANTED, plant
from tests.people import join, make_team, make_user

pytestmark = pytest.mark.django_db

MODELS = [*(m for m in apps.get_models() if m.__module__.startswith("apps.")), Authenticator]
ADDED = {"User", "DnsZone", "OAuthApplication"}
CHANGED = {"User", "Team", "DnsZone", "OAuthApplication"}
REMOVED = {
    "Authenticator",
    "ApiToken",
    "User",
    "Team",
    "SignInLink",
    "Invitation",
    "SignIn",
    "Builder",
    "DnsZone",
    "OAuthApplication",
}
"""What operators may do beyond looking. Everything else is written by the platform alone."""


@pytest.fixture
def operator(db: None) -> User:
    return make_user("operator", is_staff=True, is_superuser=True)


@pytest.fixture
def browser(operator: User, client_of: Callable[..., Client]) -> Client:
    return client_of(operator)


def address(model: type[models.Model], page: str, *words: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=words)


def pages_of(model: type[models.Model]) -> list[str]:
    row = model._default_manager.first()
    assert row is not None, f"plant() has to make a {model.__name__}"
    listing = address(model, "changelist")
    return [listing, f"{listing}?q=planted", f"{listing}?q=no-such-thing", address(model, "change", row.pk)]


def test_every_model_has_its_pages() -> None:
    missing = [m.__name__ for m in MODELS if m not in admin.site._registry]
    assert not missing, "an app's admin.py registers each of its models"
    assert not [m.__name__ for m in MODELS if not admin.site._registry[m].search_fields]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_operators_see_lists_searches_and_rows(model: type[models.Model], browser: Client) -> None:
    plant()
    for page in pages_of(model):
        answer = browser.get(page)
        assert answer.status_code == 200, page
        assert PLANTED not in answer.content.decode(), f"{page} shows a value that is kept from people"


def test_nobody_else_sees_anything(alice: User, client_of: Callable[..., Client]) -> None:
    plant()
    clerk = make_user("clerk", is_staff=True)  # let into the frame, and to no model
    for model in MODELS:
        for page in pages_of(model):
            assert client_of(alice).get(page).status_code in (302, 404), page
            assert Client().get(page).status_code in (302, 404), page
            assert client_of(clerk).get(page).status_code == 403, page


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_a_list_takes_as_many_queries_for_many_rows(model: type[models.Model], browser: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert browser.get(address(model, "changelist")).status_code == 200
        return len(seen)

    plant()
    plant()
    few = queries()
    for _ in range(4):
        plant()
    assert queries() <= few


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_operators_change_only_what_is_theirs_to_change(
    model: type[models.Model], operator: User, browser: Client
) -> None:
    plant()
    mine: ModelAdmin = admin.site._registry[model]
    request = HttpRequest()
    request.user = operator
    row = model._default_manager.first()
    assert mine.has_add_permission(request) == (model.__name__ in ADDED)
    assert mine.has_change_permission(request, row) == (model.__name__ in CHANGED)
    assert mine.has_delete_permission(request, row) == (model.__name__ in REMOVED)
    for inline in mine.get_inline_instances(request, row):
        may = model.__name__ in CHANGED
        assert inline.has_change_permission(request, row) == inline.has_delete_permission(request, row) == may
    assert (browser.get(address(model, "add")).status_code == 200) == (model.__name__ in ADDED)
    assert row is not None
    removal = browser.get(address(model, "delete", row.pk))
    assert (removal.status_code == 200) == (model.__name__ in REMOVED)


def test_hashes_are_not_shown(operator: User, browser: Client) -> None:
    plant()
    page = browser.get(address(User, "change", operator.pk)).content.decode()
    assert operator.password not in page
    assert operator.password.rsplit("$", 1)[1] not in page
    for model in (SignInLink, Invitation):
        row = model.objects.get()
        assert row.digest not in browser.get(address(model, "change", row.pk)).content.decode()


def filled(page: HttpResponse) -> dict[str, Any]:
    """What the browser would send if the form of `page` were sent as it is."""
    context: Any = page.context  # type: ignore[attr-defined]
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    bound = [field for form in forms for field in form]
    values = {field.html_name: field.value() for field in bound}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def messages_of(answer: HttpResponse) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]  # type: ignore[attr-defined]


def member_row(data: dict[str, Any], membership: Any) -> str:
    """The prefix of the inline form that edits `membership`."""
    return next(
        name.removesuffix("-id") for name, value in data.items() if name.endswith("-id") and value == membership.pk
    )


@pytest.mark.parametrize("page", ["team", "user"])
@pytest.mark.parametrize("how", ["removed", "demoted"])
def test_the_last_owner_stays(page: str, how: str, team: Team, alice: User, bob: User, browser: Client) -> None:
    at = address(Team, "change", team.pk) if page == "team" else address(User, "change", alice.pk)
    membership = team.memberships.get(user=alice)
    data = filled(browser.get(at))
    row = member_row(data, membership)
    data |= {f"{row}-DELETE": "on"} if how == "removed" else {f"{row}-role": "viewer"}
    refused = browser.post(at, data)
    assert refused.status_code == 200
    assert "cannot be without an owner" in refused.content.decode()
    membership.refresh_from_db()
    assert membership.role == Role.OWNER

    team.memberships.filter(user=bob).update(role=Role.OWNER)
    data = filled(browser.get(at))
    data |= {f"{row}-DELETE": "on"} if how == "removed" else {f"{row}-role": "viewer"}
    assert browser.post(at, data).status_code == 302
    assert team.role_of(alice) == (None if how == "removed" else Role.VIEWER)


def test_ownership_is_handed_over_in_one_go(team: Team, alice: User, bob: User, browser: Client) -> None:
    at = address(Team, "change", team.pk)
    data = filled(browser.get(at))
    data[member_row(data, team.memberships.get(user=alice)) + "-role"] = "viewer"
    data[member_row(data, team.memberships.get(user=bob)) + "-role"] = "owner"
    assert browser.post(at, data).status_code == 302
    assert (team.role_of(alice), team.role_of(bob)) == (Role.VIEWER, Role.OWNER)


@pytest.mark.parametrize("page", ["team", "user"])
def test_tokens_end_with_a_membership_that_an_operator_ends(
    page: str, team: Team, bob: User, operator: User, browser: Client
) -> None:
    row, _ = tokens.make(user=bob, name="ci", team=team)
    at = address(Team, "change", team.pk) if page == "team" else address(User, "change", bob.pk)
    data = filled(browser.get(at))
    data[member_row(data, team.memberships.get(user=bob)) + "-DELETE"] = "on"
    assert browser.post(at, data).status_code == 302
    assert not ApiToken.objects.filter(pk=row.pk).exists()
    assert AuditEntry.objects.get(verb="token.revoke").user == operator


def test_an_inactive_owner_does_not_count(team: Team, alice: User, bob: User, browser: Client) -> None:
    at = address(User, "change", alice.pk)
    data = filled(browser.get(at))
    del data["is_active"]
    locked = browser.post(at, data)
    assert locked.status_code == 302
    assert any("no active owner" in words for words in messages_of(locked))

    User.objects.filter(pk=alice.pk).update(is_active=True)
    team.memberships.filter(user=bob).update(role=Role.OWNER)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    at = address(Team, "change", team.pk)
    data = filled(browser.get(at))
    data[member_row(data, team.memberships.get(user=alice)) + "-role"] = "viewer"
    assert "cannot be without an owner" in browser.post(at, data).content.decode()


def test_last_owners_and_the_last_operator_are_not_deleted(
    team: Team, alice: User, bob: User, operator: User, browser: Client
) -> None:
    for person in (alice, operator):
        browser.post(address(User, "delete", person.pk), {"post": "yes"})
        assert User.objects.filter(pk=person.pk).exists()
    chosen = {"action": "delete_selected", "_selected_action": [alice.pk, bob.pk], "post": "yes"}
    browser.post(address(User, "changelist"), chosen)
    assert User.objects.filter(pk__in=[alice.pk, bob.pk]).count() == 2
    assert browser.post(address(User, "delete", bob.pk), {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=bob.pk).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", ["one by one", "in the list"])
def test_two_operators_who_delete_two_owners_at_once_leave_one(page: str) -> None:
    team = make_team("race")
    owners = [join(team, make_user(name), Role.OWNER) for name in ("one", "two")]
    operators = [make_user(name, is_staff=True, is_superuser=True) for name in ("first", "second")]
    start, answers = threading.Barrier(2), []

    def delete(operator: User, owner: User) -> None:
        try:
            client = Client()
            client.force_login(operator)
            at, data = address(User, "delete", owner.pk), {"post": "yes"}
            if page == "in the list":
                at, data = address(User, "changelist"), {"action": "delete_selected", "post": "yes"}
                data["_selected_action"] = str(owner.pk)
            start.wait(60)
            answers.append(client.post(at, data).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=delete, args=pair) for pair in zip(operators, owners, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(answers) == [200, 302]
    assert User.objects.filter(pk__in=[owner.pk for owner in owners]).count() == 1


@pytest.mark.parametrize("field", ["is_active", "is_staff", "is_superuser"])
def test_the_last_operator_stays_one(field: str, operator: User, browser: Client) -> None:
    at = address(User, "change", operator.pk)
    data = filled(browser.get(at))
    del data[field]
    assert "only operator" in browser.post(at, data).content.decode()
    make_user("second", is_staff=True, is_superuser=True)
    assert browser.post(at, data).status_code == 302


def test_new_people_get_a_clean_address(browser: Client) -> None:
    secret = f"long-{new_id()}"
    data = {"email": "Grace@Example.COM", "name": " Grace ", "usable_password": "true", "password1": secret}
    data |= {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    assert browser.post(address(User, "add"), data | {"password2": secret}).status_code == 302
    grace = User.objects.get(email="grace@example.com")
    assert grace.name == "Grace"
    assert grace.check_password(secret)
    refused = browser.post(address(User, "add"), data | {"password2": secret, "name": "\u202e"})
    assert refused.status_code == 200


def test_a_team_with_pods_is_not_deleted(browser: Client) -> None:
    plant()
    pod = Pod.objects.get()
    browser.post(address(Team, "delete", pod.team_id), {"post": "yes"})
    assert Pod.objects.filter(pk=pod.pk).exists()
    empty = make_team("empty")
    join(empty, make_user("alone"), Role.OWNER)
    assert browser.post(address(Team, "delete", empty.pk), {"post": "yes"}).status_code == 302
    assert not Team.objects.filter(pk=empty.pk).exists()


def test_operators_cancel_what_can_be_cancelled(operator: User, browser: Client) -> None:
    plant()
    pod = Pod.objects.get()
    revision = pod.revisions.get()
    ended = pod.deployments.get()
    waiting = Deployment.objects.create(pod=pod, revision=revision, trigger="manual")
    under_way = Deployment.objects.create(pod=pod, revision=revision, trigger="manual", state="pending")
    chosen = {"action": "cancel", "_selected_action": [ended.pk, waiting.pk, under_way.pk]}
    answer = browser.post(address(Deployment, "changelist"), chosen, follow=True)
    for deployment in (ended, waiting, under_way):
        deployment.refresh_from_db()
    assert (ended.state, waiting.state, under_way.state) == ("failed", "cancelled", "pending")
    assert waiting.cancelled_by == under_way.cancelled_by == operator
    assert under_way.cancel_at is not None
    assert "already gone live or ended" in answer.content.decode()
