"""Wrong passwords of one client: counted, then refused unread, for a minute and for nobody else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import httpx
import pytest

from apps.edge.base import Site
from apps.edge.guesses import MOST, SECONDS
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
