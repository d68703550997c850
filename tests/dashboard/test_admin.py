"""The operators' pages over every model: complete, quick whatever the number of rows, and safe."""

from __future__ import annotations

import datetime
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
from django.utils import timezone

from apps.accounts.links import signin_link
from apps.accounts.models import ApiToken, Invitation, SignIn, SignInLink, Team, User
from apps.accounts.roles import Role
from apps.audit import trail
from apps.backups.models import Backup, BackupKey, BackupPlan, Restore
from apps.builds.models import Artifact, BuildCache, Builder, BuildRun, PushedImage, Runtime
from apps.cdn.models import CloudflareZone
from apps.certificates.models import Certificate, DnsZone
from apps.connections.models import AppHandshake, Grant, Handshake, OAuthApplication
from apps.core.ids import new_id
from apps.deployments.models import AppControl, AppEvent, Deployment, Duty, Job, JobRun, Workload
from apps.disks.models import DiskAction, Snapshot
from apps.disks.models import Restore as DiskRestore
from apps.hooks.models import Receipt, Tip, Webhook
from apps.infrastructure.models import Allotment, Service, ServiceEvent
from apps.logs.models import LogChunk, LogStream
from apps.metrics.models import Bucket, DiskUsage, Reading, Statements
from apps.notify.models import Delivery, Message
from apps.pods.models import AppKey, DomainProof, Pod, RoutePassword
from apps.previews.models import Preview, PreviewSettings
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

PLANTED = "planted-value-nobody-may-read"


def plant() -> None:
    """A row of every model, in a team of their own."""
    team = make_team("planted")
    owner = join(team, make_user("owner"), Role.OWNER)
    signin_link(owner)
    trail.note("team.make", by=owner, about=team)
    Invitation.issue(lasts=datetime.timedelta(days=1), team=team, email="x@example.com", role=Role.VIEWER)
    ApiToken.objects.create(
        user=owner, name="deploys", scope="operator", digest=f"{PLANTED}{owner.pk}", start="bp_abcde"
    )
    Authenticator.objects.create(user=owner, type="totp", data={"secret": PLANTED})
    SignIn.objects.create(user=owner, session_key=f"{PLANTED}{owner.pk}", address="203.0.113.5")
    connection = team.connections.create(
        kind="oauth", provider="github", host="github.com", name="ours", path=PLANTED, version=1, created_by=owner
    )
    application = OAuthApplication.objects.create(
        provider="github", host=f"{new_id()}.example.org", client_id="us", path=PLANTED
    )
    Grant.objects.create(connection=connection, application=application, account="octo")
    Handshake.objects.create(id=new_id(), session=PLANTED, user=owner, team=team, application=application)
    AppHandshake.objects.create(id=new_id(), session=PLANTED, user=owner, team=team, host="github.com")
    pod = Pod.objects.create(team=team, name=f"p{new_id()}", created_by=owner, webhook_path=PLANTED)
    team.blueprints.create(name="ours", text="version: 1", created_by=owner)
    endpoint = team.endpoints.create(kind="slack", name="ours", shown="https://x/…", path=PLANTED, version=1)
    message = Message.objects.create(pk=Message.new_id(), team=team, pod=pod, event="test", body="{}")
    Delivery.objects.create(message=message, endpoint=endpoint)
    pod.hosts.create(host=f"{pod.name}.example.com", route="site")
    pod.registrations.create(team=team, repository="x.org/a/b", address="https://x.org", version=1)
    pod.reports.create(kind="status", repository="https://x.org/a/b", subject="f" * 40, key="x", url="https://x.org")
    pod.roles.create(membership=team.memberships.get(), role="viewer")
    DomainProof.objects.create(team=team, host=f"{new_id()}.example.org", zone="example.org")
    revision = pod.revisions.create(version=1, sealed_at=timezone.now(), summary="first", author=owner)
    revision.resources.create(kind="Config", name="settings", spec={"secrets": {"TOKEN": 1}})
    Pod.objects.filter(pk=pod.pk).update(live=revision, head=revision)
    artifact = Artifact.objects.create(team=team, kind="static", manifest={"files": "sha256:0"}, size=5_000_000)
    build = revision.builds.create(app="web", inputs="0", commit="c" * 40, artifact=artifact)
    revision.promotions.create(app="web", build=build)
    Builder.objects.create(name=f"b{new_id()}", region="local", labels=["fast"])
    Runtime.objects.create(daemon=f"d{new_id()}", seen_at=timezone.now())
    PushedImage.objects.create(name=f"registry.example.org/shop-web:{new_id()}", pushed_at=timezone.now())
    BuildRun.objects.create(
        team=team, pod=pod, build=build, pod_name=pod.name, app="web", builder="b", started_at=timezone.now()
    )
    BuildCache.objects.create(team=team, pod=pod, app="web", size=5_000_000, parts={"layers": 5_000_000})
    deployment = Deployment.objects.create(
        pod=pod, revision=revision, trigger="manual", state="failed", error_code="build_failed", actor=owner
    )
    deployment.stages.create(stage="build", app="web", state="failed")
    pod.inspections.create(app="web", inputs="0", repo="https://git.example.com/a/b.git", deadline=timezone.now())
    pod.lookups.create(app="web", repo="https://git.example.com/a/b.git", deadline=timezone.now())
    pod.repository_imports.create(repo="https://git.example.com/a/b.git", actor=owner, deadline=timezone.now())
    Workload.objects.create(pod=pod, revision=revision, deployment=deployment, app="web", fingerprint="0")
    AppEvent.objects.create(pod=pod, app="web", instance="web.1", kind="restart", words="restarted 1 of 10")
    AppControl.objects.create(pod=pod, app="web", stopped_at=timezone.now(), stopped_by=owner)
    Job.objects.create(pod=pod, app="web", name="nightly", schedule="@daily", zone="UTC", next_at=timezone.now())
    JobRun.objects.create(pod=pod, revision=revision, app="web", job="nightly", actor=owner)
    Certificate.objects.create(host=f"{new_id()}.example.com")
    DnsZone.objects.create(zone=f"{new_id()}.example.com", provider="cloudflare", path=PLANTED)
    CloudflareZone.objects.create(pod=pod, zone="0" * 32, version=1, set_by=owner)
    RoutePassword.objects.create(pod=pod, route="web", version=1, hashed=PLANTED)
    AppKey.objects.create(pod=pod, app="web", name=new_id()[-8:], digest=PLANTED[:22], created_by=owner)
    Webhook.objects.create(pod=pod, version=1)
    Tip.objects.create(pod=pod, app="web", repository="example.com/a/b", branch="main", head="c" * 40)
    PreviewSettings.objects.create(pod=pod, enabled=True)
    Preview.objects.create(
        parent=pod, name="x-pr-1", repository="example.com/a/b", number=1, ref="refs/pull/1/head", head_sha="c" * 40,
        state="open", active_at=timezone.now(),
    )  # fmt: skip
    Receipt.objects.create(pod=pod, provider="GitHub", outcome="nothing", verdict="Nothing to do.")
    Duty.objects.create(name=f"teardown:{pod.pk}")
    LogStream.objects.create(name=deployment.stream)
    team.terminals.create(user=owner, person="x@example.com", pod_name="p", app="web", instance="web.1", workload="w")
    now = timezone.now()
    LogChunk.objects.create(
        stream=deployment.stream, first_seq=1, last_seq=1, first_at=now, last_at=now, size=9, data=PLANTED.encode()
    )
    plant_data(pod, owner)


