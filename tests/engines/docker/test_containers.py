"""How containers are made: rights, limits, images, what is there when it is needed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest

from apps.core.errors import Invalid, UserError
from apps.engines.base import Limits, Mount, State
from apps.engines.docker import egress, images
from apps.engines.docker.creation import ROOT_NEEDS
from tests.engines.workloads import echo_server, name, run, running, shell, texts, until, worker
from tests.stack.docker import BUSYBOX, DockerDaemon
from tests.stack.docker_engine import PYTHON, ImageEngine

NUMBERS = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "KILL": 5, "SETGID": 6, "SETUID": 7}


def derived(daemon: DockerDaemon, name: str, *changes: str) -> str:
    """BUSYBOX with `changes` to its configuration."""
    client = daemon.client()
    container = client.containers.create(BUSYBOX, ["true"])
    container.commit(repository="brainpod-test/derived", tag=name, changes=list(changes))
    container.remove()
    return f"brainpod-test/derived:{name}"


def test_an_image_whose_user_is_root_keeps_what_its_start_needs_and_nothing_else(docker_engine: ImageEngine) -> None:
    _, lines = run(docker_engine, shell("id -u; cat /proc/self/status", image=BUSYBOX))
    status = dict(line.split(":\t") for line in lines[1:] if ":\t" in line)
    wanted = sum(1 << NUMBERS[name] for name in ROOT_NEEDS)
    assert (lines[0], int(status["CapEff"], 16), int(status["CapBnd"], 16)) == ("0", wanted, wanted)
    assert status["NoNewPrivs"] == "1"


def test_the_image_says_what_runs_when_the_spec_does_not(
    docker_daemon: DockerDaemon, docker_engine: ImageEngine
) -> None:
    entry, cmd = 'ENTRYPOINT ["echo", "entry"]', 'CMD ["cmd"]'
    image = derived(docker_daemon, "entry", entry, cmd, "WORKDIR /tmp", "ENV FROM=image")
    assert run(docker_engine, shell("", command=(), image=image))[1] == ["entry cmd"]
    assert run(docker_engine, shell("pwd; echo $FROM", image=image))[1] == ["/tmp", "image"]
    assert run(docker_engine, shell("echo $FROM", image=image, env={"FROM": "pod"}))[1] == ["pod"]


def test_an_image_that_promises_it_has_a_read_only_root(
    docker_daemon: DockerDaemon, docker_engine: ImageEngine
) -> None:
    image = derived(docker_daemon, "ro", "LABEL brainpod.read-only=true")
    text = "touch /x 2>/dev/null || echo refused; for d in /tmp /run /var/tmp; do touch $d/x && echo $d; done"
    assert run(docker_engine, shell(text, image=image))[1] == ["refused", "/tmp", "/run", "/var/tmp"]
    assert run(docker_engine, shell("touch /x && echo made", image=BUSYBOX))[1] == ["made"]


def test_a_disk_belongs_to_the_user_the_image_names(
    docker_daemon: DockerDaemon, docker_engine: ImageEngine, tmp_path: Path
) -> None:
    image = derived(docker_daemon, "app", "USER app")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounts = (Mount(str(disk), "/data", "write"),)
    assert run(docker_engine, shell("echo mine > /data/x && id -u", image=image, mounts=mounts))[1] == ["1000"]
    assert (disk / "x").stat().st_uid == 1000


def test_a_workload_out_of_memory_is_told(docker_engine: ImageEngine) -> None:
    code = "x = []\nwhile True: x.append(bytearray(8 << 20))"
    handle = docker_engine.launch(worker("", command=("python3", "-c", code), limits=Limits(memory=48)))
    until(lambda: docker_engine.status(handle).state == State.RESTARTING, "its end")
    assert docker_engine.status(handle).reason.startswith("out of memory; restarted 0 of 10")
    until(lambda: any(line.text.startswith("Out of memory") for line in docker_engine.logs(handle)), "the words")
    docker_engine.stop(handle, 0)


def test_processes_are_limited(docker_engine: ImageEngine) -> None:
    text = "for i in 1 2 3 4 5 6 7 8 9; do sleep 600 & done; wait"
    _, lines = run(docker_engine, shell(f"({text}) 2>&1 | head -1", limits=Limits(processes=6)), 30)
    assert "fork" in " ".join(lines)


@pytest.mark.parametrize("image", ["brainpod.invalid/nobody/nothing:1", "sha256:" + "0" * 64])
def test_an_image_that_is_nowhere_is_named(docker_engine: ImageEngine, image: str) -> None:
    with pytest.raises(UserError) as refusal:
        docker_engine.launch(worker("true", image=image))
    assert refusal.value.code == "image_pull_failed"
    assert image in refusal.value.message


def test_what_cannot_be_passed_on_is_refused_by_name(docker_engine: ImageEngine) -> None:
    with pytest.raises(Invalid, match="ODD is no UTF-8"):
        docker_engine.launch(worker("true", env={"ODD": "\udcff"}))
    with pytest.raises(Invalid, match="this engine runs images"):
        super(ImageEngine, docker_engine).launch(worker("true"))


def test_files_are_gone_with_their_workload(docker_engine: ImageEngine) -> None:
    handle = docker_engine.launch(worker("cat /srv/a; exec sleep 600", files={"/srv/a": b"content\n"}))
    until(lambda: texts(docker_engine, handle) == ["content"], "the file")
    place = docker_engine.starter.files.place(handle["id"])
    assert place.is_dir()
    docker_engine.stop(handle, 0)
    assert not place.exists()


def test_a_launch_that_was_killed_between_is_finished_by_the_next(docker_engine: ImageEngine) -> None:
    spec = worker("cat /srv/a; exec sleep 600", image=PYTHON, files={"/srv/a": b"content\n"})
    image = images.present(docker_engine.daemon, PYTHON)
    made = docker_engine.starter._make(spec, image)
    assert docker_engine.status({"id": spec.id}).state == State.STARTING
    handle = docker_engine.launch(spec)
    until(lambda: texts(docker_engine, handle) == ["content"], "its start")
    found = docker_engine.starter.find(spec.id)
    assert found is not None
    assert found["Id"] == made
    docker_engine.stop(handle, 0)


def test_many_launches_of_one_make_one(docker_engine: ImageEngine) -> None:
    spec = echo_server(pod=name("pod"))
    with ThreadPoolExecutor(6) as pool:
        handles = list(pool.map(docker_engine.launch, [spec] * 6))
    assert all(handle == handles[0] for handle in handles)
    until(lambda: docker_engine.probe(handles[0]) is None, "the server")
    docker_engine.stop(handles[0], 0)


def test_a_run_leaves_nothing(docker_daemon: DockerDaemon, docker_engine: ImageEngine) -> None:
    spec = shell("true", pod="pod-leaves-nothing")
    run(docker_engine, spec)
    api = docker_daemon.client().api
    assert not api.containers(all=True, filters={"label": [f"brainpod.run={spec.id}"]})


def test_ten_megabytes_without_an_end_are_cut(docker_engine: ImageEngine) -> None:
    code = "import os, time; [os.write(1, b'x' * 1_000_000) for _ in range(10)]; os.write(1, b'\\n'); time.sleep(600)"
    handle = docker_engine.launch(worker("", command=("python3", "-c", code)))
    running(docker_engine, handle)
    until(lambda: sum(map(len, texts(docker_engine, handle))) == 10_000_000, "all of it")
    assert max(map(len, texts(docker_engine, handle))) == 65536
    docker_engine.stop(handle, 0)


def test_a_launch_beside_what_serves_asks_for_little(
    docker_engine: ImageEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traffic waits for it: each question is a part of that, and the firewall's programs are a larger one."""
    pod, asked = name("pod"), []
    first = docker_engine.launch(echo_server(pod=pod))  # the network and the rules are made for it
    send, run_ = docker.APIClient.send, egress._run

    def sent(client: docker.APIClient, request: Any, **given: Any) -> Any:
        asked.append(f"{request.method} {request.path_url.partition('?')[0]}")
        return send(client, request, **given)

    def ran(program: str, *given: str, **how: Any) -> int:
        asked.append(program)
        return run_(program, *given, **how)

    monkeypatch.setattr(docker.APIClient, "send", sent)
    monkeypatch.setattr(egress, "_run", ran)
    second = docker_engine.launch(echo_server(pod=pod))
    monkeypatch.undo()
    for handle in (first, second):
        docker_engine.stop(handle, 0)
    assert [one.split()[0] for one in asked].count("POST") == 2, "made and started"
    assert len(asked) <= 9, asked
    assert not [one for one in asked if one.startswith("iptables")]
