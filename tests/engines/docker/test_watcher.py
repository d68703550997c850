"""What ended is started again; what was left behind goes; a daemon that went away is not an end."""

from __future__ import annotations

import signal
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from apps.core.errors import Unavailable
from apps.engines.base import LogLine, State
from apps.engines.docker import networks
from apps.engines.docker.client import DockerEngine
from apps.engines.docker.names import INSTANCE, RUN, UNTIL
from apps.engines.docker.watcher import Watcher
from tests.engines.workloads import echo_server, echoes, name, running, texts, until, worker
from tests.stack.docker import BUSYBOX, DockerDaemon
from tests.stack.docker_engine import ImageEngine, Watching

Watched = tuple[ImageEngine, Watching]


def test_what_ended_while_nobody_looked_is_started_when_somebody_does(watched: Watched) -> None:
    engine, watching = watched
    watching.stop(signal.SIGKILL)
    handle = engine.launch(worker("echo life; sleep 1; exit 3"))
    until(lambda: engine.status(handle).state == State.RESTARTING, "its end")
    assert "restarted 0 of 10" in engine.status(handle).reason
    watching.start()
    until(lambda: texts(engine, handle) == ["life", "life"], "its second life")
    until(lambda: engine.status(handle).restarts == 1, "the count")
    (note, *_) = [line for line in engine.logs(handle) if line.stream == "engine"]
    assert note.text.startswith("Exited with code 3; restarted 0 of 10 in this window")
    engine.stop(handle, 0)


def test_apps_run_on_without_any_process_of_the_platform(watched: Watched) -> None:
    engine, watching = watched
    handle = engine.launch(echo_server())
    until(lambda: engine.probe(handle) is None, "the server")
    began = engine.status(handle).since
    watching.stop()
    other = DockerEngine(engine.daemon.host, engine.starter.state)  # as the next platform process
    assert echoes(handle)
    assert other.status(handle).since == began
    assert other.launch(echo_server(id=handle["id"], image=BUSYBOX)) == handle
    other.stop(handle, 0)


def test_what_is_being_stopped_is_not_started_again(watched: Watched) -> None:
    engine, _ = watched
    handle = engine.launch(worker("trap 'sleep 2; exit 0' TERM; echo up; while :; do sleep 0.1; done"))
    until(lambda: texts(engine, handle) == ["up"], "its start")
    thread = threading.Thread(target=engine.stop, args=(handle, 30.0))
    thread.start()
    spec = worker("echo anew; exec sleep 600", id=handle["id"])
    until(lambda: engine.lives.leaving(handle["id"]), "its leaving")
    again = engine.launch(spec)  # waits for the end of the one that leaves
    thread.join(60)
    until(lambda: texts(engine, again) == ["anew"], "the new one")
    engine.stop(again, 0)


def test_leftovers_of_those_who_died_are_removed(watched: Watched, docker_daemon: DockerDaemon) -> None:
    engine, _ = watched
    api = docker_daemon.client().api
    labels = {INSTANCE: engine.names.instance, RUN: name("run")}
    old = api.create_container(BUSYBOX, ["sleep", "600"], labels={**labels, UNTIL: "1000"})["Id"]
    new = api.create_container(BUSYBOX, ["sleep", "600"], labels={**labels, UNTIL: str(int(time.time()) + 600)})["Id"]
    api.start(old)

    def left() -> set[str]:
        return {found["Id"] for found in api.containers(all=True)}

    Watcher(engine).look()
    until(lambda: old not in left(), "its removal, which the watcher beside may have begun")
    assert new in left()
    api.remove_container(new)


def test_files_that_went_with_the_memory_have_it_made_anew(watched: Watched) -> None:
    engine, watching = watched
    watching.stop()
    handle = engine.launch(worker("exit 1", files={"/srv/a": b"x"}))
    until(lambda: engine.status(handle).state == State.RESTARTING, "its end")
    engine.starter.files.forget(handle["id"])  # as a reboot does
    Watcher(engine).look(away=True)
    assert engine.status(handle).state == State.GONE  # the reconciler launches it again


def test_one_whose_address_was_taken_meanwhile_is_made_anew(watched: Watched) -> None:
    engine, watching = watched
    watching.stop()
    spec = replace(echo_server(pod=name("pod")), command=("sh", "-c", "exit 1"))
    handle = engine.launch(spec)
    until(lambda: engine.status(handle).state == State.RESTARTING, "its end")
    api, network = engine.daemon.api, engine.names.network(spec.pod)
    own = handle["address"].partition(":")[0]
    given = {"EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": own}}}}
    thief = {"Image": BUSYBOX, "Cmd": ["sleep", "600"], "HostConfig": {"NetworkMode": network}}
    thief = api.create_container_from_config({**thief, "NetworkingConfig": given})["Id"]
    api.start(thief)
    Watcher(engine).look(away=True)
    assert engine.status(handle).state == State.GONE  # the reconciler launches it again
    assert engine.launch(spec)["address"] != handle["address"]
    engine.stop(handle, 0)
    api.remove_container(thief, force=True)


