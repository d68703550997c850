"""Instances with an address: switched by rename as sockets are, alone or several of one rule."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest
from websockets.sync.client import connect

from apps.edge import hop, links
from apps.edge.base import EdgeState
from tests.edge.conftest import Stand, app, wait_for
from tests.edge.load import Load
from tests.edge.test_switch import SWITCHES


@pytest.fixture
def stand(cold: Stand) -> Stand:
    """An edge of this test alone: these look at its files, and kill it."""
    cold.start()
    return cold


def closed() -> str:
    """An address of this machine's at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def names(stand: Stand, times: int = 20) -> set[str]:
    return {stand.ask("shop.test").json()["name"] for _ in range(times)}


@pytest.mark.parametrize("number", [1, 2])
def test_switches_under_load_reload_nothing_and_fail_nothing(stand: Stand, number: int) -> None:
    current = [stand.far(f"v0-{n}") for n in range(number)]
    assert stand.apply(app("shop.test", *(far.address for far in current))).reloaded
    with Load(stand.port, "shop.test") as load:
        for switch in range(1, SWITCHES + 1):
            new = [stand.far(f"v{switch}-{n}") for n in range(number)]
            answered = load.answered
            assert not stand.apply(app("shop.test", *(far.address for far in new))).reloaded
            assert stand.ask("shop.test").json()["name"] in {far.name for far in new}
            time.sleep(0.2)  # the old ones answer what they had accepted
            for far in current:
                stand.forget(far)
            current = new
            wait_for(lambda seen=answered: load.answered > seen + 20)
    assert load.failures == []
    assert load.answered > 20 * SWITCHES


def test_more_and_fewer_instances_under_load_fail_nothing(stand: Stand) -> None:
    """A worker that is leaving still goes to as many as there were, through sockets that nginx listens on."""
    all_of_them = [stand.far(f"v{n}") for n in range(3)]
    stand.apply(app("shop.test", all_of_them[0].address))
    with Load(stand.port, "shop.test") as load:
        for number in (3, 2, 1, 2, 1):
            answered = load.answered
            assert stand.apply(app("shop.test", *(far.address for far in all_of_them[:number]))).reloaded
            wait_for(lambda seen=answered: load.answered > seen + 20)
            stand.edge.settle()
            assert names(stand) == {far.name for far in all_of_them[:number]}
    assert load.failures == []
    assert load.answered > 100


def test_from_a_socket_to_an_address_and_back(stand: Stand) -> None:
    near, far = stand.upstream("near"), stand.far("far")
    six = stand.far("six", "::1") if Path("/proc/net/if_inet6").exists() else far
    assert stand.apply(app("shop.test", near.address)).reloaded
    for upstream in (far, near, six, near):
        assert not stand.apply(app("shop.test", upstream.address)).reloaded
        assert names(stand, 2) == {upstream.name}


def test_one_that_slept_wakes_at_an_address_without_a_reload(stand: Stand) -> None:
    asleep = app("shop.test", sleeps=True, app="pod1/web")
    assert stand.apply(asleep).reloaded
    assert stand.ask("shop.test").status_code == 503  # nobody here wakes it
    far = stand.far("far")
    assert not stand.apply(app("shop.test", far.address, sleeps=True, app="pod1/web")).reloaded
    assert names(stand, 2) == {"far"}
    assert not stand.apply(asleep).reloaded
    assert stand.ask("shop.test").status_code == 503


def test_an_address_that_does_not_answer_is_the_edges_page(stand: Stand) -> None:
    stand.apply(app("shop.test", closed()))
    assert stand.ask("shop.test").status_code == 502


def test_of_several_the_others_answer_for_one_that_is_gone(stand: Stand) -> None:
    one = stand.far("one")
    stand.apply(app("shop.test", one.address, closed()))
    for method in ("GET", "POST") * 10:
        answer = stand.ask("shop.test", "/a%20b?c=d", method, content=b"body" if method == "POST" else None)
        assert answer.status_code == 200
        assert answer.json()["path"] == "/a%20b?c=d"
        assert answer.json()["body"] == (4 if method == "POST" else 0)
    stand.forget(one)
    assert stand.ask("shop.test").status_code == 502


def test_a_request_that_reached_an_instance_is_not_sent_to_another(stand: Stand) -> None:
    one, dying = stand.far("one"), stand.far("dying", dies=True)
    stand.apply(app("shop.test", one.address, dying.address))
    answers = [stand.ask("shop.test", method="POST", content=b"x").status_code for _ in range(20)]
    assert set(answers) == {200, 502}
    assert answers.count(502) == dying.asked


