"""What operators see in a server, managed or external: its databases, tables and rows, or its keys."""

from __future__ import annotations

import html
import re

from django.test import Client

from apps.databases import keyspace
from apps.databases.targets import of_service
from apps.infrastructure.models import Service

HOME = "/operators/services/"


def look_at_tables(browser: Client, service: Service) -> None:
    """The databases of a server, whoever has them."""
    with of_service(service).open_admin() as server:
        server.create_database("shop")
        server.query("shop", "CREATE TABLE things (id int PRIMARY KEY, word varchar(50))", read_only=False)
        server.insert("shop", "things", {"id": "1", "word": "<script>alert(1)</script>"})
        for number in range(2, 103):
            server.insert("shop", "things", {"id": str(number), "word": None})
    here = f"{HOME}{service.name}/data/"
    assert f'href="{here}"' in browser.get(f"{HOME}{service.name}/").content.decode()
    assert "database=shop" in browser.get(here).content.decode()
    assert "table=things" in browser.get(here, {"database": "shop"}).content.decode()
    rows = browser.get(here, {"database": "shop", "schema": "", "table": "things"}).content.decode()
    assert "&lt;script&gt;alert(1)" in rows
    following = re.search(r'href="([^"]+)" rel="next"', rows)
    assert following
    last = browser.get(html.unescape(following[1])).content.decode()
    assert "102" in last
    assert "These are the last" in last
    assert browser.get(here, {"database": "shop", "table": "nothing"}).status_code == 404
    assert browser.get(here, {"database": "shop", "table": "things", "sort": "no"}).status_code == 422


def look_at_keys(browser: Client, service: Service) -> None:
    with keyspace.connected(of_service(service)) as client:
        client.hset("user:1", "name", "<b>Olive</b>")
        client.set("other", "x", ex=900)
    here = f"{HOME}{service.name}/data/"
    page = browser.get(here).content.decode()
    assert "user:1" in page
    assert "2 keys in all" in page
    assert "other" not in browser.get(here, {"pattern": "user:*"}).content.decode()
    value = browser.get(here, {"key": b"user:1".hex()}).content.decode()
    assert "&lt;b&gt;Olive" in value
    for wrong, status in (({"key": "zz"}, 422), ({"cursor": "x"}, 422), ({"type": "y"}, 422), ({"key": "00"}, 404)):
        assert browser.get(here, wrong).status_code == status, wrong
