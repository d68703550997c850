"""Real Nomad agents, where a `nomad` is on PATH; and the engine on them."""

from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from apps.core.errors import PlatformError
from apps.engines.base import Finished, Handle, LaunchSpec, RunSpec
from apps.engines.nomad.client import NomadEngine
from apps.engines.nomad.cluster import Cluster
from apps.engines.process.namespaces import die_with_parent
from tests.stack.docker import DockerDaemon
from tests.stack.docker_engine import fill_with_python, on_image

PATIENCE = 120.0  # seconds until an agent is ready
OUTSIDE = "env_aws,env_azure,env_digitalocean,env_gce,vault"  # what would ask others than this machine
SERVER = {"enabled": True, "bootstrap_expect": 1, "raft_multiplier": 1}
OPTIONS = {"driver.allowlist": "raw_exec,exec,docker", "fingerprint.denylist": f"{OUTSIDE},consul"}
NODE = {
    "enabled": True,
    "network_interface": "lo",
    "cpu_total_compute": 200_000,
    "memory_total_mb": 200_000,
    "gc_disk_usage_threshold": 99,
    "gc_inode_usage_threshold": 99,
    "gc_max_allocs": 1000,
    "options": OPTIONS,
}
RANGES = iter(range(20_000, 32_000, 1_500))  # of ports, one for each node of this machine: none has another's


class NomadAgent:
    """One agent with a data directory and loopback ports of its own, ended and started again at will.

    `server` and `client` are those parts of its configuration, absent for an agent that is not one; `rest` is more
    of it. `driver`: the configuration of plugins.
    """

    def __init__(
        self,
        place: Path,
        *,
        server: Mapping[str, Any] | None = None,
        client: Mapping[str, Any] | None = None,
        driver: Mapping[str, Any] | None = None,
        **rest: Any,
    ) -> None:
        self.place = place
        place.mkdir(parents=True, exist_ok=True)
        self.http, self.rpc, serf = free_ports(3)
        self.secure = "tls" in rest
        self.child: subprocess.Popen[bytes] | None = None
        config: dict[str, Any] = {
            "name": place.name,
            "data_dir": str(place / "data"),
            "bind_addr": "127.0.0.1",
            "advertise": {"http": "127.0.0.1", "rpc": f"127.0.0.1:{self.rpc}", "serf": f"127.0.0.1:{serf}"},
            "ports": {"http": self.http, "rpc": self.rpc, "serf": serf},
            "disable_update_check": True,
            "log_level": "DEBUG",
            "leave_on_terminate": False,
            "plugin": {"raw_exec": {"config": {"enabled": True}}, **(driver or {})},
            **rest,
        }
        if server is not None:
            config["server"] = {**SERVER, **server}
        if client is not None:
            first = next(RANGES)
            ports = {"min_dynamic_port": first, "max_dynamic_port": first + 1_499}
            config["client"] = {**NODE, "servers": [f"127.0.0.1:{self.rpc}"], **ports, **client}
        (place / "agent.json").write_text(json.dumps(config))

    @property
    def address(self) -> str:
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{self.http}"

    def start(self) -> None:
        with (self.place / "agent.log").open("ab") as log:
            self.child = subprocess.Popen(
                ["nomad", "agent", f"-config={self.place / 'agent.json'}"],
                stdout=log, stderr=log, start_new_session=True,
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),
            )  # fmt: skip

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.child is not None:
            self.child.send_signal(how)
            try:
                self.child.wait(60)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait(60)
            self.child = None

    def wait(self, ready: Callable[[], object], what: str = "an agent") -> None:
        """Until `ready`, which may raise as long as nothing answers."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if ready():
                    return
            except (PlatformError, OSError):
                pass
            if time.monotonic() > deadline or (self.child and self.child.poll() is not None):
                pytest.fail(f"no {what}:\n{(self.place / 'agent.log').read_text(errors='replace')[-4000:]}")
            time.sleep(0.2)

    def remove(self) -> None:
        """Ended, and nothing is left of it."""
        self.stop()
        _unmount(self.place)
        shutil.rmtree(self.place, ignore_errors=True)


class Trees:
    """What the platform does for nodes: any directory of this machine as a .tar.gz, by its path."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                root = unquote(self.path).removesuffix("/tree.tar.gz")
                with gzip.open(self.wfile, "wb") as packed, tarfile.open(fileobj=packed, mode="w|") as archive:
                    archive.add(root, ".")

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{quote(path)}/tree.tar.gz"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def place_for_nomad() -> Path:
    """A directory of its own, or a skip where there is no Nomad."""
    if shutil.which("nomad") is None:
        pytest.skip("there is no nomad on PATH")
    return Path(tempfile.mkdtemp(prefix="bp-n-", dir="/tmp"))


