"""The driver docker on a real agent and a real daemon: its isolation, and disks as host volumes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from apps.engines.base import Mount, State
from apps.engines.nomad import volumes
from apps.engines.nomad.client import NomadEngine
from tests.engines.nomad.specs import HOSTILE
from tests.engines.workloads import echo_server, echoes, run, running, shell, texts, until, worker

pytestmark = pytest.mark.nomad


@pytest.fixture(params=["nomad_docker_engine", "nomad_exec_engine"])
def engine(request: pytest.FixtureRequest) -> NomadEngine:
    found: NomadEngine = request.getfixturevalue(request.param)
    return found


def test_it_serves_without_capabilities_and_ends(engine: NomadEngine) -> None:
    handle = engine.launch(echo_server())
    until(lambda: engine.probe(handle) is None and echoes(handle), "it to answer")
    until(lambda: texts(engine, handle) == ["listening"], "its line")
    assert engine.exec(handle, ("echo", "beside")) == (0, "beside\n")
    usage = until(lambda: engine.stats(handle), "what it uses")
    assert usage.processes >= 1
    assert "CapEff:\t0000000000000000" in engine.exec(handle, ("cat", "/proc/self/status"))[1]
    engine.stop(handle, 5)
    assert engine.status(handle).state == State.GONE
    assert not echoes(handle)


def test_hostile_variables_arrive(engine: NomadEngine) -> None:
    names = [name for name in HOSTILE if "PATHS" not in name]
    code = f"import json, os; print(json.dumps([os.environ[n] for n in {names!r}]))"
    handle = engine.launch(worker("", command=("sh", "-c", 'python3 -c "$0"; exec sleep 600', code), env=HOSTILE))
    (line,) = until(lambda: texts(engine, handle), "its line")
    assert json.loads(line) == [HOSTILE[name] for name in names]
    engine.stop(handle, 0)


def test_a_disk_stays_on_its_node_with_what_was_written(engine: NomadEngine, tmp_path: Path) -> None:
    disk = Mount(str(tmp_path), "/data", "write")
    spec = worker("echo $(cat /data/x 2>/dev/null) found; echo kept > /data/x; exec sleep 600", mounts=(disk,))
    first = engine.launch(spec)
    until(lambda: texts(engine, first) == ["found"], "an empty disk")
    engine.stop(first, 0)
    second = engine.launch(replace(spec, id=f"{spec.id}-b"))
    until(lambda: texts(engine, second) == ["kept found"], "what was written")
    running(engine, second)
    engine.stop(second, 0)
    finished, _ = run(engine, shell("grep -q kept /data/x", mounts=(disk,)))
    assert finished.exit_code == 0, "a pre-start command has the disk too"
    name = engine.names.volume(disk.source)
    (volume,) = volumes.named(engine.server, name)
    assert "1 volume of disks" in engine.check().version
    place = Path(volume["HostPath"]) if volume.get("HostPath") else None
    engine.discard(disk.source)
    assert volumes.named(engine.server, name) == []
    assert place is None or not place.exists(), "with everything on it"
    engine.discard(disk.source)
