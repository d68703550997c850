"""A real Nomad agent, server and client in one, where a `nomad` is on PATH; and the engine on it."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from apps.core.errors import PlatformError
from apps.engines.nomad.client import NomadEngine
from apps.engines.nomad.cluster import Cluster
from apps.engines.process.namespaces import die_with_parent

PATIENCE = 120.0  # seconds until an agent is ready
OUTSIDE = "env_aws,env_azure,env_digitalocean,env_gce,consul,vault"  # what would ask others than this machine


class NomadAgent:
    """One agent with a data directory and loopback ports of its own, ended and started again at will."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.http, rpc, serf = free_ports(3)
        self._child: subprocess.Popen[bytes] | None = None
        config = {
            "name": "test",
            "data_dir": str(place / "data"),
            "bind_addr": "127.0.0.1",
            "advertise": {"http": "127.0.0.1", "rpc": f"127.0.0.1:{rpc}", "serf": f"127.0.0.1:{serf}"},
            "ports": {"http": self.http, "rpc": rpc, "serf": serf},
            "disable_update_check": True,
            "log_level": "DEBUG",
            "leave_on_terminate": False,
            "server": {"enabled": True, "bootstrap_expect": 1, "raft_multiplier": 1},
            "client": {
                "enabled": True,
                "network_interface": "lo",
                "servers": [f"127.0.0.1:{rpc}"],
                "cpu_total_compute": 200_000,
                "memory_total_mb": 200_000,
                "gc_disk_usage_threshold": 99,
                "gc_inode_usage_threshold": 99,
                "gc_max_allocs": 1000,
                "options": {"driver.allowlist": "raw_exec,exec", "fingerprint.denylist": OUTSIDE},
            },
            "plugin": {"raw_exec": {"config": {"enabled": True}}},
        }
        (place / "agent.json").write_text(json.dumps(config))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    def start(self) -> None:
        with (self.place / "agent.log").open("ab") as log:
            self._child = subprocess.Popen(
                ["nomad", "agent", f"-config={self.place / 'agent.json'}"],
                stdout=log, stderr=log, start_new_session=True,
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),
            )  # fmt: skip

    def stop(self) -> None:
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(60)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(60)
            self._child = None

    def wait(self, engine: NomadEngine) -> None:
        """Until jobs can be placed."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if engine.check().hosts:
                    return
            except PlatformError:
                pass
            if time.monotonic() > deadline or (self._child and self._child.poll() is not None):
                pytest.fail(f"no Nomad:\n{(self.place / 'agent.log').read_text(errors='replace')[-4000:]}")
            time.sleep(0.2)


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
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{quote(path)}/tree.tar.gz"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def nomad_running() -> Iterator[tuple[NomadEngine, NomadAgent]]:
    """An agent and an engine with raw_exec on it; nothing is left of them."""
    if shutil.which("nomad") is None:
        pytest.skip("there is no nomad on PATH")
    place = Path(tempfile.mkdtemp(prefix="bp-n-", dir="/tmp"))
    trees, agent = Trees(), NomadAgent(place)
    engine = NomadEngine(Cluster(agent.address, driver="raw_exec"), place / "state", trees.address)
    try:
        agent.start()
        agent.wait(engine)
        yield engine, agent
        for workload in engine.workloads():
            engine.stop({"id": workload}, 0)
    finally:
        agent.stop()
        trees.close()
        _unmount(place)
        shutil.rmtree(place, ignore_errors=True)


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
