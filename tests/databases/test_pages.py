"""The inside of a pod's database on the pages, on real servers, as everybody who comes there."""

from __future__ import annotations

import html
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps import sql
from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.core.ids import new_id
from apps.databases.models import Entry, SavedStatement
from tests.databases.conftest import Place
from tests.people import join, make_user

pytestmark = pytest.mark.django_db
TABLE = {"database": "brainpod", "schema": "", "table": "shops"}


def address(place: Place, name: str) -> str:
    return reverse(name, args=[place.pod.name, "db"])


def got(client: Client, place: Place, name: str, query: dict[str, Any] | None = None, status: int = 200) -> str:
    answer = client.get(address(place, name), query or {})
    assert answer.status_code == status, answer.content.decode()[-2000:]
    return answer.content.decode()


def ran(client: Client, place: Place, text: str, **more: str) -> str:
    answer = client.post(
        address(place, "database-statement"),
        {"database": "brainpod", "text": text} | more,
        headers={"HX-Request": "true"},
    )
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def marks_at(client: Client, address: str) -> str:
    """What the form of a row there carries of the values it shows."""
    found = re.search(r'name="marks" value="([^"]+)"', client.get(address).content.decode())
    assert found
    return html.unescape(found[1])


@pytest.fixture
def vera(team: Team) -> User:
    return join(team, make_user(f"v{new_id()}"), Role.VIEWER)


def test_databases_and_tables(rows: Place, alice: User, client_of: Callable[..., Client]) -> None:
    client = client_of(alice)
    assert (
        address(rows, "database-data") in client.get(reverse("resource", args=[rows.pod.name, "db"])).content.decode()
    )
    page = got(client, rows, "database-data")
    assert "shops" in page
    assert "goods" in page
    structure = got(client, rows, "database-structure", TABLE)
    assert "opened" in structure
    if rows.kind == "PostgresDB":
        assert "shops (id)" in html.unescape(got(client, rows, "database-structure", TABLE | {"table": "goods"}))


def test_rows_are_paged_filtered_and_sorted(rows: Place, alice: User, client_of: Callable[..., Client]) -> None:
    client = client_of(alice)
    page = got(client, rows, "database-rows", TABLE)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    following = re.search(r'href="([^"]+)" rel="next"', page)
    assert following
    assert "after=100" in following[1]
    second = client.get(html.unescape(following[1])).content.decode()
    assert "shop 101" in second
    assert "shop 100<" not in second
    found = got(client, rows, "database-rows", TABLE | {"column": "name", "operator": "contains", "value": "p 24"})
    assert len(re.findall(r"shop 24\d?<", found)) == 11
    newest = got(client, rows, "database-rows", TABLE | {"sort": "-id"})
    assert newest.index("shop 250") < newest.index("shop 249")
    hostile = {"column": 'id" OR 1=1 --', "operator": "=", "value": "1"}
    assert "There is no column" in html.unescape(got(client, rows, "database-rows", TABLE | hostile, status=422))
    got(client, rows, "database-rows", TABLE | {"table": "no such"}, status=404)


def test_a_row_is_made_changed_and_deleted(rows: Place, alice: User, client_of: Callable[..., Client]) -> None:
    client = client_of(alice)
    new = address(rows, "database-row") + "?database=brainpod&schema=&table=shops"
    made = client.post(new, {"v.id": "900", "v.name": "quoted ' \" % \\ `", "v.opened": "", "n.opened": "on"})
    assert made.status_code == 302, made.content.decode()
    at = new + "&k.id=900"
    assert "quoted ' \" % \\ `" in html.unescape(client.get(at).content.decode())
    entered = {"v.id": "900", "v.name": "two\r\nlines", "v.opened": "2026-02-03"}
    assert client.post(at, entered | {"marks": marks_at(client, at)}).status_code == 302
    marks = marks_at(client, at)
    assert client.post(at, entered | {"marks": marks}).status_code == 422
    with rows.target.open("brainpod", write=False) as server:
        assert server.row("brainpod", "shops", {"id": "900"}).rows == (("900", "two\nlines", "2026-02-03"),)
    assert client.post(at, {"v.opened": "no date at all", "marks": marks}).status_code == 400
    assert client.post(at, {"action": "delete", "marks": marks}).status_code == 302
    assert client.get(at).status_code == 404
    kept = list(Entry.objects.filter(pod=rows.pod).order_by("id").values_list("kind", "words", "state"))
    assert kept == [
        ("insert", "a row into shops: id, name, opened", "done"), ("update", "a row of shops: name, opened", "done"),
        ("update", "a row of shops: ", "failed"), ("update", "a row of shops: opened", "failed"),
        ("delete", "a row of shops", "done"),
    ]  # fmt: skip


