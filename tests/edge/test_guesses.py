"""Wrong passwords of one client: counted, then refused unread, for a minute and for nobody else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import httpx
import pytest

from apps.edge.base import Site
from apps.edge.guesses import MOST, MOST_AT, SECONDS
from apps.edge.passwords import hashed
from apps.edge.tls import CHALLENGES
from tests.edge.conftest import Stand, app

RIGHT, WRONG = ("guest", "open sesame"), ("guest", "wrong")
HASH = hashed(RIGHT[1])
numbers = count(1)


@pytest.fixture
def client() -> str:
    """An address that no other test asks from."""
    return f"127.7.{next(numbers)}.1"


@pytest.fixture
def site(stand: Stand) -> Site:
    site = Site("shop.test", rules=app("shop.test", stand.upstream().address).rules, password=f"guest:{HASH}")
    stand.apply(site)
    return site


def in_one_minute(ask: Callable[[], Any]) -> Any:
    """What `ask` finds where its beginning and its end lie in one minute of the clock."""
    while True:
        began = int(time.time() // 60)
        found = ask()
        if int(time.time() // 60) == began:
            return found


def refuse(stand: Stand, client: str) -> httpx.Response:
    """Guess until that is refused; the first refusal."""
    for _ in range(20 * MOST):
        answer = stand.ask("shop.test", auth=WRONG, source=client)
        if answer.status_code != 401:
            return answer
    raise AssertionError("every guess was looked at")


def test_a_few_wrong_ones_are_just_wrong(stand: Stand, site: Site, client: str) -> None:
    for _ in range(MOST):
        assert stand.ask("shop.test", auth=WRONG, source=client).status_code == 401
    assert stand.ask("shop.test", auth=RIGHT, source=client).status_code == 200


def test_one_too_many_is_refused_with_when_to_come_back(stand: Stand, site: Site, client: str) -> None:
    answer = refuse(stand, client)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == str(SECONDS)
    assert "Too many attempts" in answer.text


def test_the_right_one_is_not_looked_at_then_and_others_are_let_in(stand: Stand, site: Site, client: str) -> None:
    other = f"{client.rpartition('.')[0]}.2"

    def asked() -> list[int]:
        refuse(stand, client)
        return [
            stand.ask("shop.test", auth=RIGHT, source=client).status_code,
            stand.ask("shop.test", source=client).status_code,
            stand.ask("shop.test", f"{CHALLENGES}none", source=client).status_code,
            stand.ask("shop.test", auth=RIGHT, source=other).status_code,
        ]

    assert in_one_minute(asked) == [429, 429, 404, 200]


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("2001:db8:1:2:a:b:c:d", "2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("2001:db8:1::1", "2001:db8:1:0:ffff:1:2:3", "2001:db8:1:1::1"),
        ("2001:db8::1", "2001:db8::ffff:1:2:3", "2001:db8:0:1::1"),
        ("2001::7:1:2:3:4", "2001::7:5:6:7:8", "2001::8:1:2:3:4"),
        ("2001::1", "2001:0:0:0:1:0:0:2", "2001:0:0:1:1:0:0:2"),
        ("2001:db8:0:5:a:b:c:d", "2001:db8:0:5::1", "2001:db8::5:0:0:1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.2"),
    ],
)
def test_of_ipv6_a_client_has_a_network(cold: Stand, one: str, same: str, other: str) -> None:
    cold.edge = cold.another(trusted_proxies=("127.0.0.0/8",))
    cold.edge.prepare()
    cold.start()
    cold.apply(Site("shop.test", rules=app("shop.test", cold.upstream().address).rules, password=f"guest:{HASH}"))

    def ask(client: str, auth: tuple[str, str]) -> int:
        return cold.ask("shop.test", auth=auth, headers={"X-Forwarded-For": client}).status_code

    def asked() -> list[int]:
        while ask(one, WRONG) == 401:
            pass
        return [ask(same, RIGHT), ask(other, RIGHT)]

    assert in_one_minute(asked) == [429, 200]


def test_many_addresses_have_one_guess_each_and_keep_nobody_out(cold: Stand) -> None:
    cold.start()
    site = Site("shop.test", rules=app("shop.test", cold.upstream().address).rules, password=f"guest:{HASH}")
    cold.apply(site, replace(site, host="other.test"))
    networks = count(1)

    def ask(client: str, auth: tuple[str, str] = WRONG, host: str = "shop.test") -> int:
        return cold.ask(host, auth=auth, source=client).status_code

    def asked() -> list[list[int]]:
        for _ in range(3 * MOST_AT // MOST):
            client = f"127.6.{next(networks)}.1"
            for _ in range(MOST - 1):
                ask(client)
        one, owner, guest = (f"127.6.{next(networks)}.1" for _ in range(3))
        return [
            [*[ask(one) for _ in range(MOST - 1)][-1:], ask(one, RIGHT)],
            [ask(owner, RIGHT) for _ in range(3)],
            [ask(guest, host="other.test") for _ in range(3)],
        ]

    assert in_one_minute(asked) == [[429, 429], [200, 200, 200], [401, 401, 401]]


def test_it_is_over_with_the_minute(stand: Stand, site: Site, client: str) -> None:
    refuse(stand, client)
    directory = stand.edge.layout.guesses
    for path in directory.iterdir():  # as if it had been a minute before
        if path.name.endswith(f"-{client}"):
            path.rename(directory / f"2020-01-01T10:10-{client}")
    answer = stand.ask("shop.test", auth=RIGHT, source=client)
    assert answer.status_code == 200
    assert "retry-after" not in answer.headers


def test_a_request_without_credentials_is_no_guess(stand: Stand, site: Site, client: str) -> None:
    for _ in range(3 * MOST):
        answer = stand.ask("shop.test", source=client)
        assert (answer.status_code, "retry-after" in answer.headers) == (401, False)


def test_what_counts_no_more_is_removed(stand: Stand, site: Site, client: str) -> None:
    refuse(stand, client)
    directory = stand.edge.layout.guesses
    assert [path for path in directory.iterdir() if path.name.endswith(f"-{client}")]
    long_ago = time.time() - 3 * SECONDS
    for path in directory.iterdir():
        os.utime(path, (long_ago, long_ago))
    stand.apply(site)
    assert not [path for path in directory.iterdir() if path.stat().st_mtime <= long_ago]
