"""Specs as jobs: what is asked of Nomad, to the letter, and what is refused before."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.core.errors import Invalid
from apps.engines.base import LaunchSpec, Mount, RunSpec
from apps.engines.nomad import job, script
from apps.engines.nomad.cluster import Cluster, Names
from apps.engines.recovery import ATTEMPTS, DELAY, WINDOW
from tests.engines.nomad.specs import GOLDEN, HOSTILE, IMAGE, NAMES, RAW, WEB, WORKER, jobs, written

SECOND = 1_000_000_000


@pytest.mark.parametrize("name", sorted(jobs()))
def test_goldens(name: str) -> None:
    assert written(jobs()[name]) == (GOLDEN / f"{name}.json").read_text(), "python -m tests.engines.nomad.specs"


def test_there_is_no_golden_without_a_spec() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(jobs())


def test_recovery_is_stated_with_the_platforms_numbers() -> None:
    web, worker = (jobs()[name]["TaskGroups"][0] for name in ("web", "worker"))
    for group in (web, worker):
        assert group["RestartPolicy"] == {
            "Attempts": ATTEMPTS, "Interval": WINDOW * SECOND, "Delay": DELAY * SECOND, "Mode": "delay",
        }  # fmt: skip
        assert group["ReschedulePolicy"] == {
            "Delay": 30 * SECOND, "DelayFunction": "exponential", "MaxDelay": 3600 * SECOND, "Unlimited": True,
        }  # fmt: skip
    assert (web["Disconnect"]["Replace"], web["Disconnect"]["Reconcile"]) == (True, "keep_replacement")
    assert web["Disconnect"]["LostAfter"] == 900 * SECOND
    assert worker["Disconnect"]["Replace"] is False
    assert worker["Disconnect"]["LostAfter"] > 365 * 86400 * SECOND, "after that Nomad would replace it all the same"


def test_a_run_is_tried_once() -> None:
    made = jobs()["run"]
    group = made["TaskGroups"][0]
    assert made["Type"] == "batch"
    assert (group["RestartPolicy"]["Attempts"], group["RestartPolicy"]["Mode"]) == (0, "fail")
    assert (group["ReschedulePolicy"]["Attempts"], group["ReschedulePolicy"]["Unlimited"]) == (0, False)
    assert group["Tasks"][0]["Resources"]["MemoryMB"] == 128


def test_a_region_is_a_datacenter() -> None:
    assert jobs()["web"]["Datacenters"] == ["dc1"]
    assert jobs()["worker"]["Datacenters"] == ["oslo"]
    assert Cluster().datacenter("") == "*"


def test_nothing_that_nomad_would_fill_in_is_left_in_variables_and_words() -> None:
    task = jobs()["hostile"]["TaskGroups"][0]["Tasks"][0]
    for name, value in task["Env"].items():
        assert "${" not in value.replace("${NOMAD_TASK_DIR}/root", ""), name
    for word in jobs()["web"]["TaskGroups"][0]["Tasks"][0]["Config"]["args"]:
        assert "${" not in word.replace("$${", ""), word
        assert "%{" not in word.replace("%%{", ""), word
    for template in task["Templates"]:
        assert template["LeftDelim"] not in template["EmbeddedTmpl"]
        assert template["RightDelim"] not in template["EmbeddedTmpl"]


def test_held_variables_arrive_byte_for_byte(tmp_path: Path) -> None:
    """By a real sh, with every hostile value at once; paths of the inside are the task's own."""
    spec = replace(WORKER, env=HOSTILE, mounts=WEB.mounts)
    values = {**HOSTILE, "ODD": "'${'\"${}\n$", "LATER": "a\n\n"}
    lines = script.variables(values, spec)
    printed = "".join(f"printf '%s\\0' \"${name}\"\n" for name in values)
    env = {"NOMAD_TASK_DIR": "/task/local", "PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", "-c", lines + printed], env=env, capture_output=True, check=True)
    found = dict(zip(values, done.stdout.decode().split("\0"), strict=False))
    root = "/task/local/root"
    expected = values | {
        "PATHS": f"{root}/app/a:{root}/layers/deps/b:/application",
        "HELD_PATHS": f"${{X}}:{root}/app/a'b:{root}/data",
    }
    assert found == expected


