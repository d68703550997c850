"""What the tools really print, and the cause that is read from it."""

from __future__ import annotations

import re

import pytest

from apps.builds.failures import explain
from apps.builds.versions import fits_node, fits_python
from apps.engines.base import Finished

SAID = [
    ("install",
     "npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.",
     "lockfile_out_of_sync"),
    ("install", "ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with \"frozen-lockfile\"", "lockfile_out_of_sync"),
    ("install", "error Your lockfile needs to be updated, but yarn was run with `--frozen-lockfile`.",
     "lockfile_out_of_sync"),
    ("install", "error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided.",
     "lockfile_out_of_sync"),
    ("install", "pyproject.toml changed significantly since poetry.lock was last generated.", "lockfile_out_of_sync"),
    ("install", "error: lockfile had changes, but lockfile is frozen", "lockfile_out_of_sync"),
    ("install", "npm error code ERESOLVE\nnpm error ERESOLVE unable to resolve dependency tree",
     "peer_dependency_conflict"),
    ("install", "  × No solution found when resolving dependencies:\n  ╰─▶ Because a depends on b<1",
     "peer_dependency_conflict"),
    ("install", "npm error code E404\nnpm error 404 Not Found - GET https://r.example/left-padd", "package_not_found"),
    ("install", "  ╰─▶ Because flaskk was not found in the package registry and you require flaskk",
     "package_not_found"),
    ("install", "ERROR: No matching distribution found for flaskk", "package_not_found"),
    ("install", "npm error code ETIMEDOUT", "network_timeout"),
    ("install", "error: Failed to fetch: `https://index.example/simple/flask/`", "network_timeout"),
    ("install", "npm error network request failed, reason: getaddrinfo EAI_AGAIN registry", "network_timeout"),
    ("build", "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "out_of_memory"),
    ("build", "MemoryError", "out_of_memory"),
    ("build", "npm error Missing script: \"biuld\"", "script_not_found"),
    ("build", " ERR_PNPM_NO_SCRIPT  Missing script: build", "script_not_found"),
    ("build", "error Command \"build\" not found.", "script_not_found"),
    ("build", "sh: 1: vite: not found", "missing_build_tool"),
    ("build", "sh: line 1: cargo: command not found", "missing_build_tool"),
    ("install", "error: command 'gcc' failed: No such file or directory", "missing_build_tool"),
    ("build", "Error: Cannot find module 'left-pad'\nRequire stack:", "module_not_found"),
    ("build", "Module not found: Error: Can't resolve './Header' in '/app/src'", "module_not_found"),
    ("build", "ModuleNotFoundError: No module named 'psycopg2'", "module_not_found"),
    ("build", "\x1b[31mError\x1b[39m: Cannot find \x1b[1mmodule\x1b[22m 'x'", "module_not_found"),
    ("build", "src/a.ts(3,1): error TS2322: Type 'string' is not assignable", "type_errors"),
    ("install", "something unheard of", "install_failed"),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "output", "code"), SAID, ids=[f"{code}-{n}" for n, (*_, code) in enumerate(SAID)])
def test_causes(stage: str, output: str, code: str) -> None:
    error = explain(stage, output.split("\n"), Finished(exit_code=1))
    assert error.code == code
    assert error.message
    assert error.hint


def test_how_it_ended_comes_first() -> None:
    line = ["npm error Missing script: x"]
    assert explain("build", line, Finished(137)).code == "out_of_memory"
    assert explain("build", line, Finished(1, killed="memory")).code == "out_of_memory"
    assert explain("install", line, Finished(-15, killed="timeout"), seconds=9).code == "build_timeout"


def test_names_are_told() -> None:
    assert "psycopg2" in explain("build", ["ModuleNotFoundError: No module named 'psycopg2'"], Finished(1)).message


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ("", True), ("20", True), ("20.1.0", True), ("18", False), (">=18", True), (">=22", False), ("^20.1", True),
        ("^18", False), ("18 || 20", True), ("18 || 22", False), ("20.x", True), ("*", True), (">=18 <21", True),
        (">=18 <20", False), ("18 - 20", True), ("~20.11", True), ("~20.10.0", False), ("lts/*", True), ("<=20", True),
        (">20", False), ("v20.1.2", True), ("=20", True), ("^20.99.0", False),
    ],
)  # fmt: skip
def test_node_versions(wanted: str, fits: bool) -> None:
    assert fits_node("20.11.4", wanted) is fits


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ("", True),
        ("3.11", True),
        ("3", True),
        ("3.12", False),
        (">=3.10", True),
        (">=3.10,<3.11", False),
        ("nonsense", False),
    ],
)
def test_python_versions(wanted: str, fits: bool) -> None:
    assert fits_python("3.11.7", wanted) is fits


@pytest.mark.parametrize(
    "line", ["no \x00 in it", "bell \x07", "half \ud800 a letter", "\x1b]0;title\x07words", "a\rb"]
)
def test_what_is_quoted_can_be_stored_and_shown(line: str) -> None:
    for error in (
        explain("build", [line], Finished(3)),
        explain("build", [f"Cannot find module '{line.replace(' ', '')}'"], Finished(1)),
    ):
        said = error.message + error.hint
        assert not re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", said), said
        said.encode()
