"""Answers kept by the edge: only what the app allows, and never past going live."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from apps.edge import links
from apps.edge.base import EdgeState, Site
from tests.edge.conftest import Stand, app, wait_for
from tests.edge.upstream import Upstream


class Answering:
    """An app that counts what it is asked and answers with headers of the test's choice."""

    def __init__(self, stand: Stand, name: str, **headers: str) -> None:
        self.asked = 0
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.upstream = stand.upstream(name)
        self.upstream.extra = self._answer

    def _answer(self) -> dict[str, str]:
        self.asked += 1
        return self.headers


def site(upstream: Upstream, generation: str, **more: Any) -> Site:
    return app("shop.test", upstream.address, cache=generation, app="pod1/web", **more)


@pytest.fixture
def made(stand: Stand) -> Callable[..., Answering]:
    def make(name: str = "app", **headers: str) -> Answering:
        behind = Answering(stand, name, **({"Cache_Control": "public, max-age=600"} | headers))
        stand.apply(site(behind.upstream, f"g-{name}"))
        return behind

    return make


def test_what_the_app_allows_is_asked_for_once(stand: Stand, made: Callable[..., Answering]) -> None:
    behind = made("once")
    said = [stand.ask("shop.test", "/a?b=1") for _ in range(3)]
    assert [one.headers["X-Cache"] for one in said] == ["miss", "hit", "hit"]
    assert behind.asked == 1
    assert len({one.text for one in said}) == 1
    assert len({one.headers["X-Request-ID"] for one in said}) == 3  # the edge's, of each request


