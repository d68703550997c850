"""Who reaches whom."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from pathlib import Path

import pytest
from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool

from apps.core.errors import PlatformError
from apps.engines.base import Handle
from apps.engines.docker import networks
from apps.engines.docker.egress import nameservers
from apps.engines.docker.names import OWN, POD
from apps.engines.docker.networks import subnets
from tests.engines.workloads import echo_server, echoes, name, run, running, shell, shy_server, until, worker
from tests.stack.docker import BUSYBOX, DockerDaemon
from tests.stack.docker_engine import ImageEngine, Watching

TRY = """
import socket, sys
for target in sys.argv[1:]:
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 3).close()
        print("reached", target)
    except OSError as error:
        print("not", target)
"""


def tried(engine: ImageEngine, pod: str, *targets: str) -> list[str]:
    _, lines = run(engine, shell("", pod=pod, command=("python3", "-c", TRY, *targets)))
    return [line.partition(" ")[0] for line in lines]


def address(daemon: DockerDaemon, handle: Handle) -> str:
    """Its own address, which Docker gives it in its pod's network."""
    found = daemon.client().api.inspect_container(f"brainpod-{handle['id']}")
    (network,) = found["NetworkSettings"]["Networks"].values()
    return f"{network['IPAddress']}:8080"


def test_apps_of_a_pod_see_each_other_by_name_and_nobody_else(
    docker_daemon: DockerDaemon, docker_engine: ImageEngine
) -> None:
    pod, other = name("pod"), name("pod")
    handle = docker_engine.launch(echo_server(pod=pod, env={"BRAINPOD_APP": "api"}))
    until(lambda: docker_engine.probe(handle) is None, "the server")
    inside = address(docker_daemon, handle)
    assert tried(docker_engine, pod, "api:8080", inside) == ["reached", "reached"]
    assert tried(docker_engine, other, "api:8080", inside) == ["not", "not"]
    docker_engine.stop(handle, 0)


def test_neither_this_machine_nor_private_addresses_are_reached(
    docker_daemon: DockerDaemon, docker_engine: ImageEngine
) -> None:
    if any("reach this machine" in note for note in docker_engine.check().notes):
        pytest.skip("no rules can be made here")
    reached = threading.Event()
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]

        def accept() -> None:
            listener.settimeout(60)
            try:
                listener.accept()
            except OSError:
                return
            reached.set()

        threading.Thread(target=accept, daemon=True).start()
        pod = name("pod")
        handle = docker_engine.launch(worker("exec sleep 600", pod=pod))
        running(docker_engine, handle)
        (found,) = docker_daemon.client().api.networks(names=[f"brainpod-{pod}"])
        (subnet,) = subnets(found)
        own = [f"{subnet.network_address + 1}:{port}", f"172.17.0.1:{port}"]
        targets = [*own, "169.254.169.254:80", "10.0.0.1:80"]
        assert tried(docker_engine, pod, *targets) == ["not"] * 4
        assert not reached.is_set()
        docker_engine.stop(handle, 0)


def test_an_app_is_reached_at_its_own_address_and_keeps_it(
    docker_daemon: DockerDaemon, docker_engine: ImageEngine
) -> None:
    spec = echo_server()
    handle = docker_engine.launch(spec)
    until(lambda: docker_engine.probe(handle) is None and echoes(handle), "the server")
    assert handle["address"] == address(docker_daemon, handle)
    api = docker_daemon.client().api
    for _ in range(2):
        api.stop(f"brainpod-{handle['id']}", timeout=0)
        other = docker_engine.launch(echo_server())  # takes no address that another one has and does not use
        api.start(f"brainpod-{handle['id']}")
        until(lambda: docker_engine.probe(handle) is None and echoes(handle), "the server again")
        assert docker_engine.launch(spec) == handle
        docker_engine.stop(other, 0)
    docker_engine.stop(handle, 0)


def test_runs_take_no_address_that_an_instance_keeps(docker_engine: ImageEngine) -> None:
    pod = name("pod")
    handle = docker_engine.launch(worker("exec sleep 600", pod=pod))
    running(docker_engine, handle)
    (found,) = docker_engine.daemon.api.networks(names=[f"brainpod-{pod}"])
    handed_out = ipaddress.ip_network(found["IPAM"]["Config"][0]["IPRange"])
    _, lines = run(docker_engine, shell("ip -4 -o addr show eth0", pod=pod))
    own = ipaddress.ip_interface(lines[0].split()[3]).ip
    assert own in handed_out
    kept = docker_engine.daemon.api.inspect_container(f"brainpod-{handle['id']}")["Config"]["Labels"][OWN]
    assert ipaddress.ip_address(kept) not in handed_out
    docker_engine.stop(handle, 0)


