"""The networks `database` and `proxy`: made, kept, and who meets whom there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.core.errors import PlatformError
from apps.engines.base import DATABASE, PROXY, SERVICES, Handle, Peer, State
from apps.engines.docker import meeting, start
from apps.engines.docker.names import INSTANCE, PURPOSE
from tests.engines.docker.test_network import TRY
from tests.engines.workloads import echo_server, name, run, shell, until
from tests.stack.docker import BUSYBOX, DockerDaemon
from tests.stack.docker_engine import ImageEngine, Watching

Pair = tuple[ImageEngine, Watching]


def networks(daemon: DockerDaemon) -> dict[str, dict[str, Any]]:
    return {found["Name"]: found for found in daemon.client().api.networks()}


def inside(daemon: DockerDaemon, network: str) -> dict[str, str]:
    """Addresses of who is in it, by the container's name; a workload's by its id."""
    ends = daemon.client().api.inspect_network(network)["Containers"].values()
    return {end["Name"].removeprefix("brainpod-"): end["IPv4Address"].partition("/")[0] for end in ends}


def said(engine: ImageEngine, handle: Handle, *targets: str) -> list[str]:
    output = engine.exec(handle, ("python3", "-c", TRY, *targets), timeout=60)[1]
    return [line.partition(" ")[0] for line in output.splitlines()]


@pytest.fixture
def left(watched: Pair) -> Iterator[list[Handle]]:
    """What a test launches, stopped in the end."""
    handles: list[Handle] = []
    yield handles
    for handle in handles:
        watched[0].stop(handle, 0)


@pytest.fixture
def called(watched: Pair) -> dict[str, str]:
    """What the networks are called in a test: those of other engines on this daemon are called as usual."""
    names = {DATABASE: name("database"), PROXY: name("proxy")}
    watched[0].call_networks(names)
    return names


@contextlib.contextmanager
def container(daemon: DockerDaemon, called: str, network: str, *command: str) -> Iterator[str]:
    """One of the operator's own."""
    api = daemon.client().api
    given = {"Image": BUSYBOX, "HostConfig": {"NetworkMode": network}, "Cmd": command}
    made = api.create_container_from_config(given, called)["Id"]
    try:
        api.start(made)
        yield made
    finally:
        api.remove_container(made, force=True)


def apart(engine: ImageEngine) -> None:
    if engine.starter.egress.impossible(True) or not meeting.asks_firewall():
        pytest.skip("no rules can be made here")


def test_apps_reach_the_service_they_have_as_a_peer_and_not_each_other(
    docker_daemon: DockerDaemon, watched: Pair, left: list[Handle], called: dict[str, str]
) -> None:
    engine, watching = watched
    apart(engine)
    api = docker_daemon.client().api
    watching.stop()
    api.remove_network(called[DATABASE])
    watching.start()
    until(lambda: called[DATABASE] in networks(docker_daemon), "the network, which the watcher makes")
    assert networks(docker_daemon)[called[DATABASE]]["Labels"][PURPOSE] == DATABASE
    watching.stop()  # what holds from here holds before it looks
    service = engine.launch(echo_server(pod=SERVICES, name="main"))
    left.append(service)
    until(lambda: engine.probe(service) is None, "the service")
    peers = (Peer("main", 8080, SERVICES),)
    ours, theirs = (engine.launch(echo_server(pod=name("pod"), peers=peers)) for _ in range(2))
    stranger = engine.launch(echo_server(pod=name("pod")))
    left += [ours, theirs, stranger]
    for handle in left:
        until(lambda handle=handle: engine.probe(handle) is None, "the server")  # type: ignore[misc]
    there = inside(docker_daemon, called[DATABASE])
    assert set(there) == {handle["id"] for handle in (service, ours, theirs)}
    host = f"{engine.peer_host(SERVICES, 'main')}:8080"
    own, other = (f"{there[handle['id']]}:8080" for handle in (service, theirs))
    assert said(engine, ours, host, own, other) == ["reached", "reached", "not"]
    assert said(engine, theirs, host) == ["reached"]
    assert said(engine, stranger, host, own, other) == ["not"] * 3
    assert said(engine, service, other) == ["not"], "it is asked, and asks nobody"
    _, lines = run(engine, shell("", pod=name("pod"), peers=peers, command=("python3", "-c", TRY, host, other)))
    assert [line.partition(" ")[0] for line in lines] == ["reached", "not"], "what runs before an app, too"

    # Ended and started again, each with whatever address it then gets.
    for handle in (service, ours):
        api.kill(f"brainpod-{handle['id']}")
    watching.start()  # what ended before it looks is started at once
    until(lambda: engine.probe(service) is None and engine.probe(ours) is None, "both again")
    until(lambda: said(engine, ours, host) == ["reached"], "the service again")
    other = f"{inside(docker_daemon, called[DATABASE])[theirs['id']]}:8080"
    assert said(engine, ours, other) == ["not"]

    # Somebody removes the network while nothing of it runs: what cannot start again is made anew by its owner.
    watching.stop()
    for handle in (service, ours, theirs):
        api.stop(f"brainpod-{handle['id']}", timeout=0)
    api.remove_network(called[DATABASE])
    watching.start()
    until(lambda: all(engine.status(one).state is State.GONE for one in (service, ours, theirs)), "them to be given up")
    assert engine.status(stranger).state is State.RUNNING


