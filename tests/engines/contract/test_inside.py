"""What a process finds: its environment, mounts, links and files, byte for byte."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from apps.core.errors import Invalid
from apps.engines.base import Engine, Limits, Mount
from tests.engines.workloads import run, shell, worker

NASTY = {
    "LINES": "a\nb\n\n",
    "QUOTES": "'\"`\\ $HOME $(id) ${X} %s !x",
    "EMPTY": "",
    "UNICODE": "grüße 🎉 \u2028",
    "TABS": "\t\r x ",
    "BYTES": "\udcff\udcfe",
    "LONG": "x" * 100_000,
    "EQUALS": "a=b=c",
}


def test_the_environment_is_byte_for_byte(engine: Engine, only_text: bool) -> None:
    code = (
        "import base64, json, os\n"
        "print(json.dumps({k.decode(): base64.b64encode(v).decode() for k, v in os.environb.items()}))"
    )
    given = {name: value for name, value in NASTY.items() if not (only_text and name == "BYTES")}
    finished, lines = run(engine, shell("", command=("python3", "-c", code), env=given))
    assert finished.exit_code == 0, lines
    found = json.loads("".join(lines))
    for key, value in given.items():
        assert base64.b64decode(found[key]) == value.encode("utf-8", "surrogateescape")


def test_a_variable_that_cannot_be_is_named(engine: Engine) -> None:
    with pytest.raises(Invalid) as refusal:
        run(engine, shell("true", env={"A": "x\0y"}))
    assert refusal.value.details[0].path == "env"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    (path / "sub").mkdir(parents=True)
    (path / "a.txt").write_text("from the layer\n")
    (path / "sub" / "b.txt").write_text("b\n")
    return path


def test_disks_are_shared_and_kept(engine: Engine, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounts = (Mount(str(disk), "/data", "write"),)
    target = "/data" if engine.check().sandbox else '"$DISK"'
    spec = shell(f"echo kept > {target}/x", mounts=mounts, env={"DISK": str(disk)})
    assert run(engine, spec)[0].exit_code == 0
    if not (engine.disks == "elsewhere" and engine.check().sandbox):  # then it is the node's own
        assert (disk / "x").read_text() == "kept\n"
    _, lines = run(engine, shell(f"cat {target}/x", mounts=mounts, env={"DISK": str(disk)}))
    assert lines == ["kept"]


def test_scratch_starts_with_the_source_and_leaves_it_alone(engine: Engine, source: Path) -> None:
    spec = shell(
        "cat a.txt; echo changed > a.txt; echo new > c.txt; cat a.txt", mounts=(Mount(str(source), "/app", "scratch"),)
    )
    finished, lines = run(engine, spec)
    assert (finished.exit_code, lines) == (0, ["from the layer", "changed"])
    assert (source / "a.txt").read_text() == "from the layer\n"
    assert not (source / "c.txt").exists()


def test_links_and_path_lead_into_layers(engine: Engine, source: Path, tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    (layer / "bin").mkdir(parents=True)
    tool = layer / "bin" / "greet"
    tool.write_text("#!/bin/sh\necho hello\n")
    tool.chmod(0o755)
    mounts = (Mount(str(source), "/app"), Mount(str(layer), "/layers/deps"))
    spec = shell(
        "greet; ls modules/bin", mounts=mounts, path=("/layers/deps/bin",), links=(("/app/modules", "/layers/deps"),)
    )
    finished, lines = run(engine, spec)
    assert (finished.exit_code, lines) == (0, ["hello", "greet"])
    assert not (source / "modules").exists()


def test_config_files_are_there_and_read_only(engine: Engine, source: Path) -> None:
    spec = shell(
        "cat conf/app.ini; echo x > conf/app.ini",
        mounts=(Mount(str(source), "/app"),),
        files={"/app/conf/app.ini": b"[a]\nb=1\n"},
    )
    finished, lines = run(engine, spec)
    assert lines[:2] == ["[a]", "b=1"]
    if engine.check().sandbox:
        assert finished.exit_code != 0
    assert not (source / "conf").exists()


def test_a_read_mount_cannot_be_written(sandboxed: Engine, source: Path) -> None:
    finished, _ = run(sandboxed, shell("echo x > /app/x", mounts=(Mount(str(source), "/app"),)))
    assert finished.exit_code != 0
    assert not (source / "x").exists()


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/proc",
        "/proc/x",
        "/usr/share",
        "/etc",
        "/tmp",
        "/dev/shm",
        "relative",
        "/a/../usr",
        "/lib",
        "/app/disk/in",
    ],
)
def test_targets_that_hide_the_system_are_refused(engine: Engine, tmp_path: Path, target: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounts = (Mount(str(disk), "/app/disk", "write"), Mount(str(disk), target, "write"))
    with pytest.raises(Invalid) as refusal:
        engine.launch(worker("sleep 1", mounts=mounts))
    assert "mounts.1" in [detail.path for detail in refusal.value.details]


def test_a_target_through_a_symlink_of_the_app_is_refused(engine: Engine, source: Path, tmp_path: Path) -> None:
    (source / "data").symlink_to("/proc")
    mounts = (Mount(str(source), "/app"), Mount(str(tmp_path), "/app/data/x", "write"))
    with pytest.raises(Invalid):
        engine.launch(worker("sleep 1", mounts=mounts))


def test_limits_reach_the_process(engine: Engine) -> None:
    _, lines = run(engine, shell("ulimit -n; ulimit -c", limits=Limits(open_files=123)))
    assert lines == ["123", "0"]
