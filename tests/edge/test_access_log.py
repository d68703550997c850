"""The access log as figures: what nginx really writes, what clients can do to a line, and putting the log aside."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.edge.access_log import Served, parse
from apps.edge.base import Rule, Site
from tests.edge.conftest import Stand, app, wait_for

LINE: dict[str, Any] = {
    "at": 1700000000.125, "id": "0123456789abcdef", "host": "shop.test", "method": "GET", "path": "/", "status": 200,
    "bytes": 812, "seconds": 0.013, "client": "127.0.0.1", "upstream": "unix:/x", "upstream_status": "200",
    "upstream_seconds": "0.012", "received": 77, "stream": 0, "app": "pod1/web",
}  # fmt: skip


def line(**changes: Any) -> bytes:
    return json.dumps(LINE | changes).encode()


def test_a_line_says_what_was_served() -> None:
    assert parse(line()) == Served("pod1", "web", 1700000000.125, 200, 13, 77, 812)
    with_route = Served("pod1", "web", 1700000000.125, 200, 13, 77, 812, "front")
    assert parse(line(route="pod1/front")) == with_route
    assert parse(line(route="pod1/front", app="")) == replace(with_route, app="")
    assert parse(line(status=101)).ms is None  # type: ignore[union-attr]
    assert parse(line(stream=1)).ms is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "changes",
    [
        {"app": ""}, {"app": "-"}, {"app": "pod1"}, {"app": "/web"}, {"app": "pod1/"}, {"app": None}, {"app": 7},
        {"app": f"{'p' * 41}/web"}, {"app": f"pod1/{'w' * 64}"},
        {"route": "pod2/front"}, {"route": 7}, {"app": "", "route": ""}, {"app": "", "route": f"pod1/{'r' * 64}"},
        {"status": 99}, {"status": 600}, {"status": "ok"}, {"status": None}, {"status": []},
        {"at": 0}, {"at": -5}, {"at": float("nan")}, {"at": float("inf")}, {"at": "soon"}, {"at": {}},
        {"seconds": -1}, {"seconds": float("inf")}, {"seconds": "long"}, {"seconds": 1e300},
        {"bytes": -1}, {"bytes": 1 << 60}, {"bytes": float("inf")}, {"received": -1}, {"received": "much"},
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_no_figure(changes: dict[str, Any]) -> None:
    assert parse(line(**changes)) is None


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"null", b"[]", b"7", b'"text"', line()[:-9], line() + b"}", b"[" * 100_000, b"\x00" * 40]
)
def test_what_is_no_line_is_no_figure(raw: bytes) -> None:
    assert parse(raw) is None


def test_a_line_of_before_this_form_is_no_figure() -> None:
    old = {name: value for name, value in LINE.items() if name not in ("received", "stream", "app")}
    assert parse(json.dumps(old).encode()) is None


@given(st.binary(max_size=200))
def test_nothing_breaks_it(raw: bytes) -> None:
    assert parse(raw) is None or raw.startswith(b"{")


@given(st.binary(min_size=1, max_size=60).filter(lambda raw: not set(raw) & set(b'"\\') and min(raw) >= 32))
def test_bytes_that_are_no_text_hide_no_request(path: bytes) -> None:
    served = parse(line().replace(b'"path": "/"', b'"path": "/' + path + b'"'))
    assert served is not None
    assert served.app == "web"


def entries(stand: Stand) -> dict[str, Served | None]:
    """What the log says, by the number each request was given."""
    raw = stand.edge.layout.access_log.read_bytes().splitlines()
    return {json.loads(one.decode("utf-8", "replace"))["id"]: parse(one) for one in raw}


def served(stand: Stand, *numbers: str) -> list[Served | None]:
    wait_for(lambda: set(numbers) <= entries(stand).keys())
    found = entries(stand)
    return [found[number] for number in numbers]


def numbered(number: str) -> dict[str, str]:
    return {"X-Request-ID": number}


def test_requests_are_those_of_the_app_that_answered(stand: Stand) -> None:
    (stand.root / "site").mkdir(mode=0o755)
    (stand.root / "site" / "index.html").write_text("hello")
    rules = (
        Rule("/api/", upstreams=(stand.upstream().address,), app="pod1/api"),
        Rule("/docs/", directory=str(stand.root / "site"), strip=True, app="pod1/site"),
        Rule("/gone/", app="pod1/gone"),
    )
    stand.apply(Site("shop.test", rules=rules), app("old.test", stand.upstream("old").address, app="pod2/web"))
    asked = {
        "to-the-app": ("/api/x?secret=1", 200), "without-slash": ("/api", 200), "to-the-files": ("/docs/", 200),
        "not-among-them": ("/docs/nothing.png", 404), "moved-to-slash": ("/docs", 301),
        "behind-nothing": ("/gone/", 502), "under-no-rule": ("/elsewhere", 404),
    }  # fmt: skip
    for number, (path, status) in asked.items():
        assert stand.ask("shop.test", path, headers=numbered(number)).status_code == status, number
    assert stand.ask("old.test", headers=numbered("another-pods")).status_code == 200
    found = served(stand, *asked, "another-pods")
    owners = ["pod1/api", "pod1/api", "pod1/site", "pod1/site", "pod1/site", "pod1/gone", "", "pod2/web"]
    assert [f"{one.pod}/{one.app}" if one else "" for one in found] == owners
    assert [one.status for one in found if one] == [200, 200, 200, 404, 301, 502, 200]
    assert all(one.received > 40 and one.sent > 100 and one.ms is not None for one in found if one)


def test_a_rule_that_changes_its_app_counts_for_the_new_one(stand: Stand) -> None:
    address = stand.upstream().address
    stand.apply(app("shop.test", address, app="pod1/web"))
    stand.ask("shop.test", headers=numbered("of-the-first"))
    stand.apply(app("shop.test", address, app="pod1/other"))
    stand.ask("shop.test", headers=numbered("of-the-second"))
    first, second = served(stand, "of-the-first", "of-the-second")
    assert first is not None
    assert second is not None
    assert (first.app, second.app) == ("web", "other")


def test_what_nginx_refuses_before_it_looks_for_a_place_counts_for_the_app_at_the_root(stand: Stand) -> None:
    stand.apply(app("shop.test", stand.upstream().address, body_mb=1, app="pod1/web"))
    headers = numbered("much-too-large") | {"Content-Length": str(2 * 1024 * 1024)}
    assert stand.ask("shop.test", "/", "POST", content=b"x" * 2 * 1024 * 1024, headers=headers).status_code == 413
    (found,) = served(stand, "much-too-large")
    assert found is not None
    assert (found.app, found.status) == ("web", 413)


def test_nobodys_requests_are_no_apps(stand: Stand) -> None:
    stand.apply(app("shop.test", stand.upstream().address, app="pod1/web"), Site("off.test", answer="maintenance"))
    asked = {"of-a-stranger": "unknown.test", "of-the-dashboard": "panel.test", "while-off": "off.test"}
    for number, host in asked.items():
        stand.ask(host, headers=numbered(number))
    assert served(stand, *asked) == [None, None, None]


def test_how_long_a_stream_was_kept_open_is_no_latency(stand: Stand) -> None:
    upstream = stand.upstream()
    stand.apply(app("shop.test", upstream.address, app="pod1/web"))
    upstream.go_on.set()
    assert "second" in stand.ask("shop.test", "/events", headers=numbered("of-a-stream")).text
    (found,) = served(stand, "of-a-stream")
    assert found is not None
    assert found.ms is None


def test_the_log_is_put_aside_and_no_line_is_lost(cold: Stand) -> None:
    cold.start()
    cold.apply(app("shop.test", cold.upstream().address, app="pod1/web"))
    old, new = cold.edge.access_logs()
    assert new == cold.edge.layout.access_log
    asked: list[str] = []

    def ask(count: int) -> None:
        for _ in range(count):
            asked.append(f"request-{len(asked)}")
            assert cold.ask("shop.test", headers=numbered(asked[-1])).status_code == 200

    def lines(path: Path) -> list[str]:
        return path.read_text().splitlines() if path.exists() else []

    def asked_until_in_the_new_one() -> bool:
        ask(1)
        return bool(lines(new))

    ask(5)
    wait_for(lambda: len(lines(new)) == 5)
    assert not cold.edge.rotate_access_log(10**6)
    assert cold.edge.rotate_access_log(0)
    wait_for(asked_until_in_the_new_one)
    ask(5)
    wait_for(lambda: len(lines(old)) + len(lines(new)) == len(asked))
    assert sorted(json.loads(one)["id"] for one in lines(old) + lines(new)) == sorted(asked)


def test_without_nginx_the_log_stays(cold: Stand) -> None:
    log = cold.edge.layout.access_log
    log.write_text("a line\n")
    assert not cold.edge.rotate_access_log(0)
    assert log.exists()


def test_one_who_died_between_the_two_steps_is_made_up_for(cold: Stand) -> None:
    cold.start()
    cold.apply(app("shop.test", cold.upstream().address, app="pod1/web"))
    old, new = cold.edge.access_logs()
    new.rename(old)
    assert not cold.edge.rotate_access_log(10**6)
    wait_for(new.exists)
    cold.end(signal.SIGQUIT)
