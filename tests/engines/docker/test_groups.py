"""What containers use, read from this machine's control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.engines.base import Usage
from apps.engines.docker import groups
from tests.engines.workloads import echo_server, running, until
from tests.stack.docker import DockerDaemon
from tests.stack.docker_engine import ImageEngine

OWN = "docker/0123"
UNIFIED = {
    f"{OWN}/memory.current": "9437184\n",
    f"{OWN}/memory.stat": "anon 5\ninactive_file 1048576\n",
    f"{OWN}/cpu.stat": "usage_usec 1500000\nuser_usec 1\n",
    f"{OWN}/pids.current": "3\n",
}
SEPARATE = {
    f"memory/{OWN}/memory.usage_in_bytes": "9437184\n",
    f"memory/{OWN}/memory.stat": "cache 5\ninactive_file 7\ntotal_inactive_file 1048576\n",
    f"cpuacct/{OWN}/cpuacct.usage": "1500000000\n",
    f"pids/{OWN}/pids.current": "3\n",
}
TOLD = {
    True: f"0::/{OWN}\n",
    False: f"9:name=systemd:/{OWN}\n8:pids:/{OWN}\n4:memory:/{OWN}\n2:cpu,cpuacct:/{OWN}\n0::/\n",
}


@pytest.mark.parametrize("unified", [True, False])
def test_both_versions_are_read(tmp_path: Path, unified: bool) -> None:
    if unified:
        (tmp_path / "cgroup.controllers").touch()
    for name, text in (UNIFIED if unified else SEPARATE).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert groups.usage(TOLD[unified], tmp_path) == Usage(1.5, 8, 3)
    assert groups.usage(TOLD[unified].replace("0123", "4567"), tmp_path) is None, "it has ended"
    assert groups.usage("", tmp_path) is None


def test_it_is_what_the_daemon_says(docker_daemon: DockerDaemon, docker_engine: ImageEngine) -> None:
    handle = docker_engine.launch(echo_server())
    running(docker_engine, handle)
    api = docker_daemon.client().api
    container = f"brainpod-{handle['id']}"
    pid = api.inspect_container(container)["State"]["Pid"]
    until(lambda: docker_engine.probe(handle) is None, "the server")

    def told() -> float:
        return float(api.stats(container, stream=False)["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9

    before = told()
    read = groups.usage(Path(f"/proc/{pid}/cgroup").read_text())
    assert read is not None
    assert before <= read.cpu_seconds <= told()
    assert read.processes == 2, "its init and the server"
    assert read.memory_mb > 0
    assert docker_engine.stats(handle) is not None
    docker_engine.stop(handle, 0)
    assert docker_engine.stats(handle) is None