def test_networks_that_are_there_are_used_and_stay(
    docker_daemon: DockerDaemon, watched: Pair, left: list[Handle], called: dict[str, str]
) -> None:
    """Called otherwise while something runs: that is in the new one as well. What was not made here stays."""
    engine, _ = watched
    apart(engine)
    api = docker_daemon.client().api
    own, meetings = name("data"), engine.starter.meetings
    api.create_network(own, driver="bridge")
    peers = (Peer("main", 8080, SERVICES),)
    try:
        service, app = (
            engine.launch(spec)
            for spec in (echo_server(pod=SERVICES, name="main"), echo_server(pod=name("pod"), peers=peers))
        )
        left += [service, app]
        engine.call_networks(called | {DATABASE: own})
        workloads = {handle["id"] for handle in left}
        meetings.gather()  # as the watcher does
        engine.starter.guard()
        assert set(inside(docker_daemon, own)) == workloads
        until(lambda: engine.probe(service) is None, "the service")
        assert said(engine, app, f"{engine.peer_host(SERVICES, 'main')}:8080") == ["reached"]
        (shown, proxy) = engine.shared_networks()
        assert (shown.name, shown.made, shown.members, shown.apps) == (own, False, ("main.infrastructure",), 1)
        assert (proxy.name, proxy.problem) == (called[PROXY], "")
        assert INSTANCE not in (networks(docker_daemon)[own]["Labels"] or {})
        docker_daemon.client().api.stop(f"brainpod-{app['id']}", timeout=0)
        engine.stop(service, 0)
        meetings.sweep()
        assert called[DATABASE] in networks(docker_daemon), "what will be started again is in it"
        engine.stop(app, 0)
        meetings.sweep()
        assert called[DATABASE] not in networks(docker_daemon), "made here, called otherwise, empty"
        engine.call_networks(called)
        meetings.sweep()
        assert own in networks(docker_daemon)
        assert called[PROXY] in networks(docker_daemon)
    finally:
        while left:
            engine.stop(left.pop(), 0)
        api.remove_network(own)


def test_a_proxy_in_its_network_reaches_apps_and_is_not_reached(
    docker_daemon: DockerDaemon, watched: Pair, left: list[Handle], called: dict[str, str]
) -> None:
    engine, watching = watched
    apart(engine)
    pods = [name("pod") for _ in range(3)]
    specs = [echo_server(pod=pod, env={"BRAINPOD_APP": "web"}) for pod in pods]
    left += [engine.launch(spec) for spec in specs[:2]]
    assert not inside(docker_daemon, called[PROXY]), "while nobody is there that they are for"
    nginx = name("nginx")
    with container(docker_daemon, nginx, called[PROXY], "httpd", "-f", "-p", "80") as proxy:
        left.append(engine.launch(specs[2]))
        assert specs[2].id in inside(docker_daemon, called[PROXY]), "at once"
        watching.stop()
        watching.start()  # it looks at once, else every ten seconds
        until(lambda: len(inside(docker_daemon, called[PROXY])) == 4, "those that ran before, by the watcher")
        for handle in left:
            until(lambda handle=handle: engine.probe(handle) is None, "the server")  # type: ignore[misc]
        api = docker_daemon.client().api
        for pod in pods:
            command = f"nc -w 5 web.{pod} 8080 </dev/null && echo reached"
            asked = api.exec_create(proxy, ["sh", "-c", command])["Id"]
            assert b"reached" in api.exec_start(asked)
        there = inside(docker_daemon, called[PROXY])
        others = [f"{there[nginx]}:80", f"{there[specs[1].id]}:8080", f"web.{pods[1]}:8080"]
        assert said(engine, left[0], *others) == ["not"] * 3


def test_a_service_that_an_earlier_version_started_is_joined_as_it_runs(
    docker_daemon: DockerDaemon, watched: Pair, left: list[Handle], called: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    engine, watching = watched
    watching.stop()
    monkeypatch.setattr(meeting, "meets", lambda spec: ())
    monkeypatch.setattr(start, "meets", lambda spec: ())
    left.append(engine.launch(echo_server(pod=SERVICES, name="main")))
    assert not inside(docker_daemon, called[DATABASE])
    assert engine.starter.meetings.gather()
    network = docker_daemon.client().api.inspect_container(f"brainpod-{left[0]['id']}")["NetworkSettings"]["Networks"]
    assert engine.peer_host(SERVICES, "main") in network[called[DATABASE]]["Aliases"]
    assert not engine.starter.meetings.gather(), "it is there"


def test_what_pods_cannot_share_is_refused(
    docker_daemon: DockerDaemon,
    watched: Pair,
    left: list[Handle],
    called: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, _ = watched
    api = docker_daemon.client().api
    wide, spec = name("wide"), echo_server(pod=name("pod"), peers=(Peer("main", 8080, SERVICES),))
    api.create_network(wide, driver="bridge", options={"com.docker.network.bridge.enable_icc": "false"})
    try:
        for wrong, words in ((wide, "enable_icc"), ("host", "Docker's own")):
            with pytest.raises(PlatformError, match=words) as caught:
                engine.call_networks(called | {DATABASE: wrong})
            assert caught.value.code == "network_unfit"
            assert "default_database_network" in caught.value.hint
            assert words in engine.shared_networks()[0].problem
        with pytest.raises(PlatformError) as caught:
            engine.launch(spec)
        assert caught.value.code in ("network_unfit", "network_open")
        left.append(engine.launch(echo_server(pod=SERVICES, name="main")))  # the platform itself goes on using it
    finally:
        engine.stop({"id": spec.id}, 0)
        api.remove_network(wide)
    engine.call_networks(called)
    monkeypatch.setattr(meeting, "asks_firewall", lambda: False)
    again = replace(spec, id=f"{spec.id}-2")
    with pytest.raises(PlatformError, match="br_netfilter") as caught:
        engine.launch(again)
    assert caught.value.code == "network_open"
    engine.stop({"id": again.id}, 0)