def test_a_pod_has_room_for_so_many(docker_engine: ImageEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "PREFIX", 28)
    monkeypatch.setattr(networks, "RUNS", 29)
    pod = name("pod")
    handles = [docker_engine.launch(worker("exec sleep 600", pod=pod)) for _ in range(6)]
    with pytest.raises(PlatformError) as caught:
        docker_engine.launch(worker("exec sleep 600", pod=pod))
    assert caught.value.code == "networks_full"
    docker_engine.stop(handles.pop(), 0)
    handles.append(docker_engine.launch(worker("exec sleep 600", pod=pod)))
    for handle in handles:
        docker_engine.stop(handle, 0)


def test_a_network_that_was_made_before_addresses_were_kept_still_serves(docker_engine: ImageEngine) -> None:
    pod = name("pod")
    names, api = docker_engine.names, docker_engine.daemon.api
    options = {"com.docker.network.bridge.name": names.bridge(pod)}
    taken = networks.routes()  # a killed daemon leaves its bridges
    free = next(part for part in networks.RANGE.subnets(new_prefix=26) if not any(map(part.overlaps, taken)))
    pool = IPAMConfig(pool_configs=[IPAMPool(subnet=str(free))])
    api.create_network(
        names.network(pod), driver="bridge", options=options, ipam=pool, labels={**names.labels, POD: pod}
    )
    docker_engine.starter.guard()
    handle = docker_engine.launch(echo_server(pod=pod))
    until(lambda: docker_engine.probe(handle) is None and echoes(handle), "the server")
    docker_engine.stop(handle, 0)