def test_a_pods_network_goes_some_time_after_its_last_container(watched: Watched) -> None:
    engine, watching = watched
    watching.stop()
    pods = [name("pod") for _ in range(2)]
    handles = [engine.launch(worker("exit 1" if pod == pods[0] else "exec sleep 600", pod=pod)) for pod in pods]
    until(lambda: engine.status(handles[0]).state == State.RESTARTING, "its end")

    def there() -> list[bool]:
        return [bool(engine.daemon.api.networks(names=[engine.names.network(pod)])) for pod in pods]

    watcher = Watcher(engine)
    watcher.sweep(0)
    assert there() == [True, True]
    engine.stop(handles[0], 0)
    watcher.sweep(3600)
    assert there() == [True, True]
    watcher.sweep(0)
    assert there() == [False, True]
    engine.stop(handles[1], 0)


def test_one_whose_port_was_taken_meanwhile_is_made_anew(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(networks, "DEVICES", tmp_path)  # as with a daemon in a virtual machine: ports are published
    engine, watching = watched
    watching.stop()
    spec = replace(echo_server(), command=("sh", "-c", "exit 1"))
    handle = engine.launch(spec)
    until(lambda: engine.status(handle).state == State.RESTARTING, "its end")
    thief = socket.socket()
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with thief:
        until(lambda: bound(thief, handle["address"]), "Docker to let go of the port")
        Watcher(engine).look(away=True)
        assert engine.status(handle).state == State.GONE  # the reconciler launches it again
        assert engine.launch(spec)["address"] != handle["address"]
    engine.stop(handle, 0)


def bound(thief: socket.socket, address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        thief.bind((host, int(port)))
    except OSError:
        return False
    thief.listen()
    return True


def test_a_daemon_that_restarts(watched: Watched, docker_daemon: DockerDaemon) -> None:
    engine, _ = watched
    handle = engine.launch(echo_server())
    until(lambda: engine.probe(handle) is None, "the server")
    stream, failure = engine.stream_logs(), []

    def follow() -> None:
        try:
            for _ in stream:
                pass
        except Unavailable as error:
            failure.append(error)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    docker_daemon.stop()
    status = engine.status(handle)
    assert status.state == State.UNKNOWN
    assert "does not answer" in status.reason
    with pytest.raises(Unavailable):
        engine.workloads()
    thread.join(60)
    assert failure
    docker_daemon.start()
    running(engine, handle)
    until(lambda: engine.probe(handle) is None and echoes(handle), "the server again")
    assert handle["id"] in engine.workloads()
    engine.stop(handle, 0)


def test_lives_shorter_than_a_look_lose_no_line(watched: Watched) -> None:
    engine, watching = watched
    watching.stop()  # the test starts it again itself, faster than the watcher would
    stream, found = engine.stream_logs(), []
    handle = engine.launch(worker("echo life; exit 3"))
    container = f"brainpod-{handle['id']}"

    def collect() -> None:
        for workload, line in stream:
            if workload == handle["id"]:
                found.append(line)
            if len(found) == 13:
                return

    threading.Thread(target=collect, daemon=True).start()
    for _ in range(6):
        engine.daemon.api.wait(container)
        life = engine.lives.load(handle["id"])
        life.note("ended")
        engine.lives.save(handle["id"], life)
        engine.daemon.api.start(container)
    until(lambda: len(found) >= 13, "seven lives and six ends")
    assert [line.stream for line in found] == ["out", "engine"] * 6 + ["out"]
    engine.stop(handle, 0)


def test_the_stream_goes_on_over_a_restart_with_the_engines_words(watched: Watched) -> None:
    engine, _ = watched
    stream = engine.stream_logs()
    handle = engine.launch(worker("echo life; exit 3"))
    found: list[LogLine] = []

    def collect() -> None:
        for workload, line in stream:
            if workload == handle["id"]:
                found.append(line)
            if len(found) == 3:
                return

    threading.Thread(target=collect, daemon=True).start()
    until(lambda: len(found) >= 2, "the end told")
    engine.daemon.api.start(f"brainpod-{handle['id']}")
    until(lambda: len(found) == 3, "its second life")
    assert [line.stream for line in found] == ["out", "engine", "out"]
    assert [line.seq for line in found] == sorted({line.seq for line in found})
    engine.stop(handle, 0)
