"""The key browser, on a real Valkey."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.core.ids import new_id
from apps.databases import keyspace
from apps.databases.models import Entry
from apps.infrastructure import credentials, sharing
from apps.infrastructure.models import Service
from apps.pods.databases import shared_name
from apps.pods.models import Pod, Resource
from apps.secretstore.base import SecretStore
from tests.dashboard.pages.conftest import make_pod, seal, spec
from tests.databases.conftest import Place
from tests.people import join, make_user
from tests.stack.databases import ADMIN

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(place_of: Callable[[str], Place]) -> Place:
    return place_of("Valkey")


@pytest.fixture
def keys(place: Place) -> Iterator[Any]:
    with redis.Redis(host="127.0.0.1", port=place.port, username="platform", password=ADMIN) as client:
        client.flushall()
        yield client
        client.flushall()


def page(client: Client, place: Place, name: str = "database-keys", status: int = 200, **query: str) -> str:
    answer = client.get(reverse(name, args=[place.pod.name, "db"]), query)
    assert answer.status_code == status
    return html.unescape(answer.content.decode())


def test_keys_of_every_type_are_shown(place: Place, keys: Any, alice: User, client_of: Callable[..., Client]) -> None:
    keys.set("user:1", "x" * 10_000, ex=1000)
    keys.rpush("a list", *range(500))
    keys.sadd("a set", "member")
    keys.zadd("ranks", {"first": 1.5})
    keys.hset("a hash", mapping={"field": "<script>"})
    keys.xadd("a stream", {"event": "made"})
    keys.set(b"\xff\x00bytes", b"\x80\x81")
    client = client_of(alice)
    listed = page(client, place)
    assert "7 keys in all" in listed
    assert "\\xff" in listed
    for key, text in (("a list", "These are the first 100"), ("a set", "member"), ("ranks", "1.5"), ("a hash", "field"),
                      ("a stream", "event=made"), ("user:1", "x" * 4000 + "…")):  # fmt: skip
        assert text in page(client, place, "database-key", key=key.encode().hex()), key
    assert "\\x80" in page(client, place, "database-key", key=b"\xff\x00bytes".hex())
    assert "lives for" in page(client, place, "database-key", key=b"user:1".hex())
    page(client, place, "database-key", status=404, key=b"gone".hex())
    page(client, place, "database-key", status=422, key="zz")


def test_keys_are_found_by_pattern_and_type_page_by_page(place: Place, keys: Any) -> None:
    keys.mset({f"user:{n}": n for n in range(1000)})
    keys.rpush("user:list", 1)
    seen: list[bytes] = []
    cursor, pages = 0, 0
    while True:
        found = keyspace.page(place.target, pattern="user:*", type="string", cursor=cursor)
        seen += [key.name for key in found.keys]
        cursor, pages = found.cursor, pages + 1
        if not cursor:
            break
    assert len(set(seen)) == 1000
    assert pages > 4
    assert [key.type for key in keyspace.page(place.target, type="list").keys] == ["list"]


def test_a_key_is_deleted_and_its_time_is_set(
    place: Place, keys: Any, team: Team, alice: User, client_of: Callable[..., Client]
) -> None:
    keys.set("mine", "value")
    client, at = client_of(alice), reverse("database-key", args=[place.pod.name, "db"]) + f"?key={b'mine'.hex()}"
    viewer = client_of(join(team, make_user(f"v{new_id()}"), Role.VIEWER))
    assert viewer.get(at).status_code == 200
    assert viewer.post(at, {"action": "delete"}).status_code == 403
    assert client.post(at, {"ttl": "100"}).status_code == 302
    assert 90 < keys.ttl("mine") <= 100
    assert client.post(at, {"ttl": ""}).status_code == 302
    assert keys.ttl("mine") == -1
    assert client.post(at, {"ttl": "soon"}).status_code == 422
    assert client.post(at, {"ttl": "0"}).status_code == 422
    assert client.post(at, {"action": "delete"}).status_code == 302
    assert not keys.exists("mine")
    assert client.post(at, {"action": "delete"}).status_code == 404
    assert [it.kind for it in Entry.objects.filter(pod=place.pod, state="done").order_by("id")] == [
        "expire key", "expire key", "delete key",
    ]  # fmt: skip


def test_at_a_shared_server_only_ones_own_keys_are_there(
    place: Place, keys: Any, team: Team, store: SecretStore, alice: User, client_of: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(credentials, "store", lambda: store)
    service = Service(name="main", type="valkey", managed=True, shared=True, engine="process", user="platform")
    service.version, service.run, service.handle = "9", "run", {"tcp": f"127.0.0.1:{place.port}"}
    credentials.keep(service, ADMIN)
    service.save()
    pod = make_pod(team)
    seal(pod, 1, {"db": ("Valkey", spec("Valkey", server="main", version=""))})
    own = shared_name(pod.pk, "db")
    shared = Place(Pod.objects.select_related("live", "team").get(pk=pod.pk), "Valkey", place.port)
    client = client_of(alice)
    page(client, shared, status=409)
    sharing.have(service, pod=pod, resource="db", database=own, password="a-password", version=1)
    keys.mset({f"{own}:user:{n}": n for n in range(3)})
    others = {"p0_1:user:1": 1, f"x{own}:user:1": 1, f"{own}": 1, "user:9": 1}
    keys.mset(others)
    for pattern, found in (("", 3), ("*", 3), ("user:1", 1), (f"{own}:user:1", 1), ("p0_1:*", 0), ("[x]*", 0)):
        listed = page(client, shared, pattern=pattern)
        assert listed.count("database-cell") == found, pattern
        assert "keys in all" not in listed
    assert page(client, shared, "database-key", key=f"{own}:user:1".encode().hex())
    for name in others:
        page(client, shared, "database-key", status=404, key=name.encode().hex())
        at = reverse("database-key", args=[pod.name, "db"]) + f"?key={name.encode().hex()}"
        assert client.post(at, {"action": "delete"}).status_code == 404
        assert client.post(at, {"ttl": "1"}).status_code == 404
        assert keys.ttl(name) == -1
    at = reverse("database-key", args=[pod.name, "db"]) + f"?key={f'{own}:user:1'.encode().hex()}"
    assert client.post(at, {"action": "delete"}).status_code == 302
    assert not keys.exists(f"{own}:user:1")

    form = reverse("resource-new", args=[pod.name, "Valkey"])
    assert 'value="main"' in client.get(form).content.decode()
    assert client.post(form, {"name": "more", "server": "main"}).status_code == 302
    assert Resource.objects.get(revision__pod=pod, name="more").spec["server"] == "main"

    resource = reverse("resource", args=[pod.name, "db"])
    shown = html.unescape(client.get(resource).content.decode())
    for text in ("${db.prefix}", f"redis://{own}:", reverse("database-keys", args=[pod.name, "db"]), "main"):
        assert text in shown, text
    assert "Not backed up yet." in shown
    assert "It restarts" not in shown, "the server is everybody's"
    backups = reverse("backups", args=[pod.name, "db"])
    assert client.get(backups).status_code == 200
    made = client.post(backups)
    assert made.status_code == 302
    assert client.get(made.url).status_code == 200
    assert "There are no figures of it alone" in client.get(f"{resource}?tab=metrics").content.decode()