def test_what_this_machine_is_not_in_is_published_on_loopback(
    docker_engine: ImageEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As with a daemon on another machine, in a virtual one, or one without root: its bridges are not here."""
    monkeypatch.setattr(networks, "DEVICES", tmp_path)
    handle = docker_engine.launch(echo_server())
    until(lambda: docker_engine.probe(handle) is None, "the server")
    host, _, port = handle["address"].rpartition(":")
    assert host == "127.0.0.1"
    own = socket.gethostbyname(socket.gethostname())
    if not own.startswith("127."):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((own, int(port)), 5).close()
    docker_engine.daemon.api.restart(f"brainpod-{handle['id']}", timeout=0)
    until(lambda: docker_engine.probe(handle) is None and echoes(handle), "the server again")
    docker_engine.stop(handle, 0)


def test_one_that_listens_on_its_own_loopback_is_told(docker_engine: ImageEngine) -> None:
    handle = docker_engine.launch(echo_server(env={"HOST": "127.0.0.1"}))
    until(lambda: "127.0.0.1:8080 only" in (docker_engine.probe(handle) or ""), "the words")
    docker_engine.stop(handle, 0)


def test_connections_are_counted(docker_engine: ImageEngine) -> None:
    handle = docker_engine.launch(echo_server())
    until(lambda: docker_engine.probe(handle) is None, "the server")
    assert docker_engine.connections(handle) == 0
    host, _, port = handle["address"].rpartition(":")
    with socket.create_connection((host, int(port)), 30) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert docker_engine.connections(handle) == 1
    until(lambda: docker_engine.connections(handle) == 0, "its end")
    docker_engine.stop(handle, 0)


def test_connections_that_were_not_let_in_yet_are_counted(docker_engine: ImageEngine) -> None:
    """The kernel drops who asks while too many wait, and lets it ask again after 1, 3, 7 s: it is on its way."""
    handle = docker_engine.launch(shy_server())
    until(lambda: docker_engine.probe(handle) is None, "the server")
    host, _, port = handle["address"].rpartition(":")
    with contextlib.ExitStack() as held:
        for number in range(1, 5):
            asking = held.enter_context(socket.socket())
            asking.setblocking(False)
            asking.connect_ex((host, int(port)))
            until(lambda number=number: docker_engine.connections(handle) == number, f"{number} to be known")  # type: ignore[misc]
    docker_engine.stop(handle, 0)


def test_shared_networks_are_joined(docker_daemon: DockerDaemon, docker_engine: ImageEngine) -> None:
    api = docker_daemon.client().api
    shared = api.create_network(name("database"), driver="bridge")["Id"]
    own = docker_engine.starter.meetings
    own.joined = (shared,)
    try:
        handle = docker_engine.launch(worker("exec sleep 600"))
        found = api.inspect_container(f"brainpod-{handle['id']}")["NetworkSettings"]["Networks"]
        assert len(found) == 2
        docker_engine.stop(handle, 0)
        own.joined = ("database",)  # one of the platform's own, which is made if somebody removed it
        with contextlib.suppress(NotFound):
            api.remove_network("database")
        handle = docker_engine.launch(worker("exec sleep 600"))
        found = api.inspect_container(f"brainpod-{handle['id']}")["NetworkSettings"]["Networks"]
        assert "database" in found
        docker_engine.stop(handle, 0)
    finally:
        own.joined = ()
        api.remove_network(shared)


def test_a_network_that_somebody_removed_is_made_for_whoever_starts(
    docker_daemon: DockerDaemon, watched: tuple[ImageEngine, Watching]
) -> None:
    """Though nothing watches the daemon just then: Docker connects what does not run yet to any name."""
    engine, watching = watched
    watching.stop()
    api = docker_daemon.client().api
    with contextlib.suppress(NotFound):
        api.remove_network("database")
    engine.starter.meetings.joined = ("database",)
    handle = engine.launch(worker("exec sleep 600"))
    found = api.inspect_container(f"brainpod-{handle['id']}")["NetworkSettings"]["Networks"]
    assert found["database"]["NetworkID"] == api.inspect_network("database")["Id"]
    engine.stop(handle, 0)
    engine.starter.meetings.joined = (missing := name("nowhere"),)
    with pytest.raises(PlatformError, match=f"Docker has no network {missing}"):
        engine.launch(worker("exec sleep 600"))


def test_apps_that_meet_in_a_shared_network_see_its_services_and_not_each_other(
    docker_daemon: DockerDaemon, watched: tuple[ImageEngine, Watching]
) -> None:
    engine, watching = watched
    if engine.starter.egress.impossible(True):
        pytest.skip("no rules can be made here")
    watching.stop()  # it knows of no shared network
    api = docker_daemon.client().api
    shared = name("database")
    api.create_network(shared, driver="bridge")
    engine.starter.meetings.joined = (shared,)
    assert not [note for note in engine.check().notes if "see each other" in note]
    given = {"Image": BUSYBOX, "HostConfig": {"NetworkMode": shared}, "Cmd": ["httpd", "-f", "-p", "5432"]}
    service = api.create_container_from_config(given, shared)["Id"]
    handles: list[Handle] = []
    try:
        api.start(service)
        handles = [engine.launch(echo_server(pod=name("pod"))) for _ in range(2)]
        engine.starter.guard()  # as the watcher does when who is in the network has changed
        for handle in handles:
            until(lambda handle=handle: engine.probe(handle) is None, "the server")  # type: ignore[misc]
        ends = api.inspect_network(shared)["Containers"].values()
        inside = {end["Name"]: end["IPv4Address"].partition("/")[0] for end in ends}
        one, other = (inside[f"brainpod-{handle['id']}"] for handle in handles)
        targets = (f"{shared}:5432", f"{inside[shared]}:5432", f"{other}:8080", f"brainpod-{handles[1]['id']}:8080")
        said = engine.exec(handles[0], ("python3", "-c", TRY, *targets), timeout=60)[1]
        assert [line.partition(" ")[0] for line in said.splitlines()] == ["reached", "reached", "not", "not"]
        command = f"wget -T 5 -q -O- http://{one}:8080/ || true; nc -w 5 {one} 8080 </dev/null && echo reached"
        asked = api.exec_create(service, ["sh", "-c", command])["Id"]
        assert b"reached" in api.exec_start(asked), "what serves them, as a proxy does, reaches them"
    finally:
        for handle in handles:
            engine.stop(handle, 0)
        api.remove_container(service, force=True)
        api.remove_network(shared)


def test_nameservers_of_this_machine_are_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "resolv.conf"
    path.write_text("search x\nnameserver 10.0.0.2\nnameserver 127.0.0.53\nnameserver ::1\nnameserver odd\n")
    assert nameservers(path) == ["10.0.0.2"]