@pytest.mark.parametrize(
    "headers",
    [
        {"Cache_Control": "private, max-age=600"}, {"Cache_Control": "no-store"}, {"Cache_Control": "no-cache"},
        {"Cache_Control": "max-age=0"}, {"Cache_Control": ""}, {"Set_Cookie": "session=1"}, {"Vary": "*"},
        {"Cache_Control": "", "X_Accel_Expires": "600"},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_app_does_not_allow_is_not_kept(
    stand: Stand, made: Callable[..., Answering], headers: dict[str, str]
) -> None:
    behind = made("never", **headers)
    assert [stand.ask("shop.test").headers["X-Cache"] for _ in range(2)] == ["miss", "miss"]
    assert behind.asked == 2


def test_requests_with_credentials_neither_read_nor_fill_it(stand: Stand, made: Callable[..., Answering]) -> None:
    behind = made("credentials")
    secret = {"Authorization": "Bearer alice"}
    assert stand.ask("shop.test", headers=secret).headers["X-Cache"] == "bypass"
    assert stand.ask("shop.test").headers["X-Cache"] == "miss"
    again = stand.ask("shop.test", headers=secret)
    assert again.headers["X-Cache"] == "bypass"
    assert again.json()["headers"]["authorization"] == "Bearer alice"
    assert "authorization" not in stand.ask("shop.test").json()["headers"]
    assert behind.asked == 3


def test_what_differs_is_kept_apart(stand: Stand, made: Callable[..., Answering]) -> None:
    behind = made("apart", Vary="Accept-Language")
    mine = site(behind.upstream, "g-apart-now")
    stand.apply(mine, replace(mine, host="other.test"))
    asked = [
        {"host": "shop.test"}, {"host": "other.test"}, {"host": "shop.test:8080"}, {"host": "shop.test", "path": "/?a"},
        {"host": "shop.test", "method": "HEAD"}, {"host": "shop.test", "headers": {"Accept-Language": "de"}},
    ]  # fmt: skip
    for one in asked:
        assert stand.ask(**one).headers["X-Cache"] == "miss", one
    assert behind.asked == len(asked)
    assert stand.ask("shop.test", headers={"Accept-Language": "de"}).headers["X-Cache"] == "hit"
    post = [stand.ask("shop.test", method="POST", content=b"x") for _ in range(2)]
    assert [one.headers["X-Cache"] for one in post] == ["bypass", "bypass"]
    assert behind.asked == len(asked) + 2


def test_without_being_asked_for_nothing_is_kept(stand: Stand) -> None:
    behind = Answering(stand, "plain", Cache_Control="public, max-age=600", X_Cache="mine")
    stand.apply(app("shop.test", behind.upstream.address))
    assert [stand.ask("shop.test").headers["X-Cache"] for _ in range(2)] == ["mine", "mine"]
    assert behind.asked == 2


def test_an_app_that_is_gone_is_not_played(stand: Stand) -> None:
    behind = Answering(stand, "gone", Cache_Control="public, max-age=1")
    stand.apply(site(behind.upstream, "g-gone"))
    assert stand.ask("shop.test").status_code == 200
    stand.forget(behind.upstream)
    wait_for(lambda: stand.ask("shop.test").status_code == 502)


def test_forgetting_is_a_rename(stand: Stand, made: Callable[..., Answering]) -> None:
    behind = made("first")
    assert stand.ask("shop.test").headers["X-Cache"] == "miss"
    assert not stand.apply(site(behind.upstream, "g-second")).reloaded
    assert [stand.ask("shop.test").headers["X-Cache"] for _ in range(2)] == ["miss", "hit"]


@pytest.mark.parametrize("reloading", [False, True], ids=["rename", "reload"])
def test_no_answer_of_before_once_it_is_live(stand: Stand, reloading: bool) -> None:
    """Under load, over kept connections and new ones: whoever asks after `apply` has returned sees the new app."""
    names = [f"v{number}" for number in range(8)]
    apps = {name: Answering(stand, name, Cache_Control="public, max-age=600") for name in names}
    live = [0]
    stale: list[str] = []
    hits = [0]
    stop = threading.Event()

    def ask(kept: bool) -> None:
        with stand.client("shop.test") as client:
            while not stop.is_set():
                least = live[0]
                said = client.get("/page", headers={} if kept else {"Connection": "close"})
                hits[0] += said.headers["X-Cache"] == "hit"
                if int(said.json()["name"][1:]) < least:
                    stale.append(f"{said.json()['name']} {said.headers['X-Cache']} though v{least} was live")

    kind = "reload" if reloading else "rename"
    stand.apply(site(apps["v0"].upstream, f"g-{kind}-0"))
    threads = [threading.Thread(target=ask, args=(kept,)) for kept in (True, True, False)]
    for thread in threads:
        thread.start()
    for number, name in list(enumerate(names))[1:]:
        more = {"timeout": 60 + number} if reloading else {}
        state = EdgeState((site(apps[name].upstream, f"g-{kind}-{number}", **more),))
        applied = stand.edge.apply(lambda state=state: state)
        assert applied.reloaded is reloading
        if reloading:
            stand.edge.settle(60)  # until then a connection kept alive may be the old configuration's
        live[0] = number
        seen = hits[0]
        wait_for(lambda seen=seen: hits[0] > seen + 3)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert stale == []


def test_an_answer_is_kept_under_the_name_of_who_gave_it(stand: Stand) -> None:
    """Renames in the middle of requests, far more often than anybody deploys: no name has the other app's answer."""
    names = 2000
    both = [Answering(stand, name, Cache_Control="public, max-age=600").upstream for name in ("even", "odd")]
    mine = site(both[0], "g-0")
    stand.apply(mine)
    folder = stand.edge.layout.links / links.name(mine, mine.rules[0])
    for number in range(names):
        place = folder / f"g-{number}"
        place.mkdir(mode=0o711, exist_ok=True)
        if number:
            (place / "0.sock").symlink_to(both[number % 2].address.removeprefix("unix:"))
    stop = threading.Event()

    def go_live(number: int) -> None:
        beside = folder / ".beside"
        beside.symlink_to(f"g-{number}")
        beside.replace(folder / links.TO)

    def ask() -> None:
        with stand.client("shop.test") as client:
            while not stop.is_set():
                client.get("/page")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(names):
        go_live(number)
        stop.wait(0.002)
    stop.set()
    for thread in threads:
        thread.join(60)
    hits, wrong = 0, []
    with stand.client("shop.test") as client:
        for number in range(names):
            go_live(number)
            said = client.get("/page")
            hits += said.headers["X-Cache"] == "hit"
            wrong += [] if said.json()["name"] == ("even", "odd")[number % 2] else [number]
    assert hits > 100
    assert wrong == []


def test_old_generations_are_removed_once_nobody_can_see_them(stand: Stand, made: Callable[..., Answering]) -> None:
    behind = made("one")
    mine = site(behind.upstream, "g-one")
    folder = stand.edge.layout.links / links.name(mine, mine.rules[0])
    stand.apply(site(behind.upstream, "g-two"))
    assert {"g-one", "g-two"} <= {path.name for path in folder.glob("g-*")}
    os.utime(folder / "g-one", (0, 0))
    stand.apply(site(behind.upstream, "g-three"))
    assert not (folder / "g-one").exists()
    assert (folder / "g-two").exists()