def test_the_first_lines_make_the_inside(tmp_path: Path) -> None:
    """By a real sh and tar, in a directory with odd characters, twice: a restart finds what was made."""
    task, tree, disk = tmp_path / "a 'b' $c" / "local", tmp_path / "tree", tmp_path / "disk'"
    (task / "fetched").mkdir(parents=True)
    (task.parent / "secrets" / "files").mkdir(parents=True)
    (task.parent / "secrets" / "files" / "0").write_text("from Config")
    tree.mkdir()
    disk.mkdir()
    (tree / "main.txt").write_text("from the tree")
    subprocess.run(["tar", "-czf", task / "fetched" / "0.tar.gz", "-C", tree, "."], check=True)
    spec = replace(
        WORKER,
        mounts=tuple(mount for mount in WEB.mounts if mount.target in ("/app", "/data")),
        links=(("/app/it's", "/data"),),
        files={"/app/conf/a b.ini": b"from Config"},
        path=("/app/bin",),
    )
    lines = script.start(spec, {"/app": 0}, {"/data": str(disk)})
    env = {"NOMAD_TASK_DIR": str(task), "NOMAD_SECRETS_DIR": str(task.parent / "secrets"), "PATH": os.environ["PATH"]}
    look = 'cat main.txt "conf/a b.ini"; echo x >> "it\'s/kept"; echo x >> own; wc -l < own; echo "$PATH"; pwd'
    for times in ("1", "2"):
        done = subprocess.run(["sh", "-c", lines, "sh", "sh", "-c", look], env=env, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        text, path, here = done.stdout.splitlines()  # neither file ends its line
        assert text == f"from the treefrom Config{times}"
        assert path.startswith(f"{task}/root/app/bin:")
        assert here == f"{task}/root/app"
    assert (disk / "kept").read_text() == "x\nx\n"
    assert not (tree / "own").exists()


def test_a_node_that_lacks_a_toolchain_says_so(tmp_path: Path) -> None:
    missing = str(tmp_path / "it's")
    spec = replace(WORKER, mounts=tuple(replace(m, source=missing, target=missing) for m in WEB.mounts[2:3]))
    done = subprocess.run(
        ["sh", "-c", script.start(spec, {}, {}), "sh", "true"], capture_output=True, text=True,
        env={"NOMAD_TASK_DIR": str(tmp_path), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.returncode == script.LACKING
    assert f"This node has no directory {missing}." in done.stderr


def test_words_of_sh_are_one_word() -> None:
    turned = script.Turned(replace(WORKER, mounts=()))
    for text in ("a b", "it's", "$(id)", "", "/app", "x /app/y'z"):
        (word,) = shlex.split(turned.quoted(text).replace('"$NOMAD_TASK_DIR/root"', "ROOT"))
        assert word == text.replace("/app", "ROOT/app")


@pytest.mark.parametrize(
    ("cluster", "fields", "path"),
    [
        (RAW, {"image": "x"}, "image"),
        (RAW, {"env": {"A": "\udcff"}}, "env"),
        (RAW, {"env": {"a.b": "${X}"}}, "env"),
        (RAW, {"files": {"/srv/x": b"\xff"}}, "files"),
        (replace(RAW, driver="docker"), {}, "image"),
        (replace(RAW, driver="docker"), {"image": "x", "env": {"a.b": "${X}"}}, "env"),
        (replace(RAW, driver="docker"), {"image": "x", "mounts": (Mount("/trees/aa", "/app"),)}, "mounts"),
    ],
)
def test_what_cannot_be_passed_on_is_refused_by_name(cluster: Cluster, fields: dict[str, Any], path: str) -> None:
    spec = RunSpec(**{"id": "r", "pod": "p", "command": ("true",), "env": {}} | fields)
    with pytest.raises(Invalid) as refusal:
        job.check(spec, cluster)
    assert path in [detail.path for detail in refusal.value.details]


def test_names_stay_within_what_nomad_takes() -> None:
    names = Names("0123abcd")
    assert names.workload(names.job("w-1")) == "w-1"
    assert not names.run("w-1").startswith(names.jobs)
    label = names.service("pod_ü" * 30, "Web App")
    assert len(label) <= 63
    assert label.replace("-", "").isalnum()
    assert label.isascii()


def test_a_container_has_no_capabilities_and_its_own_command() -> None:
    task = jobs()["web-docker"]["TaskGroups"][0]["Tasks"][0]
    assert task["Config"]["cap_drop"] == ["all"]
    assert task["Config"]["entrypoint"][:2] == ["sh", "-c"]
    own: LaunchSpec = replace(IMAGE, command=())
    plain = job.service(own, replace(RAW, driver="docker"), NAMES, str)["TaskGroups"][0]["Tasks"][0]
    assert "entrypoint" not in plain["Config"]
