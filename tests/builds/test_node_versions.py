"""Node.js and npm in the version a project asks for, whatever this machine has."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from apps.builds import toolchains
from apps.builds.detect.plan import Plan
from apps.builds.toolchains import fetched
from apps.builds.toolchains.base import Part, Toolchain
from apps.builds.versions import at_least
from apps.core.errors import UserError
from tests.builds.conftest import Builder, unreachable
from tests.builds.test_detect_stacks import answer, build

HERE = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()[1:]
OTHER = "24" if not HERE.startswith("24.") else "22"
SERVER = """
const words = require("is-number")(1) ? process.version : "";
require("http").createServer((_, answer) => answer.end(words)).listen(process.env.PORT);
"""


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is fetched, for all of these tests."""
    return tmp_path_factory.mktemp("fetched") / "tools"


def found(tools: Path, *names: str, **versions: str) -> Toolchain:
    plan = Plan(stack="node", kind="web", tools=names, versions={k: (v, "from here") for k, v in versions.items()})
    try:
        return toolchains.find(plan, tools)
    except UserError as error:
        if unreachable(error):
            pytest.skip("the package registry cannot be reached")
        raise


def said(toolchain: Toolchain, *command: str) -> str:
    """What `command` prints where nothing but these tools and /bin is there."""
    env = {"PATH": ":".join((*toolchain.path, "/bin")), "HOME": "/nonexistent"}
    program = shutil.which(command[0], path=env["PATH"])
    assert program
    return subprocess.run([program, *command[1:]], env=env, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.heavy
def test_an_app_is_built_and_runs_with_the_version_it_asks_for(builder: Builder, tools: Path, tmp_path: Path) -> None:
    builder.tools = tools
    root = tmp_path / "project"
    root.mkdir()
    package = {"engines": {"node": f"^{OTHER}.0.0"}, "dependencies": {"is-number": "7.0.0"}}
    (root / "package.json").write_text(json.dumps(package))
    (root / "index.js").write_text(SERVER)
    built = build(builder, root)
    assert answer(built).startswith(f"v{OTHER}.")
    assert any(line.startswith(f"Using node {OTHER}.") for line in builder.lines)


def test_an_exact_version_is_had_and_a_range_takes_what_is_there(tools: Path) -> None:
    exact = found(tools, "node", node=f"{OTHER}.11.0")
    assert exact.versions == {"node": f"{OTHER}.11.0"}
    assert said(exact, "node", "--version") == f"v{OTHER}.11.0"
    assert exact.run_path == exact.path
    newer = found(tools, "node", node=f">={OTHER}.12 <{OTHER}.14")
    assert newer.versions["node"].startswith(f"{OTHER}.13.")
    both = {"node-" + toolchain.versions["node"] for toolchain in (exact, newer)}
    assert found(tools, "node", node=f"~{OTHER}.11.0").versions == exact.versions, "nothing is fetched for it"
    assert both <= {home.name for home in tools.iterdir()}


def test_this_machine_s_is_taken_where_it_fits(tmp_path: Path) -> None:
    assert found(tmp_path, "node", node=HERE.partition(".")[0]).versions == {"node": HERE}
    assert not list(tmp_path.iterdir())


def test_an_old_node_has_an_npm_that_runs_on_it(tools: Path) -> None:
    old = found(tools, "node", "npm", node="16.x")
    assert old.versions["node"].startswith("16.")
    assert said(old, "npm", "--version") == said(old, "npx", "--version") == old.versions["npm"]


def test_npm_is_as_new_as_the_project_asks(tools: Path) -> None:
    asked = found(tools, "node", "npm", node=OTHER, npm="11.12.0")
    assert at_least(said(asked, "npm", "--version"), "11.12.0")


def test_nothing_of_it_needs_to_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word of .nvmrc is the default, as is nothing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    bare = found(tmp_path / "tools", "node", "npm", "pnpm", node="lts/*")
    assert said(bare, "node", "--version").startswith("v22.")
    assert said(bare, "npm", "--version") == bare.versions["npm"]
    assert said(bare, "pnpm", "--version") == bare.versions["pnpm"]
    assert not list((tmp_path / "tools").glob(".*")), "nothing half-made is left"


@pytest.mark.parametrize("wanted", ["npm:evil@99", "99 git+https://evil.example/x.git", "file:../99", "--prefix=/99"])
def test_a_version_cannot_name_another_package(wanted: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        fetched.node(wanted, "from engines in package.json", tmp_path / "tools")
    assert caught.value.code == "missing_toolchain"
    assert "that is no range of versions" in caught.value.message
    assert not (tmp_path / "tools").exists()


def test_one_that_there_is_not_is_told_without_npm_s_noise(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        fetched.node(">=99", "from engines in package.json", tmp_path / "tools")
    if unreachable(caught.value):
        pytest.skip("the package registry cannot be reached")
    assert "Node.js >=99 (from engines in package.json) is not on this machine" in caught.value.message
    assert "npm error" not in caught.value.message
    assert not list((tmp_path / "tools").iterdir())


def test_the_newest_that_fits_is_taken(tmp_path: Path) -> None:
    for version in ("23.2.0", "23.10.1", "23.9.9", "24.1.0"):
        (tmp_path / f"node-{version}").mkdir()
    assert fetched.node("^23.1.0", "", tmp_path) == Part(
        {"node": "23.10.1"}, (f"{tmp_path}/node-23.10.1",), (f"{tmp_path}/node-23.10.1/bin",)
    )