def plant_data(pod: Pod, owner: User) -> None:
    """Of what keeps a pod's data: figures, shared servers, disks, databases, backups."""
    team = pod.team
    Bucket.objects.create(pod=pod.pk, app="web", step=15, start=15)
    DiskUsage.objects.create(pod=pod.pk, disk="data", measured_at=timezone.now())
    Statements.objects.create(pod=pod.pk, database="db", said_at=timezone.now())
    Reading.objects.create(source=f"host {pod.pk}")
    service = Service.objects.create(name=f"s{new_id()}", type="redis", managed=False, path=PLANTED, secret=1)
    Allotment.objects.create(service=service, pod=pod, pod_name=pod.name, team_name="ours", resource="db", database="d")
    ServiceEvent.objects.create(service="main", kind="start", words="Started", actor=owner)
    snapshot = Snapshot.objects.create(pod=pod, disk="data", note="before")
    DiskRestore.objects.create(pod=pod, disk="data", snapshot=snapshot, target="data", actor=owner)
    DiskAction.objects.create(team=team, pod=pod, pod_name=pod.name, disk="data", person="x@example.com", did="Deleted")
    team.database_entries.create(
        pod=pod, server="db", user=owner, person="x@example.com", kind="query", words="SELECT 1"
    )
    pod.saved_statements.create(server="db", name="all", text="SELECT 1")
    BackupKey.objects.create(recipient="age1", path=PLANTED, version=1)
    BackupPlan.objects.create(pod=pod, name="db", schedule="@daily", next_at=timezone.now())
    backup = Backup.objects.create(pod=pod, name="db", kind="PostgresDB", actor=owner)
    Restore.objects.create(pod=pod, backup=backup, target="db", actor=owner)


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
