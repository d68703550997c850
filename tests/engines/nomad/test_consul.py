"""Services of apps in a real Consul, where a `consul` is on PATH beside the `nomad`."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.engines.base import State
from apps.engines.nomad.client import NomadEngine
from apps.engines.process.namespaces import die_with_parent
from tests.engines.workloads import echo_server, echoes, until
from tests.stack.nomad import free_ports, nomad_running

pytestmark = pytest.mark.nomad


@pytest.fixture(scope="module")
def consul() -> Iterator[str]:
    """The address of a Consul of this module's own."""
    if shutil.which("consul") is None:
        pytest.skip("there is no consul on PATH")
    place = Path(tempfile.mkdtemp(prefix="bp-c-", dir="/tmp"))
    http, server, lan, wan = free_ports(4)
    with (place / "log").open("ab") as log:
        child = subprocess.Popen(
            ["consul", "agent", "-dev", f"-http-port={http}", f"-server-port={server}", f"-serf-lan-port={lan}",
             f"-serf-wan-port={wan}", "-dns-port=-1", "-grpc-port=-1", "-bind=127.0.0.1"],
            stdout=log, stderr=log, start_new_session=True, preexec_fn=lambda: die_with_parent(signal.SIGTERM),
        )  # fmt: skip
    address = f"127.0.0.1:{http}"
    try:
        deadline = time.monotonic() + 120
        while not _asked(address, "status/leader"):
            assert (child.poll(), time.monotonic() < deadline) == (None, True), (place / "log").read_text()[-3000:]
            time.sleep(0.2)
        yield address
    finally:
        child.terminate()
        child.wait(60)
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def engine(consul: str) -> Iterator[NomadEngine]:
    with nomad_running(discovery="consul", consul=consul) as (made, _):
        yield made


def _asked(address: str, what: str) -> Any:
    try:
        answer = httpx.get(f"http://{address}/v1/{what}", timeout=10, trust_env=False)
    except httpx.HTTPError:
        return None
    return answer.json() if answer.status_code == 200 else None


def test_an_app_is_a_service_in_consul_while_it_runs(engine: NomadEngine, consul: str) -> None:
    handle = engine.launch(echo_server(env={"BRAINPOD_APP": "web"}, pod="shop"))
    until(lambda: echoes(handle), "it to answer")
    name = engine.names.service("shop", "web")
    (found,) = until(lambda: _asked(consul, f"catalog/service/{name}"), "the service")
    assert f"{found['ServiceAddress']}:{found['ServicePort']}" == handle["address"]
    assert found["ServiceTags"] == [f"workload={handle['id']}"]
    assert engine.status(handle).state == State.RUNNING
    engine.stop(handle, 1)
    until(lambda: _asked(consul, f"catalog/service/{name}") == [], "its end there")