def test_who_edits_a_row_that_another_changed_meanwhile_is_told(
    rows: Place, alice: User, bob: User, client_of: Callable[..., Client]
) -> None:
    first, second = client_of(alice), client_of(bob)
    at = address(rows, "database-row") + "?database=brainpod&schema=&table=shops&k.id=7"
    seen = marks_at(first, at)
    assert marks_at(second, at) == seen
    assert first.post(at, {"v.name": "Alice's", "marks": seen}).status_code == 302
    for given in ({"v.name": "Bob's"}, {"v.opened": "2026-05-05"}, {"action": "delete"}):
        refused = second.post(at, given | {"marks": seen}, headers={"HX-Request": "true"})
        assert refused.status_code == 409
        assert "changed meanwhile: name." in html.unescape(refused.content.decode())
    for marks in ("", "[]", "nothing", '{"other": "1"}'):
        assert second.post(at, {"v.name": "Bob's", "marks": marks}).status_code in (409, 422)
    with rows.target.open("brainpod", write=False) as server:
        assert server.row("brainpod", "shops", {"id": "7"}).rows == (("7", "Alice's", "2026-01-01"),)
    again = {"v.name": "Alice's", "v.opened": "2026-05-05", "marks": marks_at(second, at)}
    assert second.post(at, again).status_code == 302
    with rows.target.open("brainpod", write=False) as server:
        assert server.row("brainpod", "shops", {"id": "7"}).rows == (("7", "Alice's", "2026-05-05"),)


def test_viewers_read_and_change_nothing(rows: Place, vera: User, client_of: Callable[..., Client]) -> None:
    client = client_of(vera)
    assert "read only" in got(client, rows, "database-data")
    assert "Edit this row" not in got(client, rows, "database-rows", TABLE)
    assert "<td>250</td>" in re.sub(r"<span[^>]*>|</span>", "", ran(client, rows, "SELECT count(*) FROM shops"))
    for statement in ("DELETE FROM shops", "COMMIT; DELETE FROM shops", "DROP TABLE goods"):
        assert 'role="alert"' in ran(client, rows, statement)
    assert Entry.objects.get(pod=rows.pod, words="DELETE FROM shops").read_only
    got(client, rows, "database-row", TABLE, status=403)
    got(client, rows, "database-users", status=403)
    assert "<td>250</td>" in re.sub(r"<span[^>]*>|</span>", "", ran(client, rows, "SELECT count(*) FROM shops"))


def test_the_console_runs_explains_and_remembers(
    rows: Place, alice: User, bob: User, client_of: Callable[..., Client]
) -> None:
    client = client_of(alice)
    assert "opened" in got(client, rows, "database-console"), "names to complete"
    assert "1 rows changed" in ran(client, rows, "UPDATE shops SET name = 'x' WHERE id = 2")
    assert 'role="alert"' in ran(client, rows, "UPDATE shops SET name = 'y' WHERE id = 2", read_only="1")
    assert "shops" in ran(client, rows, "SELECT * FROM shops WHERE id = 1", explain="1").lower()
    assert "A statement is needed" in ran(client, rows, "  ")
    entry = Entry.objects.filter(pod=rows.pod, state="done").order_by("id").first()
    assert entry
    assert (entry.person, entry.rows, entry.server, entry.database) == (alice.email, 1, "db", "brainpod")
    assert entry.words in html.unescape(got(client, rows, "database-console", {"entry": entry.pk}))
    ran(client, rows, "ALTER USER somebody PASSWORD 'hunter2-secret'")
    ran(client, rows, "CREATE USER who IDENTIFIED BY 'hunter2-secret'")
    assert not [it for it in Entry.objects.filter(pod=rows.pod) if "hunter2" in it.words + it.error]


def test_statements_are_kept(rows: Place, alice: User, client_of: Callable[..., Client]) -> None:
    client = client_of(alice)
    given = {"name": "All of them", "text": "SELECT 42 AS answer"}
    assert client.post(address(rows, "database-saved"), given).status_code == 302
    assert client.post(address(rows, "database-saved"), given).status_code == 409
    saved = SavedStatement.objects.get(pod=rows.pod)
    assert "SELECT 42 AS answer" in got(client, rows, "database-console", {"saved": str(saved.pk)})
    client.post(address(rows, "database-saved"), {"saved": str(saved.pk)})
    assert not SavedStatement.objects.filter(pod=rows.pod).exists()


