"""`railpack prepare` of the Railpack that is installed. What asks for versions of tools needs the network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.builds.detect.plan import Overrides
from apps.builds.detect.project import Project
from apps.builds.image.railpack import preparing, reading
from apps.builds.stages.room import Interrupted
from apps.core.errors import UserError
from tests.builds.image.railpack.conftest import EXAMPLES, Prepare


def test_a_plan_for_people_and_one_for_the_frontend(prepare: Prepare) -> None:
    prepared = prepare(EXAMPLES / "shell-start")
    plan = reading.read(prepared, Project(EXAMPLES / "shell-start"), Overrides(builder="railpack"))
    assert (plan.stack, plan.start, plan.kind) == ("shell", "bash start.sh", "web")
    assert plan.manager.startswith("Railpack")
    assert prepared.info["success"] is True
    assert prepared.plan["deploy"]["base"]["image"]
    assert any(step["name"] == "build" for step in prepared.plan["steps"])


def test_the_dashboards_commands_hold(prepare: Prepare, tmp_path: Path) -> None:
    root = tmp_path / "app"
    root.mkdir()
    (root / "start.sh").write_text("echo theirs\n")
    said = {"deploy": {"startCommand": "theirs"}, "steps": {"build": {"commands": ["theirs"]}}}
    (root / "railpack.json").write_text(json.dumps(said))
    prepared = prepare(root, start="echo 'mine' | cat", build="echo it\\'s $MINE > made", kind="worker")
    plan = reading.read(prepared, Project(root), Overrides(builder="railpack", kind="worker"))
    assert (plan.start, plan.build, plan.kind) == ("echo 'mine' | cat", ("echo it\\'s $MINE > made",), "worker")
    assert "theirs" not in json.dumps(prepared.plan)


def test_variables_of_railpack_are_heard(prepare: Prepare) -> None:
    prepared = prepare(EXAMPLES / "shell-start", variables={"RAILPACK_START_CMD": "sleep 1", "TOKEN": "not told"})
    assert prepared.plan["deploy"]["startCommand"] == "sleep 1"
    assert "TOKEN" not in json.dumps(prepared.plan)


def test_nothing_to_build_is_named(prepare: Prepare) -> None:
    with pytest.raises(UserError) as caught:
        prepare(EXAMPLES / "nothing")
    assert caught.value.code == "no_framework_detected"
    assert caught.value.hint


def test_a_file_of_railpacks_that_makes_no_sense_is_named(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "start.sh").write_text("true\n")
    (tmp_path / "railpack.json").write_text('{"steps": {"build": 3}}')
    with pytest.raises(UserError) as caught:
        prepare(tmp_path)
    assert caught.value.code == "railpack_failed"
    assert "railpack.json" in caught.value.message


def test_nothing_outside_the_app_is_read(prepare: Prepare, tmp_path: Path) -> None:
    root = tmp_path / "app"
    root.mkdir()
    outside = tmp_path / "outside.json"
    outside.write_text('{"deploy": {"startCommand": "from outside"}}')
    outside.chmod(0o644)
    (root / "start.sh").write_text("true\n")
    (root / "railpack.json").symlink_to(outside)
    assert prepare(root).plan["deploy"]["startCommand"].endswith("sh start.sh")


def test_cancelling_ends_it(prepare: Prepare, mise: Path, tmp_path: Path) -> None:
    prepare(EXAMPLES / "shell-start")
    with pytest.raises(Interrupted):
        preparing.prepare(
            Project(EXAMPLES / "shell-start"), Overrides(builder="railpack"), work=tmp_path / "w", mise=mise,
            cancelled=lambda: True,
        )  # fmt: skip


def test_without_mise_and_the_network_it_says_so(prepare: Prepare, tmp_path: Path) -> None:
    """Where the network is there, it is fetched and the plan is made."""
    prepare(EXAMPLES / "shell-start")
    given = {"work": tmp_path / "w", "mise": tmp_path / "none"}
    failure = ""
    try:
        preparing.prepare(Project(EXAMPLES / "shell-start"), Overrides(builder="railpack"), **given)
    except UserError as error:
        failure = error.code
    assert failure in ("", "railpack_unreachable")
