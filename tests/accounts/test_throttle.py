"""Guessing is slowed down; the owner is never locked out. On a real Valkey, and without one."""

from __future__ import annotations

import time

import pytest
import redis
from django.http import HttpResponse
from django.test import RequestFactory

from apps.accounts import throttle
from apps.accounts.throttle import Counter, Throttle, address_of, remember_device
from apps.core.errors import UserError
from apps.core.ids import new_id

NOWHERE = "unix:///nonexistent/valkey.sock?db=0"


@pytest.fixture(params=["valkey", "none"])
def url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue("valkey") if request.param == "valkey" else NOWHERE


@pytest.fixture
def email() -> str:
    return f"{new_id()}@example.com"


def attempt(url: str, email: str, address: str, cookies: dict[str, str] | None = None) -> Throttle:
    request = RequestFactory().post("/sign-in/", REMOTE_ADDR=address)
    request.COOKIES.update(cookies or {})
    return Throttle(email, request, url=url)


def unique_address() -> str:
    """An IPv6 network of this test alone: counters live as long as the Valkey of the session."""
    digits = f"{time.time_ns():016x}"
    return f"2001:db8:{digits[-8:-4]}:{digits[-4:]}::1"


def fail(url: str, email: str, address: str, times: int) -> None:
    for _ in range(times):
        attempt(url, email, address).failed()


def refused(url: str, email: str, address: str, cookies: dict[str, str] | None = None) -> bool:
    try:
        attempt(url, email, address, cookies).check()
    except UserError as error:
        return (error.code, error.status) == ("too_many_attempts", 429)
    return False


def test_waits_double_up_to_a_limit() -> None:
    counter = Counter("k", 5, 900)
    assert [counter.wait(n) for n in (0, 4, 5, 6, 7, 8, 13, 14, 10_000)] == [0, 0, 2, 4, 8, 16, 512, 900, 900]


def test_failures_make_one_wait(url: str, email: str) -> None:
    address = unique_address()
    fail(url, email, address, 4)
    assert not refused(url, email, address)
    fail(url, email, address, 8)
    assert refused(url, email, address)


def test_a_failure_of_the_same_moment_costs_no_wait(url: str, email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address, now = unique_address(), time.time()
    with monkeypatch.context() as later:
        later.setattr(throttle.time, "time", lambda: now + 0.5)
        fail(url, email, address, 2)
    monkeypatch.setattr(throttle.time, "time", lambda: now)
    assert not refused(url, email, address)


def test_the_owner_gets_in_from_another_address(url: str, email: str) -> None:
    fail(url, email, unique_address(), 15)
    assert not refused(url, email, unique_address())


def test_the_owner_gets_in_on_a_known_device_even_from_the_same_address(url: str, email: str) -> None:
    address = unique_address()
    response = HttpResponse()
    remember_device(response, email)
    cookies = {throttle.DEVICE_COOKIE: response.cookies[throttle.DEVICE_COOKIE].value}
    fail(url, email, address, 30)
    assert refused(url, email, address)
    assert not refused(url, email, address, cookies)
    assert refused(url, f"other-{email}", address, cookies), "a device is known to the account that used it"


def test_a_forged_device_is_no_device(url: str, email: str) -> None:
    address = unique_address()
    fail(url, email, address, 12)
    assert refused(url, email, address, {throttle.DEVICE_COOKIE: '{"email": "' + email + '", "id": "x"}'})


def test_one_password_tried_on_many_accounts_is_slowed_by_address(url: str) -> None:
    address = unique_address()
    for _ in range(28):
        fail(url, f"{new_id()}@example.com", address, 1)
    assert refused(url, f"{new_id()}@example.com", address)


def test_many_addresses_on_one_account_wait_seconds_not_minutes(email: str) -> None:
    counters = throttle.counters(email, RequestFactory().post("/", REMOTE_ADDR="192.0.2.1"))
    assert counters[-1].wait(10_000) <= 8
    assert counters[-1].key != counters[0].key


def test_a_success_forgets_the_failures(url: str, email: str) -> None:
    address = unique_address()
    fail(url, email, address, 8)
    attempt(url, email, address).passed()
    assert not refused(url, email, address)


def test_counters_expire(valkey: str, email: str) -> None:
    mine = attempt(valkey, email, unique_address())
    mine.failed()
    with redis.Redis.from_url(valkey) as client:
        assert all(0 < client.ttl(key) <= throttle.FORGOTTEN for key in mine._keys)


@pytest.mark.parametrize(
    ("peer", "header", "address"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("", "nonsense", ""),
    ],
)
def test_the_address_is_the_peers_unless_the_peer_is_nginx(peer: str, header: str, address: str) -> None:
    headers = {"HTTP_X_REAL_IP": header} if header else {}
    assert address_of(RequestFactory().get("/", REMOTE_ADDR=peer, **headers)) == address