def test_sockets_and_addresses_in_one_rule(stand: Stand) -> None:
    near, far, other = stand.upstream("near"), stand.far("far"), stand.far("other")
    stand.apply(app("shop.test", near.address, far.address))
    assert names(stand) == {"near", "far"}
    assert not stand.apply(app("shop.test", other.address, near.address)).reloaded
    assert names(stand) == {"near", "other"}


def test_what_an_instance_is_asked_is_the_same_alone_and_among_several(stand: Stand) -> None:
    one, two = stand.far("one"), stand.far("two")
    told = []
    for upstreams in ((one.address,), (one.address, two.address)):
        stand.apply(app("shop.test", *upstreams))
        given = {"X-Own": "é".encode(), hop.HEADER: "0" * 16, "X-Long": "y" * 7000, "X-Request-ID": "given-by-client"}
        answer = stand.ask("shop.test", "//a/../b%2F?q", "PUT", headers=given, content=b"x" * 300_000)
        assert answer.status_code == 200
        assert answer.headers.get_list("X-Request-ID") == ["given-by-client"]
        assert answer.headers["Cache-Control"] == "private, max-age=7"
        told.append({key: value for key, value in answer.json().items() if key != "name"})
    assert hop.HEADER.lower() in told[0]["headers"], "what a client says of it means nothing to an app alone"
    del told[0]["headers"][hop.HEADER.lower()]
    assert told[0] == told[1]
    assert told[0]["body"] == 300_000


def test_events_and_sockets_pass_at_once(stand: Stand) -> None:
    one, two = stand.far("one"), stand.far("two")
    stand.apply(app("shop.test", one.address, two.address))
    with socket.create_connection(("127.0.0.1", stand.port), 60) as stream:
        stream.sendall(b"GET /events HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        seen = b""
        while b"first" not in seen:
            seen += stream.recv(1000)
        one.go_on.set()
        two.go_on.set()
        while b"second" not in seen:
            seen += stream.recv(1000)
    talkers = [stand.socket_app() for _ in range(2)]
    stand.apply(app("shop.test", *(talker.address for talker in talkers)))
    there = socket.create_connection(("127.0.0.1", stand.port), timeout=60)
    with connect(f"ws://shop.test:{stand.port}/talk", sock=there, proxy=None, open_timeout=60) as channel:
        channel.send("hello")
        assert channel.recv(60) == "/talk 'hello'"


def test_everything_comes_back_after_a_kill(stand: Stand) -> None:
    pair = [stand.far(name) for name in ("one", "two")]
    stand.apply(app("shop.test", *(far.address for far in pair)), app("b.test", pair[0].address))
    stand.end(signal.SIGKILL)
    shutil.rmtree(stand.edge.layout.links)
    stand.edge.prepare()
    stand.start()
    assert names(stand) == {"one", "two"}
    assert stand.ask("b.test").json()["name"] == "one"


def test_addresses_nobody_was_led_to_for_long_are_removed(stand: Stand) -> None:
    addresses = [f"127.0.0.1:{number}" for number in range(10, 14)]
    stand.apply(app("shop.test", addresses[0]))
    (folder,) = [path for path in stand.edge.layout.links.iterdir() if path.name != "tls"]

    def kept() -> set[str]:
        return {path.name for path in folder.iterdir() if path.is_dir() and not path.is_symlink()}

    stand.apply(app("shop.test", addresses[1]))
    assert kept() == set(addresses[:2])  # a worker may just be reading the first
    os.utime(folder / addresses[0], (0, 0))
    os.utime(folder / addresses[1], (0, 0))
    stand.apply(app("shop.test", addresses[2]))
    assert kept() == set(addresses[1:3])  # the second was left just now
    stand.apply(app("shop.test", addresses[1]))
    assert (folder / links.TO).resolve().name == addresses[1]


def test_links_of_several_and_of_one() -> None:
    made = links.wanted(EdgeState((app("a.test", "unix:/x.sock", "10.0.0.1:80"), app("b.test", "[fd00::1]:80"))))
    told = {link.partition("/")[2]: target for link, target in made.items() if not link.startswith("tls/")}
    assert told == {"0.sock": "/x.sock", "1.sock": "../../edge-hop-1.sock", "1.to": "10.0.0.1:80", "to": "[fd00::1]:80"}
