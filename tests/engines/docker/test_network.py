"""Who reaches whom."""

from __future__ import annotations

import socket
import threading

import pytest

from apps.engines.base import Handle
from apps.engines.docker.egress import nameservers
from apps.engines.docker.networks import subnets
from tests.engines.workloads import echo_server, echoes, name, run, running, shell, until, worker
from tests.stack.docker import DockerDaemon
from tests.stack.docker_engine import ImageEngine

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


def test_an_app_is_published_on_loopback_only_and_keeps_its_address(docker_engine: ImageEngine) -> None:
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


def test_shared_networks_are_joined(docker_daemon: DockerDaemon, docker_engine: ImageEngine) -> None:
    api = docker_daemon.client().api
    shared = api.create_network(name("database"), driver="bridge")["Id"]
    networks = docker_engine.starter.networks
    networks.shared = (shared,)
    try:
        handle = docker_engine.launch(worker("exec sleep 600"))
        found = api.inspect_container(f"brainpod-{handle['id']}")["NetworkSettings"]["Networks"]
        assert len(found) == 2
        docker_engine.stop(handle, 0)
    finally:
        networks.shared = ()
        api.remove_network(shared)


def test_nameservers_of_this_machine_are_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "resolv.conf"
    path.write_text("search x\nnameserver 10.0.0.2\nnameserver 127.0.0.53\nnameserver ::1\nnameserver odd\n")
    assert nameservers(path) == ["10.0.0.2"]
