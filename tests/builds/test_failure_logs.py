"""Each recorded log is told by its own entry of the catalogue, and what went well by none."""

from __future__ import annotations

import random
import re
import string
import time

import pytest

from apps.builds.failures import Fix, diagnose, explain, found_in
from apps.builds.failures.catalogue import BY_EXIT, CATALOGUE, GENERIC
from apps.builds.failures.signs import Sign
from apps.engines.base import Finished
from apps.pods import kinds
from tests.builds.failure_logs import COMMANDS, LOGS, Recorded, recorded, successful

FAILED = recorded()
EVERY = (*CATALOGUE, *GENERIC.values(), *BY_EXIT.values())
SPEC = {"type": "web", "source": {"repo": "https://git.example.com/web.git", "branch": "main"}}
GENERICS = {entry.code for entry in GENERIC.values()}
FIXES = [pytest.param(fix, id=f"{entry.code}-{fix.path}") for entry in CATALOGUE for fix in entry.fixes]


@pytest.mark.parametrize("log", FAILED, ids=[f"{log.code}-{log.tool}" for log in FAILED])
def test_a_log_is_told_by_its_entry(log: Recorded) -> None:
    found = log.diagnosis
    assert found
    assert (found.entry.code, found.line[:200]) == (log.code, found.line[:200])
    if not log.finished.killed and log.finished.exit_code not in found.entry.endings:
        assert found.line
        assert any(found.line.strip() in re.sub(r"\x1b\[[0-9;]*m", "", line) for line in log.lines)


@pytest.mark.parametrize("log", [log for log in FAILED if log.stage in COMMANDS], ids=lambda log: log.path)
def test_what_is_told_is_complete(log: Recorded) -> None:
    error = explain(log.stage, log.lines[-200:], log.finished, seconds=900)
    assert error.code == log.code, "as far as the pipeline keeps the lines"
    assert error.hint
    assert not re.search(r"\{\w+\}", error.message + error.hint)


@pytest.mark.parametrize("log", successful(), ids=lambda log: log.path)
@pytest.mark.parametrize("stage", COMMANDS)
def test_what_went_well_is_told_by_none(log: Recorded, stage: str) -> None:
    found = diagnose(stage, log.lines, Finished(1))
    assert found.entry.code in GENERICS, found.line


def test_there_are_enough_of_them() -> None:
    real = {log.code for log in FAILED if log.origin == "real"}
    assert len(real) >= 40
    assert len(successful()) >= 10
    assert {entry.code for entry in EVERY} == {log.code for log in FAILED}, "every entry has a log"
    assert {path.relative_to(LOGS).as_posix() for path in LOGS.glob("*/*.log")} == {
        log.path for log in (*FAILED, *successful())
    }


def test_logs_say_nothing_of_the_machine_they_were_made_on() -> None:
    for path in LOGS.glob("*/*.log"):
        text = path.read_text()
        assert len(text.split("\n")) <= 201, path
        assert not re.search(
            r"/root\b|/work/|/tmp/rec|pyenv|(npmjs|pypi|crates|pythonhosted|packagist)\.(org|io)", text
        ), path


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.code)
def test_the_words_of_an_entry_have_values(entry: object) -> None:
    always = {"stage", "exit", "seconds", "last"}
    used = {name for _, name, _, _ in string.Formatter().parse(entry.cause + entry.remedy) if name} - always
    for sign in entry.signs:
        assert used <= sign.names, sign.template
        assert len(sign.needle) > 3, sign.template
    assert not used or entry.signs
    assert entry.title[-1] not in ".:"
    assert set(entry.stages) <= {"clone", "detect", "install", "build", "push", "release", "launch", "health"}


@pytest.mark.parametrize("fix", FIXES)
def test_a_fix_makes_a_spec_that_holds(fix: Fix) -> None:
    kind = kinds.get("App")
    before = kind.Spec.model_validate(kind.blank() | SPEC).model_dump(mode="json")
    before |= {"healthCheckPath": "/up", "healthCheckTimeout": 60}
    before["source"] |= {"branch": "main", "rootDir": "web", "submodules": fix.value is False}
    before["build"]["builder"] = "bundle"
    after = kind.Spec.model_validate(fix.applied(before)).model_dump(mode="json")
    assert after != before
    stage = next(iter(fix.stages), "")
    assert fix.suits(fix.on, before, stage)
    assert not fix.suits(fix.on, after, stage), "it is offered once"


