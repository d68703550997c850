"""What is found of a domain, asked of a real name server on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from apps.dns import lookup
from apps.dns.lookup import Found, addresses_of, look_up
from tests.dns.nameserver import NameServer

NAME = "www.example.com"


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


def found(server: NameServer, name: str = NAME, seconds: float = 120.0) -> Found:
    return look_up(name, resolvers=[server.endpoint], seconds=seconds)


def test_nothing_is_there(server: NameServer) -> None:
    assert found(server) == Found()


def test_texts_cnames_and_addresses(server: NameServer) -> None:
    server.set(f"_brainpod.{NAME}", "TXT", "brainpod=one", "another")
    server.set(NAME, "CNAME", "shop.apps.example.net")
    server.set("shop.apps.example.net", "CNAME", "edge.example.net")
    server.set("edge.example.net", "A", "192.0.2.2", "192.0.2.1")
    server.set("edge.example.net", "AAAA", "2001:db8::1")
    assert found(server) == Found(
        texts=("another", "brainpod=one"),
        chain=("shop.apps.example.net", "edge.example.net"),
        addresses=("192.0.2.1", "192.0.2.2", "2001:db8::1"),
    )


def test_a_cname_that_leads_nowhere_counts_all_the_same(server: NameServer) -> None:
    server.set(NAME, "CNAME", "brainpod--1.apps.example.net")
    assert found(server) == Found(chain=("brainpod--1.apps.example.net",))


def test_texts_behind_a_cname_prove_nothing(server: NameServer) -> None:
    """A wildcard CNAME to somebody else's host would let them write our records."""
    server.set("*.example.com", "CNAME", "sites.example.org")
    server.set("sites.example.org", "TXT", "brainpod=theirs")
    server.set("sites.example.org", "A", "192.0.2.9")
    seen = found(server)
    assert (seen.texts, seen.alias, seen.wildcard) == ((), "sites.example.org", True)


def test_a_wildcard_is_noticed_and_a_name_of_its_own_is_none(server: NameServer) -> None:
    server.set("*.example.com", "A", "192.0.2.1")
    assert found(server).wildcard
    server.set(NAME, "A", "192.0.2.2")
    assert not found(server).wildcard
    server.set("example.com", "A", "192.0.2.1")
    assert not found(server, "example.com").wildcard  # above it there is nothing that anybody owns


def test_no_answer_is_told_from_an_answer_of_nothing(server: NameServer) -> None:
    server.broken.add(NAME)
    assert found(server) == Found(trouble="the name servers of this domain did not answer, or not well")


def test_silence_ends_in_time(server: NameServer) -> None:
    server.silent.add(f"_brainpod.{NAME}")
    before = time.monotonic()
    seen = found(server, seconds=1.0)
    assert seen.trouble == "the resolver did not answer in time"
    assert time.monotonic() - before < 30


def test_garbage_is_no_answer(server: NameServer) -> None:
    server.garbled.add(f"_brainpod.{NAME}")
    assert found(server, seconds=1.0).trouble


def test_a_circle_of_cnames_ends(server: NameServer) -> None:
    server.set(NAME, "CNAME", "b.example.com")
    server.set("b.example.com", "CNAME", NAME)
    assert found(server).addresses == ()


def test_nobody_listens() -> None:
    with NameServer() as server:
        gone = server.endpoint
    assert look_up(NAME, resolvers=[gone], seconds=1.0).trouble
    assert addresses_of(NAME, resolvers=[gone], seconds=1.0) == ()


def test_many_and_long_records_are_cut_short(server: NameServer) -> None:
    server.set(f"_brainpod.{NAME}", "TXT", *[f"{n:03}" + "x" * 200 for n in range(60)])
    seen = found(server)
    assert len(seen.texts) == lookup.MOST
    assert max(map(len, seen.texts)) <= lookup.LONGEST


def test_where_the_platform_is(server: NameServer) -> None:
    server.set("*.apps.example.net", "A", "192.0.2.7")
    assert addresses_of("shop.apps.example.net", resolvers=[server.endpoint], seconds=120.0) == ("192.0.2.7",)


def test_what_was_found_is_kept_as_json() -> None:
    seen = Found(("a",), "b", ("c",), ("d",), True, "e")
    assert Found.from_json(seen.to_json() | {"note": "taken"}) == seen
    assert Found.from_json(None) == Found()
