"""Switching traffic: nothing fails, nothing bad replaces something good, the last one to apply wins."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.core.errors import Unavailable
from apps.core.ports import free_port
from apps.edge import control
from apps.edge.base import EdgeState, Site
from apps.edge.binary import wheel_binary
from apps.edge.nginx import NginxEdge
from tests.edge.conftest import Stand, app, wait_for
from tests.edge.load import Load

SWITCHES = 5 * int(os.environ.get("BRAINPOD_SOAK", "1"))  # of each sort
LOW = 811  # a port that not everybody may listen on


@pytest.fixture
def stand(cold: Stand) -> Stand:
    """An edge of this test alone: these look at its files, and kill it."""
    cold.start()
    return cold


@pytest.mark.parametrize("reloading", [False, True], ids=["rename", "reload"])
def test_switches_under_load_fail_nothing(stand: Stand, reloading: bool) -> None:
    """Also a stream that began before the first switch and goes on past the last; `BRAINPOD_SOAK=50` makes them 500."""
    current, streaming = stand.upstream("v0"), stand.upstream("streaming")
    stays = app("stream.test", streaming.address, timeout=3600)
    stand.apply(app("shop.test", current.address), stays)
    with (
        socket.create_connection(("127.0.0.1", stand.port), timeout=120) as stream,
        Load(stand.port, "shop.test") as load,
    ):
        stream.sendall(b"GET /events HTTP/1.1\r\nHost: stream.test\r\nConnection: close\r\n\r\n")
        seen_of_stream = stream.recv(4096)
        began, master = time.monotonic(), control.master(stand.edge.layout)
        for number in range(1, SWITCHES + 1):
            new = stand.upstream(f"v{number}")
            answered = load.answered
            applied = stand.apply(app("shop.test", new.address, timeout=60 + (number if reloading else 0)), stays)
            assert applied.reloaded is reloading
            wait_for(lambda: sum(control.workers(master).values()) <= 1)  # that of the stream stays as long as it does
            assert stand.ask("shop.test").json()["name"] == new.name
            time.sleep(0.2)  # the old app answers what it had accepted
            stand.forget(current)
            current = new
            wait_for(lambda seen=answered: load.answered > seen + 20)
        if SWITCHES > 5:
            time.sleep(max(0.0, 20 - (time.monotonic() - began)))
        streaming.go_on.set()
        while part := stream.recv(4096):
            seen_of_stream += part
    assert b"data: first" in seen_of_stream
    assert b"data: second" in seen_of_stream
    assert load.failures == []
    assert load.answered > 20 * SWITCHES


def test_after_a_rename_every_connection_sees_the_new(stand: Stand) -> None:
    old, new = stand.upstream("old"), stand.upstream("new")
    stand.apply(app("shop.test", old.address))
    with httpx.Client(base_url=f"http://127.0.0.1:{stand.port}", headers={"Host": "shop.test"}) as client:
        for upstream in (new, old, new):
            applied = stand.apply(app("shop.test", upstream.address))
            assert applied.reloaded is False
            assert client.get("/").json()["name"] == upstream.name


def test_replicas_of_one_number_switch_by_rename(stand: Stand) -> None:
    names = ("a", "b", "c", "d")
    a, b, c, d = (stand.upstream(name).address for name in names)
    assert stand.apply(app("shop.test", a, b)).reloaded
    assert not stand.apply(app("shop.test", c, d)).reloaded
    assert {stand.ask("shop.test").json()["name"] for _ in range(20)} == {"c", "d"}
    assert stand.apply(app("shop.test", a)).reloaded
    assert {stand.ask("shop.test").json()["name"] for _ in range(20)} == {"a"}


def test_settle_waits_for_the_workers_of_before(stand: Stand) -> None:
    upstream = stand.upstream()
    stand.apply(app("shop.test", upstream.address))
    stand.edge.settle(30)
    pid = control.master(stand.edge.layout)
    assert not any(control.workers(pid).values())
    with socket.create_connection(("127.0.0.1", stand.port)) as stream:
        stream.sendall(b"GET /events HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        assert b"200" in stream.recv(100)
        stand.apply(app("shop.test", upstream.address, timeout=7))
        stand.edge.settle(0.5)  # bounded: the stream is still there
        assert any(control.workers(pid).values())
        upstream.go_on.set()
        stand.edge.settle(60)
        assert not any(control.workers(pid).values())


def test_applying_the_same_again_does_nothing(stand: Stand) -> None:
    sites = [app(f"h{number}.test", stand.upstream(f"u{number}").address) for number in range(3)]
    first = stand.apply(*sites)
    stamps = {path: path.stat().st_mtime_ns for path in stand.edge.layout.home.glob("*/*.conf")}
    again = stand.another().apply(lambda: EdgeState(tuple(reversed(sites))))
    assert (again.generation, again.reloaded) == (first.generation, False)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_a_port_conflict_restores_the_old(stand: Stand) -> None:
    upstream = stand.upstream()
    first = stand.apply(app("shop.test", upstream.address))
    good = stand.edge.layout.configuration.read_text()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        other = stand.another(port=taken.getsockname()[1], patience=60)
        with pytest.raises(Unavailable, match="bind") as caught:
            other.apply(lambda: EdgeState((app("shop.test", f"unix:{stand.root}/new.sock"), app("b.test"))))
    assert caught.value.code == "edge_refused"
    assert stand.edge.layout.configuration.read_text() == good
    assert stand.edge.generation() == first.generation
    assert stand.ask("shop.test").json()["name"] == "app"
    assert stand.apply(app("shop.test", upstream.address), app("b.test")).generation > first.generation


def test_another_version_is_taken_by_the_nginx_that_runs(stand: Stand) -> None:
    """Whatever is refused, it goes on with what it had."""
    first = stand.apply(app("shop.test", stand.upstream().address))
    stand.another().refresh()
    assert stand.edge.generation() == first.generation, "nothing is new"
    with pytest.raises(Unavailable):
        stand.another(push_mb=7, binary=Path(shutil.which("false") or "/bin/false"), dashboard_git="/git").refresh()
    assert stand.edge.generation() == first.generation
    stand.another(push_mb=7, dashboard_git="/git").refresh()
    assert stand.edge.generation() > first.generation
    assert stand.ask("shop.test").json()["name"] == "app"


@pytest.mark.skipif(
    int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= LOW, reason="anybody may listen there"
)
def test_who_applies_need_not_be_allowed_to_listen_where_nginx_does(stand: Stand) -> None:
    """Of the services only nginx may listen below 1024; what else is wrong with a configuration is still found."""
    plain = stand.root / "plain"
    drop = "setpriv --bounding-set=-net_bind_service" if os.getuid() == 0 else ""
    plain.write_text(f'#!/bin/sh\nexec {drop} {wheel_binary()} "$@"\n')
    plain.chmod(0o755)
    tried = stand.root / "tried.conf"
    for more, refused in (("", ""), ("surprise on;", "unknown directive"), ("access_log /none/log;", "No such file")):
        tried.write_text(
            f"pid {stand.root}/tried.pid; events {{}}\n"
            f"http {{ access_log off; server {{ listen 127.0.0.1:{LOW}; {more} }} }}\n"
        )
        with pytest.raises(Unavailable, match=refused) if refused else nullcontext():
            control.test(plain, stand.edge.layout, tried)


@pytest.mark.parametrize("breakage", ["binary", "directory"])
def test_a_refused_configuration_changes_nothing(stand: Stand, breakage: str) -> None:
    first = stand.apply(app("shop.test", stand.upstream().address))
    good = stand.edge.layout.configuration.read_text()
    edge, logs = stand.edge, stand.edge.layout.home / "logs"
    if breakage == "binary":
        edge = stand.another(binary=Path(shutil.which("false") or "/bin/false"))
    else:
        logs.rename(logs.with_name("moved"))
    with pytest.raises(Unavailable) as caught:
        edge.apply(lambda: EdgeState((app("new.test"),)))
    assert caught.value.code == "edge_refused"
    if breakage == "directory":
        assert "logs" in str(caught.value)
        logs.with_name("moved").rename(logs)
    assert stand.edge.layout.configuration.read_text() == good
    assert stand.edge.generation() == first.generation
    assert stand.ask("shop.test").json()["name"] == "app"


def test_without_nginx_the_state_is_kept_for_its_start(cold: Stand) -> None:
    upstream = cold.upstream()
    for desired in (app("shop.test", upstream.address), app("shop.test", f"unix:{cold.root}/other.sock")):
        with pytest.raises(Unavailable) as caught:
            cold.apply(desired)
        assert caught.value.code == "edge_unavailable"
    with pytest.raises(Unavailable):
        cold.apply(app("shop.test", upstream.address))
    with pytest.raises(Unavailable):
        cold.edge.generation()
    cold.start()
    assert cold.ask("shop.test").json()["name"] == "app"
    assert not cold.apply(app("shop.test", upstream.address)).reloaded


def test_everything_comes_back_after_a_kill(stand: Stand) -> None:
    upstream = stand.upstream()
    stand.apply(app("shop.test", upstream.address), Site("b.test", answer="disabled"))
    before = stand.edge.generation()
    stand.end(signal.SIGKILL)
    stand.forget(upstream)
    shutil.rmtree(stand.edge.layout.links)
    stand.edge.prepare()
    stand.start()
    assert stand.edge.generation() > before
    assert stand.ask("shop.test").status_code == 502
    assert stand.ask("b.test").status_code == 403
    stand.upstream("app")
    assert stand.ask("shop.test").status_code == 200


def test_a_stored_state_that_no_longer_holds_is_left_out(cold: Stand) -> None:
    for stored in ("{", '{"sites": [{"host": "a b", "rules": []}]}', '{"sites": [{"nothing": 1}]}'):
        (cold.edge.layout.home / "applied.json").write_text(stored)
        cold.edge.prepare()
    cold.start()
    assert "Not connected" in cold.ask("a.test").text


def test_an_applier_that_died_before_its_reload_is_made_good(stand: Stand) -> None:
    upstream = stand.upstream()
    desired = app("shop.test", upstream.address)
    pid = os.fork()
    if pid == 0:
        try:
            control.reload = lambda *_: os._exit(9)  # type: ignore[assignment]
            stand.apply(desired)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert stand.ask("shop.test").status_code == 404
    assert stand.apply(desired).reloaded
    assert stand.ask("shop.test").json()["name"] == "app"


def _apply_in_turn(edge: NginxEdge, turn: Any) -> None:
    for _ in range(3):
        edge.apply(lambda: _next_state(turn))


def _next_state(turn: Any) -> EdgeState:
    """What a database would say: each look is newer than the one before."""
    turn.value += 1
    return EdgeState((Site(f"turn-{turn.value}.test", answer="disabled"),))


def test_appliers_in_many_processes_and_threads_take_turns(stand: Stand) -> None:
    fork = multiprocessing.get_context("fork")
    turn = fork.Value("i", 0, lock=False)
    processes = [fork.Process(target=_apply_in_turn, args=(stand.another(), turn)) for _ in range(2)]
    threads = [threading.Thread(target=_apply_in_turn, args=(stand.edge, turn)) for _ in range(2)]
    for runner in (*processes, *threads):
        runner.start()
    for runner in (*processes, *threads):
        runner.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert turn.value == 12  # no look was lost, as only the holder of the lock looks
    assert stand.ask("turn-12.test").status_code == 403
    assert stand.ask("turn-11.test").status_code == 404


def test_links_no_configuration_names_are_collected(stand: Stand) -> None:
    links = stand.edge.layout.links

    def folders() -> list[Path]:
        return [path for path in links.iterdir() if path != stand.edge.layout.tls]

    sites = [app(f"h{number}.test", f"unix:{stand.root}/{number}.sock") for number in range(3)]
    stand.apply(*sites)
    assert len(folders()) == 3
    stand.apply(sites[0])
    assert len(folders()) == 3  # leaving workers may still follow them
    for folder in folders():
        os.utime(folder, (0, 0))
    stand.apply(replace(sites[0], answer="disabled"), sites[1])
    names = {path.name for path in folders()}
    assert len(names) == 2  # the second is in use again, the first was dropped just now, the third has gone


def test_prepare_takes_a_new_port(stand: Stand) -> None:
    stand.apply(Site("b.test", answer="disabled"))
    stand.end()
    stand.port = free_port()
    stand.edge = stand.another()
    stand.edge.prepare()
    stand.start()
    assert stand.ask("b.test").status_code == 403