@contextmanager
def nomad_running(**fields: Any) -> Iterator[tuple[NomadEngine, NomadAgent]]:
    """An agent, server and node in one, and an engine (raw_exec) on it; nothing is left of them.

    `fields`: of the Cluster; `plugins`: the configuration of drivers; `inside`: what a chroot has, by where it is here;
    `consul`: the address of the one that the agent is to use.
    """
    place = place_for_nomad()
    plugins, chroot, consul = fields.pop("plugins", None), fields.pop("inside", {}), fields.pop("consul", "")
    client: dict[str, Any] = {"chroot_env": dict(chroot)} if chroot else {}
    rest = {"consul": {"address": consul}} if consul else {}
    if consul:
        client["options"] = {**OPTIONS, "fingerprint.denylist": OUTSIDE}
    agent = NomadAgent(place / "test", server={}, client=client, driver=plugins, **rest)
    try:
        agent.start()
        kind = fields.pop("kind", NomadEngine)
        with engine_of(Cluster(agent.address, **{"driver": "raw_exec"} | fields), place, kind) as engine:
            agent.wait(lambda: engine.check().hosts, "node")
            yield engine, agent
    finally:
        agent.remove()
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def engine_of(cluster: Cluster, place: Path, kind: type[NomadEngine] = NomadEngine) -> Iterator[NomadEngine]:
    """An engine whose nodes fetch any directory of this machine. What it runs is stopped in the end."""
    trees = Trees()
    engine = kind(cluster, place / "state", trees.address)
    try:
        yield engine
        for workload in engine.workloads():
            engine.stop({"id": workload}, 0)
    finally:
        trees.close()


def _unmount(place: Path) -> None:
    """The memory in which the agent kept its tasks' secrets."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for path in sorted((path for path in mounted if path.startswith(str(place))), reverse=True):
        subprocess.run(["umount", "-l", path], check=False, capture_output=True)


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@pytest.fixture(scope="session")
def nomad_engine() -> Iterator[NomadEngine]:
    with nomad_running() as (engine, _):
        yield engine


class ImageNomad(NomadEngine):
    """For specs written for any engine: their image is the one with Python, where `HOST` says what is reached."""

    def launch(self, spec: LaunchSpec) -> Handle:
        return super().launch(on_image(spec))

    def run_once(self, spec: RunSpec, **given: Any) -> Finished:
        return super().run_once(on_image(spec), **given)


@pytest.fixture(scope="session")
def nomad_docker_engine(docker_daemon: DockerDaemon, python_image: str) -> Iterator[NomadEngine]:
    """The driver docker on the tests' own daemon, which has the image already."""
    with nomad_running(
        driver="docker", plugins=docker_plugin(docker_daemon), kind=ImageNomad, open_files=most_files()
    ) as (engine, _):
        yield engine


@pytest.fixture(scope="session")
def nomad_exec_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NomadEngine]:
    """The driver exec: each task in a chroot with Python and busybox, with namespaces and cgroups of its own."""
    if os.geteuid() != 0 or shutil.which("busybox") is None:
        pytest.skip("the driver exec needs root, and its chroot here a busybox")
    inside = tmp_path_factory.mktemp("inside")
    with tempfile.TemporaryFile() as held:
        with tarfile.open(fileobj=held, mode="w") as archive:
            fill_with_python(archive)
        held.seek(0)
        with tarfile.open(fileobj=held) as archive:
            archive.extractall(inside, filter="fully_trusted")
    _show_python(inside)
    # Nomad makes these itself.
    kept = {str(path): f"/{path.name}" for path in inside.iterdir() if path.name not in ("app", "tmp")}
    with nomad_running(driver="exec", inside=kept) as (engine, _):
        if not engine.check().hosts:
            pytest.skip("this machine has no cgroups for the driver exec")
        yield engine


def _show_python(inside: Path) -> None:
    """Nomad gives a chroot's directories the modes of this machine's: a Python in /root would be root's alone."""
    prefix = inside / sys.base_prefix.lstrip("/")
    if not sys.base_prefix.startswith("/root/"):
        return
    (inside / "opt").mkdir()
    prefix.rename(inside / "opt" / "python")
    shutil.rmtree(inside / "root")
    program = Path(os.path.realpath(sys.executable)).name
    named = inside / "bin" / "python3"
    named.unlink()
    at = "/opt/python"
    named.write_text(f'#!/bin/sh\nexport PYTHONHOME={at} LD_LIBRARY_PATH={at}/lib\nexec {at}/bin/{program} "$@"\n')
    named.chmod(0o755)


def docker_plugin(daemon: DockerDaemon) -> dict[str, Any]:
    """Nomad's plugin on that daemon. Images are the daemon's own and stay there."""
    return {"docker": {"config": {"endpoint": daemon.host, "gc": {"image": False}, "volumes": {"enabled": True}}}}


def most_files() -> int:
    """What this machine may give."""
    return min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
