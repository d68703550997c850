"""What the workloads of a pod reach of each other: what they name, and nobody else's."""

from __future__ import annotations

import socket

import pytest

from apps.core.errors import Invalid
from apps.engines.base import Engine, Handle, Peer
from tests.engines.workloads import echo_server, echoes, name, run, running, shell, texts, until, worker

ASK = """
import socket, sys, time
def ask(host, port, said):
    try:
        with socket.create_connection((host, port), 10) as sock:
            sock.sendall(said)
            sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(65536), b"")) == said
    except OSError:
        return False
"""
ONCE = ASK + "print(ask(sys.argv[1], int(sys.argv[2]), b'hello' * 1000))"
AGAIN = ASK + "\nwhile True: print(ask(sys.argv[1], int(sys.argv[2]), b'hello'), flush=True); time.sleep(0.2)"
PORT = 5432


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """Every engine that says of itself that workloads reach each other by name."""
    if not engine.peers:
        pytest.skip(f"unsupported: {type(engine).__name__} declares that it has no peers (Engine.peers)")
    return engine


def served(engine: Engine, pod: str, called: str) -> Handle:
    handle = engine.launch(echo_server(pod=pod, name=called, port=PORT, env={"HOST": "0.0.0.0"}))
    until(lambda: engine.probe(handle) is None and echoes(handle), "the peer")
    return handle


def asked(engine: Engine, pod: str, called: str, *peers: Peer, host: str = "") -> bool:
    words = ("python3", "-c", ONCE, host or engine.peer_host(pod, called), str(PORT))
    finished, lines = run(engine, shell("", pod=pod, command=words, peers=peers))
    assert finished.exit_code == 0, lines
    return lines == ["True"]


@pytest.fixture
def pod() -> str:
    return name("pod")


def test_a_run_reaches_the_peer_it_names(engine: Engine, pod: str) -> None:
    handle = served(engine, pod, "db")
    assert asked(engine, pod, "db", Peer("db", PORT))
    engine.stop(handle, 0)
    assert not asked(engine, pod, "db", Peer("db", PORT))


def test_a_peer_has_its_name_for_a_host(sandboxed: Engine, pod: str) -> None:
    handle = served(sandboxed, pod, "db")
    assert asked(sandboxed, pod, "db", Peer("db", PORT), host="db")
    sandboxed.stop(handle, 0)


def test_what_does_not_name_it_does_not_reach_it(engine_agent: Engine, pod: str) -> None:
    """In a sandbox; on Docker all of a pod is in one network."""
    if not engine_agent.check().sandbox:
        pytest.skip("without sandboxes there is one loopback for all")
    handle = served(engine_agent, pod, "db")
    assert not asked(engine_agent, pod, "db")
    assert not asked(engine_agent, pod, "db", Peer("cache", PORT))
    engine_agent.stop(handle, 0)


def test_another_pod_does_not_reach_it_whatever_it_names(sandboxed: Engine, pod: str) -> None:
    handle, stranger = served(sandboxed, pod, "db"), name("pod")
    assert not asked(sandboxed, stranger, "db", Peer("db", PORT))
    assert not asked(sandboxed, stranger, "db", Peer("db", PORT), host=sandboxed.peer_host(pod, "db"))
    sandboxed.stop(handle, 0)


def test_the_name_passes_on_to_whoever_is_launched_with_it(engine: Engine, pod: str) -> None:
    """A workload that asks all the time: its peer comes, is replaced, and goes."""
    words = ("python3", "-c", AGAIN, engine.peer_host(pod, "db"), str(PORT))
    asking = engine.launch(worker("", pod=pod, command=words, peers=(Peer("db", PORT),)))
    running(engine, asking)
    until(lambda: texts(engine, asking)[-1:] == ["False"], "a first try")
    first = served(engine, pod, "db")
    until(lambda: texts(engine, asking)[-1] == "True", "the peer")
    engine.stop(first, 0)
    until(lambda: texts(engine, asking)[-1] == "False", "its end")
    second = served(engine, pod, "db")
    until(lambda: texts(engine, asking)[-1] == "True", "the next one")
    for handle in (second, asking):
        engine.stop(handle, 0)


def test_what_was_launched_last_keeps_the_name_when_an_older_one_goes(engine: Engine, pod: str) -> None:
    older, newer = served(engine, pod, "db"), served(engine, pod, "db")
    engine.stop(older, 0)
    assert asked(engine, pod, "db", Peer("db", PORT))
    engine.stop(newer, 0)


def test_several_workloads_have_one_peer_in_common(engine: Engine, pod: str) -> None:
    handle = served(engine, pod, "db")
    words = ("python3", "-c", AGAIN, engine.peer_host(pod, "db"), str(PORT))
    both = [engine.launch(worker("", pod=pod, command=words, peers=(Peer("db", PORT),))) for _ in range(2)]
    for one in both:
        until(lambda one=one: texts(engine, one)[-1:] == ["True"], "an answer")  # type: ignore[misc]
    engine.stop(both[0], 0)
    count = len(texts(engine, both[1]))
    until(lambda: len(texts(engine, both[1])) > count + 3, "more answers")
    assert texts(engine, both[1])[-1] == "True"
    for one in (both[1], handle):
        engine.stop(one, 0)


@pytest.mark.parametrize("peer", [Peer("db;", 1), Peer("", 1), Peer("-a", 1), Peer("db", 0), Peer("db", 70000)])
def test_a_peer_that_cannot_be_is_refused(engine: Engine, pod: str, peer: Peer) -> None:
    with pytest.raises(Invalid) as error:
        run(engine, shell("true", pod=pod, peers=(peer,)))
    assert [detail.path for detail in error.value.details] == ["peers"]


def test_programs_of_the_host_reach_what_has_a_name(engine: Engine, pod: str) -> None:
    handle = served(engine, pod, "db")
    host, _, port = str(handle.get("tcp") or handle["address"]).rpartition(":")

    def answers() -> bool:
        try:
            with socket.create_connection((host, int(port)), 10) as sock:
                sock.sendall(b"hello")
                return sock.recv(5) == b"hello"
        except OSError:
            return False

    until(answers, "an answer")
    engine.stop(handle, 0)
    until(lambda: not answers(), "its end")
