"""What operators do in a server, managed or external: its databases, tables, rows and users, or its keys."""

from __future__ import annotations

import html
import re
from urllib.parse import urlencode

from django.http import HttpResponse
from django.test import Client

from apps.databases import keyspace
from apps.databases.targets import of_service
from apps.infrastructure.models import Service
from apps.sql.base import READER

HOME = "/operators/services/"


def look_at_tables(browser: Client, service: Service) -> None:
    """The databases of a server, whoever has them."""
    with of_service(service).open_admin() as server:
        server.create_database("shop")
        server.query("shop", "CREATE TABLE things (id int PRIMARY KEY, word varchar(50))", read_only=False)
        server.insert("shop", "things", {"id": "1", "word": "<script>alert(1)</script>"})
        for number in range(2, 103):
            server.insert("shop", "things", {"id": str(number), "word": None})
    here = f"{HOME}{service.name}/database/"
    assert f'href="{here}"' in browser.get(f"{HOME}{service.name}/").content.decode()
    assert "database=shop" in browser.get(here).content.decode()
    assert "table=things" in browser.get(here, {"database": "shop"}).content.decode()
    things = {"database": "shop", "schema": "", "table": "things"}
    rows = browser.get(f"{here}rows/", things).content.decode()
    assert "&lt;script&gt;alert(1)" in rows
    following = re.search(r'href="([^"]+)" rel="next"', rows)
    assert following
    last = browser.get(html.unescape(following[1])).content.decode()
    assert "102" in last
    assert "These are the last" in last
    assert browser.get(f"{here}rows/", things | {"table": "nothing"}).status_code == 404
    assert browser.get(f"{here}rows/", things | {"sort": "no"}).status_code == 422
    assert "varchar" in browser.get(f"{here}structure/", things).content.decode().replace(
        "character varying", "varchar"
    )


def work_with_tables(browser: Client, service: Service) -> None:
    """After `look_at_tables`: rows, statements, users and databases are made, changed and taken away again."""
    home, things = f"{HOME}{service.name}/", {"database": "shop", "schema": "", "table": "things"}

    def done(page: str, values: dict[str, object], query: dict[str, str] | None = None) -> HttpResponse:
        answer = browser.post(f"{home}{page}" + (f"?{urlencode(query)}" if query else ""), values)
        assert answer.status_code in (200, 302), (page, answer.content.decode())
        return answer

    done("database/row/", {"v.id": "900", "v.word": "by hand"}, things)
    form = browser.get(f"{home}database/row/", things | {"k.id": "900"}).content.decode()
    marks = re.search(r'name="marks" value="([^"]+)"', form)
    assert marks
    changed = {"v.id": "900", "v.word": "changed", "marks": html.unescape(marks[1])}
    done("database/row/", changed, things | {"k.id": "900"})

    text = {"database": "shop", "text": "SELECT word FROM things WHERE id = 900"}
    assert "changed" in done("console/statements/", text).content.decode()
    assert (
        "read" in done("console/statements/", text | {"text": "DELETE FROM things", "read_only": "1"}).content.decode()
    )
    file = done("console/export/", text | {"format": "csv"})
    assert b"".join(file.streaming_content) == b"word\r\nchanged\r\n"  # type: ignore[attr-defined]
    done("console/saved/", text | {"name": "the changed one"})
    page = browser.get(f"{home}console/", {"database": "shop"}).content.decode()
    assert "the changed one" in page
    assert "SELECT word FROM things" in page, "what was run lately"
    assert browser.post(f"{home}console/saved/", text | {"name": "the changed one"}).status_code == 409

    done("database/databases/", {"database": "second"})
    assert b"It is shown this once" in done("users/user/", {"action": "create", "user": "worker"}).content
    done("users/privileges/", {"user": "worker", "database": "second", "privileges": ["SELECT"], "action": "grant"})
    assert "SELECT" in browser.get(f"{home}users/", {"user": "worker"}).content.decode()
    for own in (service.user, "root", "postgres", "mysql"):
        delete = {"action": "delete", "database": own, "confirmation": own}
        assert browser.post(f"{home}database/databases/", delete).status_code in (400, 404, 409, 422), own
        assert browser.post(f"{home}users/user/", {"action": "delete", "user": own}).status_code in (400, 404, 409, 422)
    done("users/user/", {"action": "delete", "user": "worker"})
    done("database/databases/", {"action": "delete", "database": "second", "confirmation": "second"})
    assert "database=second" not in browser.get(f"{home}database/").content.decode()
    with of_service(service).open_admin() as server:
        assert all(user.name != READER for user in server.users()), "nobody is made on a server that is no pod's"


def look_at_keys(browser: Client, service: Service) -> None:
    with keyspace.connected(of_service(service)) as client:
        client.hset("user:1", "name", "<b>Olive</b>")
        client.set("other", "x", ex=900)
    here = f"{HOME}{service.name}/browser/"
    page = browser.get(here).content.decode()
    assert "user:1" in page
    assert "2 keys in all" in page
    assert "other" not in browser.get(here, {"pattern": "user:*"}).content.decode()
    key = f"{here}key/?key={b'user:1'.hex()}"
    assert "&lt;b&gt;Olive" in browser.get(key).content.decode()
    for wrong, status in (("?cursor=x", 422), ("?type=y", 422), ("key/?key=zz", 422), ("key/?key=00", 404)):
        assert browser.get(here + wrong).status_code == status, wrong
    assert browser.post(key, {"ttl": "900"}).status_code == 302
    assert "lives for" in browser.get(key).content.decode()
    assert browser.post(key, {"action": "delete"}).status_code == 302
    assert browser.get(key).status_code == 404
    assert browser.get(f"{HOME}{service.name}/database/").status_code == 404
