"""dev/suite.py: every test is in one lane, and what failed by accident is told from what fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dev.suite import BROWSER, DOCKER, Lane, rounds

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
MANY = "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_never(n): assert False\n"
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


def test_every_folder_of_tests_is_in_one_lane_of_the_first_round() -> None:
    lanes = rounds()[0]
    paths = [word for command in lanes.values() for word in command if word.startswith("tests/")]
    root = Path(__file__).parent
    there = {f"tests/{path.parent.name}" for path in root.glob("*/__init__.py") if any(path.parent.rglob("test_*.py"))}
    there |= {f"tests/{path.name}" for path in root.glob("test_*.py")}
    assert len(paths) == len(set(paths))
    assert there <= {*paths, *(f"tests/{name}" for name in BROWSER)}
    assert {f"tests/{name}" for name in DOCKER} <= set(lanes["with Docker"])


def test_what_passes_alone_is_named_and_does_not_fail_the_suite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = lane(tmp_path, SECOND_TIME.format(seen=str(tmp_path / "seen")))
    assert made.passes_again()
    told = capsys.readouterr().out
    assert "UNSTEADY: test_0.py::test_second_time failed once and passed alone." in told
    assert "1 passed" in made.output.read_text()


@pytest.mark.parametrize("modules", [(NEVER,), (MANY,), (BROKEN,), (SECOND_TIME, NEVER)])
def test_what_fails_fails_the_suite(tmp_path: Path, modules: tuple[str, ...]) -> None:
    filled = [text.format(seen=str(tmp_path / "seen")) if text is SECOND_TIME else text for text in modules]
    assert not lane(tmp_path, *filled).passes_again()