def test_a_fix_leaves_everything_else() -> None:
    spec = {"env": [{"name": "A", "value": "1"}, {"name": "CI", "value": "true"}], "build": {"cache": True}}
    after = Fix("", "env.CI", "false").applied(spec)
    assert after == {"env": [{"name": "A", "value": "1"}, {"name": "CI", "value": "false"}], "build": {"cache": True}}
    assert Fix("", "build.cache", False).applied(spec)["build"] == {"cache": False}
    assert spec["build"] == {"cache": True}
    assert not Fix("", "healthCheckTimeout", 300).suits("", {"healthCheckTimeout": 600}), "never lowered"
    memory = Fix("", "build.memory", 8192, stages=("build",))
    assert memory.suits("", {"build": {"memory": 0}}, "build")
    assert not memory.suits("", {"build": {"memory": 0}}, "launch"), "that is another memory"


@pytest.mark.parametrize(
    ("stage", "lines", "code", "last"),
    [
        ("build", ["Rendering", "page 7: bad", "", "npm error code 5"], "build_failed", "page 7: bad"),
        ("install", ["odd: no", "    at Object.<anonymous> (/app/a.js:1:1)"], "install_failed", "odd: no"),
        ("install", ["odd: no", "Node.js v20.1.0"], "install_failed", "odd: no"),
        ("release", ["seed: twice", "make: *** [seed] Error 1"], "release_failed", "seed: twice"),
        ("prestart", ["seed: twice", "make: *** [seed] Error 1"], "prestart_failed", "seed: twice"),
        ("launch", ["bye"], "app_exited", "bye"),
        ("build", [], "build_failed", ""),
    ],
)  # fmt: skip
def test_the_unknown_says_the_last_line(stage: str, lines: list[str], code: str, last: str) -> None:
    found = diagnose(stage, lines, Finished(7))
    assert (found.entry.code, found.line) == (code, last)
    assert last in found.cause
    assert "7" in found.cause


def test_a_known_code_without_its_line() -> None:
    found = found_in("health_check_status", ["nothing of it"])
    assert found
    assert found.line == ""
    assert found.cause
    assert found_in("secret_missing", []) is None


def _needles() -> list[str]:
    return [sign.needle for entry in CATALOGUE for sign in entry.signs]


def _ordinary() -> list[str]:
    words = ["compiled", "src/app/page.tsx", "at", "12:04:11", "warning", "module", "error", "[INFO]", "chunk"]
    chosen = random.Random(5)
    return [" ".join(chosen.choices(words, k=12)) for _ in range(130_000)]


def _needles_everywhere() -> list[str]:
    return [" ".join(_needles())[:4000]] * 2600


HOSTILE = {
    "ordinary lines": _ordinary,
    "words of all signs in every line": _needles_everywhere,
    "one line": lambda: ["a " * 5_000_000],
    "one word repeated": lambda: ["Cannot find module '" * 100] * 5000,
    "gaps that never close": lambda: ["npm error Missing script: " + "x" * 1900] * 5000,
    "colours": lambda: ["\x1b[31m" * 400] * 5000,
    "empty lines": lambda: [""] * 10_000_000,
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_ten_megabytes_take_seconds_at_most(make: object) -> None:
    lines = make()
    began = time.process_time()
    diagnose("build", lines, Finished(1))
    assert time.process_time() - began < 60


@pytest.mark.parametrize(
    ("template", "line", "names"),
    [
        ("sh: {*}: {name}: not found$", "sh: 1: vite: not found", {"name": "vite"}),
        ("sh: {*}: {name}: not found$", "sh: 1: vite: not found anywhere", None),
        ("^{name}: not found$", "web | vite: not found", {"name": "vite"}),
        ("^{name}: not found$", "error: vite: not found", None),
        ("No module named '{name}'", "E: No module named 'a.b'; x", {"name": "a.b"}),
        ("says {what:text}", "it says all of it", {"what": "all of it"}),
        ("took {n:number} s", "took 12 s", {"n": "12"}),
        ("took {n:number} s", "took long s", None),
        ("C++ (a|b) [x]*", "C++ (a|b) [x]*", {}),
    ],
)  # fmt: skip
def test_signs(template: str, line: str, names: dict[str, str] | None) -> None:
    found = Sign(template).find(f"before\n{line}\nafter")
    assert (found and found[1]) == names
    assert not found or found[0] == line
