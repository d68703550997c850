"""The audit log: what an entry says, that nobody rewrites it, and how it is looked through."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib import admin
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import actions, links, tokens
from apps.accounts.models import Invitation, Team, User
from apps.accounts.roles import Role
from apps.audit import reading, trail
from apps.audit.circumstances import within
from apps.audit.models import AppendOnly, AuditEntry
from apps.audit.operators import Noted
from apps.audit.reading import Wanted
from apps.audit.verbs import VERBS
from apps.certificates.models import Certificate
from apps.core.admin import ReadOnly
from apps.core.errors import Conflict
from apps.databases.book import recorded
from apps.databases.targets import Target
from apps.deployments import certify
from apps.disks.audit import record
from apps.infrastructure.models import Service
from apps.infrastructure.workloads import tell
from apps.pods.actions import create_pod
from apps.pods.models import Pod
from apps.sql.base import Where
from tests.people import PASSWORD, join, make_team, make_user

pytestmark = pytest.mark.django_db
ROOT = Path(settings.ROOT)
Browsers = Callable[..., Client]


def verbs(team: Team | None = None) -> list[str]:
    rows = AuditEntry.objects.filter(team=team) if team else AuditEntry.objects.all()
    return list(rows.order_by("id").values_list("verb", flat=True))


def test_an_entry_says_who_did_what_to_what(team: Team, alice: User, bob: User) -> None:
    actions.change_role(membership=team.memberships.get(user=bob), role=Role.ADMIN, by=alice)
    entry = AuditEntry.objects.get(verb="member.role")
    assert (entry.actor, entry.user, entry.person, entry.team) == ("user", alice, alice.email, team)
    assert entry.name == bob.email
    assert entry.details == {"before": "developer", "role": "admin"}


def test_what_is_refused_or_undone_leaves_none(team: Team, alice: User) -> None:
    with pytest.raises(Conflict):
        actions.remove_member(membership=team.memberships.get(user=alice), by=alice)
    create_pod(team=team, name=f"p{team.pk}", by=alice)
    with pytest.raises(Conflict):
        create_pod(team=team, name=f"p{team.pk}", by=alice)
    with transaction.atomic():
        actions.rename_team(team=team, name="Other", by=alice)
        transaction.set_rollback(True)
    assert verbs(team) == ["pod.make"]


def test_the_platform_itself_and_tokens_are_told_apart(team: Team, alice: User, client_of: Browsers) -> None:
    create_pod(team=team, name=f"p{team.pk}", by=None)
    assert AuditEntry.objects.get(verb="pod.make").actor == "platform"
    operator = make_user("operator", is_staff=True)
    _, token = tokens.make(user=operator, name="nightly", team=None)
    Client().post(
        "/api/databases/test", {"type": "mysql", "host": "127.0.0.1", "port": 1, "username": "a"},
        content_type="application/json", headers={"Authorization": f"Bearer {token}", "X-Request-ID": "12345678"},
    )  # fmt: skip
    actions.create_team(name="Later", by=operator)
    later = AuditEntry.objects.get(verb="team.make", user=operator)
    assert (later.actor, later.token) == ("user", ""), "what a request bears ends with it"
    assert token not in json.dumps(list(AuditEntry.objects.values("name", "details", "token")), default=str)


def test_what_a_token_does_is_said_with_its_name(alice: User) -> None:
    row, token = tokens.make(user=alice, name="nightly", team=alice.teams.get())
    with within(address="203.0.113.9", request="12345678"):
        tokens.bearer(RequestFactory().get("/", headers={"Authorization": f"Bearer {token}"}))
        actions.create_team(name="By token", by=alice)
    entry = AuditEntry.objects.get(verb="team.make")
    assert (entry.actor, entry.address) == ("token", "203.0.113.9")
    assert entry.token == f"nightly ({row.start}…)"


def test_secrets_and_unknown_verbs_are_refused(alice: User) -> None:
    with pytest.raises(ValueError, match="must not be in the audit log"):
        trail.note("team.make", by=alice, password="hunter22")
    with pytest.raises(ValueError, match=r"verbs\.py"):
        trail.note("team.paint", by=alice)


def test_sign_ins_are_written_down_and_what_was_typed_is_not(alice: User) -> None:
    client = Client()
    client.post("/sign-in/", {"email": alice.email, "password": "wrong-one-entirely"})
    client.post("/sign-in/", {"email": "hunter22@secret.example", "password": "wrong-one-entirely"})
    client.post("/sign-in/", {"email": alice.email, "password": PASSWORD})
    client.post("/sign-out/")
    found = AuditEntry.objects.order_by("id").values_list("verb", "name", "person")
    assert list(found) == [
        ("signin.failed", alice.email, ""),
        ("signin.failed", "no account", ""),
        ("signin.passed", alice.email, alice.email),
        ("signin.out", alice.email, alice.email),
    ]


def test_nobody_rewrites_it(alice: User) -> None:
    entry = trail.note("team.make", by=alice)
    for attempt in (
        entry.save, entry.delete, AuditEntry.objects.all().delete, lambda: AuditEntry.objects.update(verb="x"),
    ):  # fmt: skip
        with pytest.raises(AppendOnly):
            attempt()
    shown = admin.site._registry[AuditEntry]
    assert isinstance(shown, ReadOnly)


def test_it_outlives_people_and_teams_and_is_pruned_by_age(team: Team, alice: User, bob: User) -> None:
    actions.rename_team(team=team, name="Ours", by=alice)
    address = alice.email
    team.delete()
    alice.delete()
    entry = AuditEntry.objects.get(verb="team.rename")
    assert (entry.team, entry.user, entry.person) == (None, None, address)
    assert AuditEntry.objects.prune(1) == 0
    connection.cursor().execute("UPDATE audit_auditentry SET at = %s", [timezone.now() - datetime.timedelta(days=9)])
    assert AuditEntry.objects.prune(10) == 0
    assert AuditEntry.objects.prune(8) >= 1
    assert not AuditEntry.objects.exists()


def test_every_verb_is_used_and_told_in_the_docs() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "apps").rglob("*.py") if path.name != "verbs.py")
    used = set(re.findall(r'"([a-z]+\.[a-z_]+)"', code))
    assert VERBS.keys() <= used
    told = set(re.findall(r"`([a-z]+\.[a-z_]+)`", (ROOT / "docs" / "audit.md").read_text()))
    assert VERBS.keys() <= told


def test_what_has_a_book_of_its_own_is_here_too(team: Team, alice: User) -> None:
    pod = create_pod(team=team, name=f"p{team.pk}", by=alice)
    where = Where("postgresql", "192.0.2.1", 5432, "brainpod", "secret")
    target = Target(name="db", title="PostgreSQL", admin=where, apps=where, team=team, pod=pod)
    with recorded(target=target, by=alice, kind="query", words="SELECT 1"):
        pass
    record(pod=pod, disk="data", by=alice, did="Deleted", path="a/b", address="203.0.113.9")
    tell(Service(name="main"), "start", "Started", by=alice)
    tell(Service(name="main"), "released", "the platform's own")
    found = list(AuditEntry.objects.order_by("id").values_list("verb", "name", "team")[1:])
    assert found == [
        ("database.use", f"{pod.name}/db", team.pk), ("disk.use", f"{pod.name}/data", team.pk),
        ("service.change", "main", None),
    ]  # fmt: skip
    assert AuditEntry.objects.get(verb="database.use").details["as_user"] == "brainpod"
    assert AuditEntry.objects.get(verb="disk.use").address == "203.0.113.9"


def test_certificates(team: Team, alice: User, settings: object) -> None:
    pod = create_pod(team=team, name=f"p{team.pk}", by=alice)
    now = timezone.now()
    host = f"d{team.pk}.example.com"
    name = pod.hosts.create(host=host, custom=True, state="verified", verified_at=now, route="site")
    row = Certificate.objects.create(host=host, hostname=name, kind="own")
    certify.take_away(certificate=row, by=alice)
    row.refresh_from_db()
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, acme="on")  # type: ignore[attr-defined]
    certify.request(certificate=row, by=alice)
    assert verbs(team)[1:] == ["certificate.take_away", "certificate.request"]


def test_the_first_user() -> None:
    path = links.first_link()
    assert path is not None
    given = {"name": "Ada", "email": "ada@example.com", "password": "correct-horse-9-battery"}
    assert Client().post(path, given).status_code == 302
    assert verbs() == ["team.make", "signin.passed"]


def test_what_operators_change_is_written_down(alice: User, client_of: Browsers) -> None:
    operator = make_user("operator", is_staff=True, is_superuser=True)
    browser = client_of(operator)
    _, _ = Invitation.issue(
        lasts=datetime.timedelta(days=1), team=alice.teams.get(), email="x@example.com", role=Role.VIEWER
    )
    chosen = {"action": "end_sessions", "_selected_action": [str(alice.pk)]}
    assert browser.post("/operators/accounts/user/", chosen).status_code == 302
    removal = {"action": "delete_selected", "_selected_action": [str(Invitation.objects.get().pk)], "post": "yes"}
    assert browser.post("/operators/accounts/invitation/", removal).status_code == 302
    made = {"email": "new@example.com", "name": "New", "usable_password": "false", **_inline()}
    assert browser.post("/operators/accounts/user/add/", made).status_code == 302
    assert verbs()[1:] == ["operator.action", "operator.remove", "operator.add"]
    assert AuditEntry.objects.get(verb="operator.action").details == {"action": "end_sessions"}


def test_memberships_that_operators_hand_out_are_told(team: Team, alice: User, client_of: Browsers) -> None:
    charles = make_user("charles")
    browser = client_of(make_user("operator", is_staff=True, is_superuser=True))
    mine = team.memberships.get(user=alice)
    rows = {"memberships-TOTAL_FORMS": "2", "memberships-INITIAL_FORMS": "1", "memberships-0-id": str(mine.pk)}
    rows |= {"memberships-0-user": str(alice.pk), "memberships-0-role": "owner", "memberships-0-team": str(team.pk)}
    rows |= {"memberships-1-user": str(charles.pk), "memberships-1-role": "owner", "memberships-1-team": str(team.pk)}
    answer = browser.post(f"/operators/accounts/team/{team.pk}/change/", {"name": "Ours", "plan": team.plan, **rows})
    assert answer.status_code == 302, answer.content.decode()[-4000:]
    entry = AuditEntry.objects.get(verb="operator.change")
    assert entry.team == team
    assert entry.details["changes"] == ["changed: Name", f"added {charles} in Ours (owner)"]


def _inline() -> dict[str, str]:
    return {f"memberships-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS")}


def test_every_operators_page_that_changes_something_notes_it() -> None:
    silent = [
        model for model, shown in admin.site._registry.items()
        if not isinstance(shown, Noted) and model._meta.app_label != "auth"
        and not all(
            getattr(type(shown), f"has_{may}_permission") is getattr(ReadOnly, f"has_{may}_permission")
            for may in ("add", "change", "delete")
        )
    ]  # fmt: skip
    assert not silent, "make them apps.audit.operators.Noted"


# Looking it through


@pytest.fixture
def log(team: Team, alice: User, bob: User) -> list[AuditEntry]:
    other = join(make_team("elsewhere"), make_user("charlie"), Role.OWNER)
    pod = Pod.objects.create(team=team, name=f"shop{team.pk}")
    return [
        trail.note("pod.make", by=alice, about=pod, address="203.0.113.9"),
        trail.note("app.stop", by=bob, about=pod, part="web"),
        trail.note("app.start", by=bob, about=pod, part="wéb", why="größer"),
        trail.note("deployment.make", by=None, about=pod, trigger="push"),
        trail.note("team.make", by=other, about=other.teams.get()),
    ]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [4, 3, 2, 1, 0]), ({"who": "bob"}, [2, 1]), ({"what": "app"}, [2, 1]), ({"what": "app.stop"}, [1]),
        ({"object": "/web"}, [1]), ({"text": "GRÖSSER"}, []), ({"text": "größer"}, [2]), ({"text": "203.0.113.9"}, [0]),
        ({"text": "push"}, [3]), ({"who": "%"}, []), ({"who": "bob", "what": "pod"}, []),
        ({"since": datetime.date(2100, 1, 1)}, []), ({"until": datetime.date(2000, 1, 1)}, []),
        ({"since": datetime.date(2000, 1, 1), "until": datetime.date(2100, 1, 1)}, [4, 3, 2, 1, 0]),
    ],
)  # fmt: skip
def test_filters(log: list[AuditEntry], wanted: dict[str, object], found: list[int]) -> None:
    rows = reading.matching(AuditEntry.objects.all(), Wanted(**wanted))  # type: ignore[arg-type]
    assert [row.pk for row in rows] == [log[number].pk for number in found]


def test_a_team_sees_its_own_and_operators_everything(
    log: list[AuditEntry], team: Team, alice: User, bob: User, client_of: Browsers
) -> None:
    page = client_of(alice).get(f"/teams/{team.slug}/audit/").content.decode()
    assert "stopped an app" in page
    assert "made a team" not in page.partition("<table")[2]
    assert client_of(bob).get(f"/teams/{team.slug}/audit/").status_code == 403
    operator = client_of(make_user("operator", is_staff=True))
    assert "made a team" in operator.get("/operators/audit-log/").content.decode().partition("<table")[2]
    shown = client_of(alice).get(f"/teams/{team.slug}/audit/?what=app.stop").content.decode()
    assert "started an app" not in shown.partition("<table")[2]
    assert "Nothing matches" in client_of(alice).get(f"/teams/{team.slug}/audit/?who=nobody").content.decode()
    wrong = client_of(alice).get(f"/teams/{team.slug}/audit/?since=yesterday")
    assert wrong.status_code == 422
    assert "Enter a valid date" in wrong.content.decode()


def test_pages_go_on_by_key_and_take_as_many_queries_for_many_rows(
    team: Team, alice: User, client_of: Browsers
) -> None:
    browser = client_of(alice)

    def ask(address: str) -> tuple[str, int]:
        with CaptureQueriesContext(connection) as queries:
            page = browser.get(address).content.decode()
        return page, len(queries)

    trail.note("team.rename", by=alice, about=team, name="number-0")
    _, few = ask(f"/teams/{team.slug}/audit/")
    for number in range(1, reading.PAGE * 2 + 1):
        trail.note("team.rename", by=alice, about=team, name=f"number-{number}")
    page, many = ask(f"/teams/{team.slug}/audit/?what=team")
    assert many <= few
    seen = re.findall(r"number-(\d+)<", page)
    trail.note("team.rename", by=alice, about=team, name="number-999")  # what comes meanwhile moves no page
    while older := re.search(r'href="([^"]+)" rel="next"', page):
        page, _ = ask(older[1].replace("&amp;", "&"))
        seen += re.findall(r"number-(\d+)<", page)
    assert seen == [str(number) for number in range(reading.PAGE * 2, -1, -1)]
    assert browser.get(f"/teams/{team.slug}/audit/?before=nonsense").status_code == 200


def test_files_have_all_of_it_and_no_formula(team: Team, alice: User, client_of: Browsers) -> None:
    for name in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", 'a,"b"'):
        trail.note("team.rename", by=alice, about=team, name=name, before="plain")
    browser = client_of(alice)
    answer = browser.get(f"/teams/{team.slug}/audit/csv/?what=team.rename")
    assert answer["Content-Disposition"] == f'attachment; filename="audit-{team.slug}.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [row["name"] for row in rows] == ['a,"b"', "'@SUM(A1)", "'-1", "'+1", "'=cmd|' /C calc'!A0"]
    assert rows[0]["person"] == alice.email
    lines = browser.get(f"/teams/{team.slug}/audit/jsonl/").getvalue().decode().splitlines()
    told = [json.loads(line) for line in lines]
    assert {"verb": "team.rename", "name": "+1", "team": team.slug}.items() <= told[3].items()
    assert told[0]["details"] == {"before": "plain"}
    assert browser.get(f"/teams/{team.slug}/audit/xml/").status_code == 422
    assert browser.get(f"/teams/{team.slug}/audit/csv/?until=x").status_code == 422