def test_an_export_is_a_file(rows: Place, alice: User, client_of: Callable[..., Client]) -> None:
    client = client_of(alice)
    given = {"database": "brainpod", "text": "SELECT id, name, NULL AS n FROM shops ORDER BY id"}

    def body(**more: str) -> str:
        answer = client.post(address(rows, "database-export"), given | more)
        assert answer.status_code == 200
        assert "attachment" in answer["Content-Disposition"]
        return b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined,arg-type]

    lines = body(format="csv").splitlines()
    assert lines[0] == "id,name,n"
    assert lines[2] == "2,shop 2,"
    assert len(lines) == 251
    objects = json.loads(body(format="json"))
    assert objects[1] == {"id": 2, "name": "shop 2", "n": None}
    assert Entry.objects.filter(pod=rows.pod, kind="export", rows=250, state="done").count() == 2
    answer = client.post(address(rows, "database-export"), {"text": "DELETE FROM shops RETURNING id", "format": "csv"})
    assert answer.status_code == 400


@pytest.mark.django_db(transaction=True)
def test_a_statement_is_cancelled_from_the_page(rows: Place, alice: User, client_of: Callable[..., Client]) -> None:
    sleep = "SELECT pg_sleep(600)" if rows.kind == "PostgresDB" else "SELECT SLEEP(600)"
    run, said = new_id(), []
    first, second = client_of(alice), client_of(alice)
    thread = threading.Thread(target=lambda: said.append(ran(first, rows, sleep, run=run)))
    thread.start()
    deadline = time.monotonic() + 25
    while thread.is_alive() and time.monotonic() < deadline:
        second.post(address(rows, "database-cancellation"), {"run": run}, headers={"HX-Request": "true"})
        time.sleep(0.1)
    thread.join(30)
    assert said
    assert "cancelled" in said[0]
    assert Entry.objects.get(pk=run).state == "cancelled"


def test_databases_and_users(rows: Place, alice: User, client_of: Callable[..., Client]) -> None:
    client, who, name = client_of(alice), f"u_{new_id()[-8:]}", f"made_{new_id()[-8:]}"
    assert client.post(address(rows, "database-databases"), {"database": name}).status_code == 302
    made = client.post(address(rows, "database-user"), {"action": "create", "user": who}).content.decode()
    found = re.search(r'value="([\w-]{32})"', made)
    assert found
    grant = {"user": who, "database": "brainpod", "privileges": ["SELECT"]}
    assert client.post(address(rows, "database-privileges"), grant).status_code == 302
    assert "SELECT" in got(client, rows, "database-users", {"user": who})
    where = rows.target.admin.as_user(who, found[1]).at("brainpod")
    with sql.open(where) as mine:
        assert mine.query("brainpod", "SELECT count(*) FROM shops", read_only=False).rows == ((250,),)
        with pytest.raises(Exception, match=r"(?i)denied"):
            mine.query("brainpod", "DELETE FROM shops", read_only=False)
    assert client.post(address(rows, "database-privileges"), grant | {"action": "revoke"}).status_code == 302
    with sql.open(where) as mine, pytest.raises(Exception, match=r"(?i)denied|does not let"):
        mine.query("brainpod", "SELECT count(*) FROM shops", read_only=False)
    bad = client.post(address(rows, "database-privileges"), grant | {"privileges": ["ALL; DROP TABLE shops"]})
    assert bad.status_code == 422
    assert client.post(address(rows, "database-user"), {"action": "delete", "user": who}).status_code == 302
    assert client.post(address(rows, "database-user"), {"action": "delete", "user": "brainpod"}).status_code == 400
    delete = {"action": "delete", "database": name}
    assert client.post(address(rows, "database-databases"), delete | {"confirmation": "no"}).status_code == 422
    assert client.post(address(rows, "database-databases"), delete | {"confirmation": name}).status_code == 302
    with rows.target.open_admin() as server:
        assert name not in {it.name for it in server.databases()}
    assert not [it for it in Entry.objects.filter(pod=rows.pod) if found[1] in it.words + it.error]


def test_strangers_find_nothing(rows: Place, charlie: User, client_of: Callable[..., Client]) -> None:
    for name in ("database-data", "database-rows", "database-console", "database-users"):
        got(client_of(charlie), rows, name, TABLE, status=404)


def test_what_does_not_run_says_so(rows: Place, alice: User, client_of: Callable[..., Client]) -> None:
    rows.pod.workloads.update(serving=False)
    assert "does not run" in got(client_of(alice), rows, "database-data", status=409)
