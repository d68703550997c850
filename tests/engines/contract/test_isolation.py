"""What a sandbox keeps a workload from, and secrets from everybody."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from apps.engines.base import Engine
from tests.engines.workloads import name, run, running, shell, worker


def test_it_sees_no_process_of_the_host(sandboxed: Engine) -> None:
    _, lines = run(sandboxed, shell("for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done"))
    assert not any("pytest" in line or "process.agent" in line for line in lines)
    _, (count,) = run(sandboxed, shell("ls -d /proc/[0-9]* | wc -l"))
    assert int(count) < 10


def test_it_sees_nothing_of_the_platform_or_the_host(sandboxed: Engine, tmp_path: Path, on_docker: bool) -> None:
    (tmp_path / "secret").write_text("x")
    paths = [str(tmp_path), str(Path(__file__).parents[3]), "/root/.ssh", "/home", "/etc/shadow", "/var/log"]
    paths += [] if on_docker else ["/sys"]  # Docker shows a part of it, read-only
    look = 'for p in "$@"; do [ -e "$p" ] && echo "$p"; done; ls /tmp; id -u'
    _, lines = run(sandboxed, shell("", command=("sh", "-c", look, "sh", *paths)))
    assert lines[:-1] == []
    assert lines[-1] != "0"


@pytest.mark.no_docker("containers have no proxy but rules: tests/engines/docker/test_network.py")
def test_it_cannot_reach_this_host_or_a_private_address(sandboxed: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        reached = threading.Event()

        def accept() -> None:
            listener.settimeout(60)
            try:
                listener.accept()
            except OSError:
                return
            reached.set()

        threading.Thread(target=accept, daemon=True).start()
        code = f"""
import os, socket, urllib.request
for address in ("127.0.0.1", "localhost"):
    try:
        socket.create_connection((address, {port}), 3); print("direct", address)
    except OSError: pass
os.environ.pop("no_proxy"); os.environ.pop("NO_PROXY")
hosts = ["169.254.169.254", "10.0.0.1"]
for name in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"):
    hosts.append(name + ":{port}")
for host in hosts:
    try:
        print(host, urllib.request.urlopen("http://" + host, timeout=20).status)
    except urllib.error.HTTPError as error: print(host, error.code)
"""
        finished, lines = run(sandboxed, shell("", command=("python3", "-c", code)))
        assert finished.exit_code == 0, lines
        assert len(lines) == 8
        assert all(line.endswith(" 403") for line in lines), lines
        assert not reached.is_set()


def test_without_network_there_is_no_way_out(sandboxed: Engine) -> None:
    _, lines = run(sandboxed, shell("env | grep -ci proxy; cat /proc/net/dev | grep -c :", network=False))
    assert lines[0] == "0"


def test_it_gains_no_rights(sandboxed: Engine) -> None:
    _, lines = run(
        sandboxed,
        shell(
            "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; unshare -U true && echo namespace; echo x > /x"
        ),
    )
    assert [line.split()[1] for line in lines[:3]] == ["0000000000000000", "0000000000000000", "1"]
    assert "namespace" not in lines


@pytest.mark.no_docker("who runs is the image's to say; there pods are kept apart by their containers")
def test_two_pods_do_not_share_a_user_where_root_runs_them(sandboxed: Engine) -> None:
    (one,) = run(sandboxed, shell("id -u", pod="pod-one"))[1]
    (two,) = run(sandboxed, shell("id -u", pod="pod-two"))[1]
    assert one == run(sandboxed, shell("id -u", pod="pod-one"))[1][0]
    assert (one != two) == (os.getuid() == 0)


def test_values_are_in_no_argument_list_and_no_file(sandboxed: Engine, state_of_engine: Path) -> None:
    secret = name("planted")
    handle = sandboxed.launch(worker("exec sleep 600", env={"TOKEN": secret}, files={"/srv/token": secret.encode()}))
    running(sandboxed, handle)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                assert secret.encode() not in (entry / "cmdline").read_bytes()
            except OSError:
                continue
    files = [path for path in state_of_engine.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert sandboxed.exec(handle, ("cat", "/srv/token")) == (0, secret)
    sandboxed.stop(handle, 0)
