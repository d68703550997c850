"""dev/suite.py: every test is in one lane, and what failed by accident is told from what fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission

from apps.accounts.models import Membership, User
from dev.suite import AGAIN, APART, AT_ONCE, DOCKER, Lane, lanes, run_all
from tests.stack import template

SECOND_TIME = """
from pathlib import Path

def test_second_time():
    seen = Path({seen!r})
    first = not seen.exists()
    seen.touch()
    assert not first

def test_good(): pass
"""
NEVER = "def test_never(): assert False\n"
SHARED = """
import pytest
from pathlib import Path

@pytest.fixture(scope="module")
def shared():
    seen = Path({seen!r})
    first = not seen.exists()
    seen.touch()
    assert not first

@pytest.mark.parametrize("n", range(9))
def test_shared(shared, n): pass
"""
BROKEN = "import nothing_of_that_name\n"


def lane(folder: Path, *modules: str) -> Lane:
    files = [folder / f"test_{number}.py" for number in range(len(modules))]
    for file, text in zip(files, modules, strict=True):
        file.write_text(text)
    plain = ["-p", "no:django", "-c", "/dev/null", "--rootdir", str(folder), "-q"]
    made = Lane("a lane", [sys.executable, "-m", "pytest", *plain, *map(str, files)], folder)
    made.run()
    assert made.code
    return made


def test_every_folder_of_tests_is_in_one_lane() -> None:
    commands = lanes()
    paths = [word for command in commands.values() for word in command if word.startswith("tests/")]
    root = Path(__file__).parent
    there = {f"tests/{path.parent.name}" for path in root.glob("*/__init__.py") if any(path.parent.rglob("test_*.py"))}
    there |= {f"tests/{path.name}" for path in root.glob("test_*.py")}
    assert len(paths) == len(set(paths))
    assert there <= set(paths)
    assert {f"tests/{name}" for name in DOCKER} <= set(commands["with Docker"])
    assert set(commands) >= APART


def test_as_many_lanes_run_at_once_as_may_and_some_never_do(tmp_path: Path) -> None:
    at_once: list[set[str]] = []
    now: set[str] = set()

    class Slow(Lane):
        def run(self, *options: str) -> None:
            now.add(self.name)
            at_once.append(set(now))
            time.sleep(0.05 if self.name in APART else 0.01)
            now.remove(self.name)

    one, other = sorted(APART)
    run_all([Slow(name, [], tmp_path) for name in (one, "a", other, "b", "c")])
    assert {name for names in at_once for name in names} == {one, "a", other, "b", "c"}
    assert max(map(len, at_once)) == AT_ONCE
    assert not any(names >= APART for names in at_once)


def test_what_passes_alone_is_named_and_does_not_fail_the_suite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = lane(tmp_path, SECOND_TIME.format(seen=str(tmp_path / "seen")))
    assert made.passes_again()
    told = capsys.readouterr().out
    assert "UNSTEADY: test_0.py::test_second_time failed once and passed alone." in told
    assert "1 passed" in made.output.read_text()


def test_of_the_suite_s_template_nothing_is_left_to_make(short_state: Path) -> None:
    if template.made() is None:
        pytest.skip("only dev/suite.py makes a template")
    template.lay_out(short_state, database=True)
    told = template.make(short_state)
    assert {"database: nothing to do", "static files: nothing to do"} <= set(told.splitlines())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", ["first", "second"])
def test_of_a_test_with_real_transactions_no_row_is_left(turn: str, request: pytest.FixtureRequest) -> None:
    assert not Membership.objects.exists()
    assert not User.objects.exists()
    assert Permission.objects.exists()
    request.getfixturevalue("alice")


def test_tests_that_share_what_failed_are_few(tmp_path: Path) -> None:
    assert lane(tmp_path, SHARED.format(seen=str(tmp_path / "seen"))).passes_again()


@pytest.mark.parametrize("modules", [(NEVER,), (SECOND_TIME,) * (AGAIN + 1), (BROKEN,), (SECOND_TIME, NEVER)])
def test_what_fails_fails_the_suite(tmp_path: Path, modules: tuple[str, ...]) -> None:
    filled = [
        text.format(seen=str(tmp_path / f"seen-{at}")) if text is SECOND_TIME else text
        for at, text in enumerate(modules)
    ]
    assert not lane(tmp_path, *filled).passes_again()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_temporary_files_stay_in_memory_and_end_with_the_suite() -> None:
    code = """
import subprocess, sys, tempfile
from dev.suite import stay_in_memory
assert stay_in_memory()
made = tempfile.mkdtemp()
for command in (["stat", "-f", "-c", "%T", made], ["mktemp"]):
    made += " " + subprocess.check_output(command, text=True)
print(made)
"""
    environment = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent.parent, env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    made, kind, of_a_child = said.stdout.split()
    assert kind == "tmpfs"
    assert Path(of_a_child).parent == Path(made).parent
    assert not Path(made).exists(), "the mount is the suite's own"
