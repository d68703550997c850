"""The modules of JavaScript's workspaces as layers: made once for their lockfile and manifests."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from apps import engines
from apps.builds.detect import detect
from apps.builds.stages import modules
from tests.builds.conftest import Builder
from tests.builds.test_detect_stacks import EXAMPLES, answer, build

Make = Callable[[dict[str, str]], Path]
needs_node = pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="Node.js is not installed")
MANAGERS = ("npm", "pnpm", "yarn-berry", *(pytest.param(name, marks=pytest.mark.heavy) for name in ("yarn-1", "bun")))


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tools")


@needs_node
@pytest.mark.parametrize("manager", MANAGERS)
def test_a_workspace_is_installed_once(builder: Builder, tmp_path: Path, tools: Path, manager: str) -> None:
    if not engines.engine().check().sandbox:
        pytest.skip("no sandbox on this machine")
    builder.tools = tools
    root = tmp_path / "project"
    shutil.copytree(EXAMPLES / f"runs-{manager}-workspace", root)
    first = build(builder, root, root_dir="apps/api")
    assert builder.layer
    assert not builder.layer.reused
    assert answer(first) == "built 2 minutes 1m"

    script = root / "packages/words/make.js"
    script.write_text(script.read_text().replace("built ", "rebuilt "))
    second = build(builder, root, root_dir="apps/api")
    assert builder.layer.reused
    assert second.deps == first.deps
    assert not [line for line in builder.lines if re.match(r"\$ \w+ (ci|install)", line)]
    assert answer(second) == "rebuilt 2 minutes 1m", "each package has the version of `ms` that it asks for"


MS = {
    "2.0.0": "sha512-Tpp60P6IUJDTuOq/5Z8cdskzJujfwqfOTkrwIwj7IRISpnkJnT6SyJ4PCPnGMoFjC9ddhal5KVIYtAt97ix05A==",
    "2.1.3": "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==",
}
SITE = {"name": "site", "version": "1.0.0", "dependencies": {"astro": "*", "ms": "2.0.0"}}
ROOT = {"name": "all", "workspaces": ["apps/*", "packages/*"], "dependencies": {"ms": "2.1.3"}}
LOCK = {
    "name": "all", "lockfileVersion": 3, "requires": True,
    "packages": {
        "": ROOT,
        "apps/site": SITE,
        "apps/site/node_modules/ms": {"version": "2.0.0", "integrity": MS["2.0.0"]},
        "node_modules/astro": {"resolved": "packages/astro", "link": True},
        "node_modules/ms": {"version": "2.1.3", "integrity": MS["2.1.3"]},
        "node_modules/site": {"resolved": "apps/site", "link": True},
        "packages/astro": {"version": "5.0.0"},
    },
}  # fmt: skip


@needs_node
def test_what_tools_keep_in_the_modules_of_a_package(builder: Builder, project: Make) -> None:
    if not engines.engine().check().sandbox:
        pytest.skip("no sandbox on this machine")
    root = project(
        {
            "package.json": json.dumps(ROOT),
            "package-lock.json": json.dumps(LOCK),
            "apps/site/package.json": json.dumps(SITE),
            "packages/astro/package.json": json.dumps({"name": "astro", "version": "5.0.0"}),
        }
    )
    count = "mkdir -p dist; d=node_modules/.astro; mkdir -p $d; echo x >> $d/runs; wc -l < $d/runs > dist/index.html"
    for runs in ("1", "2"):
        (root / "apps/site/page.md").write_text(runs)
        manifest = build(builder, root, root_dir="apps/site", build=count)
        assert manifest.kind == "static"
        assert (builder.stored(manifest.app) / "index.html").read_text().strip() == runs
        assert builder.layer
        assert builder.layer.reused == (runs == "2")
        assert (builder.stored(builder.layer.digest) / "apps/site/node_modules/ms").is_dir()
        assert not (builder.stored(builder.layer.digest) / "apps/site/node_modules/.astro").exists()


WORKSPACE = {
    "package.json": json.dumps({"workspaces": ["packages/*"], "scripts": {"start": "node ."}}),
    "package-lock.json": "{}",
    "packages/a/package.json": json.dumps({"name": "a", "version": "1.0.0"}),
}
KNOWN = ("package-lock.json", "package.json", "packages/a/package.json")


def a(**more: object) -> dict[str, str]:
    return {"packages/a/package.json": json.dumps({"name": "a", "version": "1.0.0"} | more)}


@pytest.mark.parametrize(
    ("change", "lockfiles"),
    [
        ({}, KNOWN),
        (a(scripts={"build": "node install.js file:x", "prepare": "husky"}), KNOWN),
        ({".npmrc": "", "packages/a/cli.js": ""}, ("package-lock.json", "package.json", ".npmrc", KNOWN[2])),
        ({"patches/x.patch": ""}, (*KNOWN[:2], "patches/x.patch", KNOWN[2])),
        (
            {"packages/a/prisma/schema.prisma": "", **a(dependencies={"@prisma/client": "6"})},
            (*KNOWN, "packages/a/prisma/schema.prisma"),
        ),
        (a(scripts={"postinstall": "node make.js"}), (".",)),
        (a(scripts={"prepare": "tsc"}), (".",)),
        (a(dependencies={"x": "file:../../x"}), (".",)),
        (a(dependenciesMeta={"b": {"injected": True}}), (".",)),
        ({"packages/a/binding.gyp": ""}, (".",)),
        ({"packages/a/node_modules/x/index.js": ""}, (".",)),
        ({"packages/a/cli.js": "", **a(bin="./cli.js")}, (".",)),  # npm makes it executable
        ({".pnpmfile.cjs": ""}, (".",)),
        ({"package.json": json.dumps({"workspaces": ["{packages,apps}/*", "packages/a"], "main": "x.js"})}, (".",)),
    ],
    ids=str,
)
def test_what_decides_on_the_modules(project: Make, change: dict[str, str], lockfiles: tuple[str, ...]) -> None:
    assert detect(project(WORKSPACE | {"index.js": ""} | change)).lockfiles == lockfiles


def test_a_program_of_a_package_is_part_of_them(project: Make) -> None:
    root = project(WORKSPACE | {"index.js": "", "packages/a/cli.js": "#!/usr/bin/env node\n"} | a(bin={"a": "cli.js"}))
    (root / "packages/a/cli.js").chmod(0o755)
    assert detect(root).lockfiles == (*KNOWN, "packages/a/cli.js")


@pytest.mark.parametrize("trap", ["packages", "packages/a", "deps"])
def test_a_link_that_installing_makes_is_not_followed(
    builder: Builder, project: Make, tmp_path: Path, trap: str
) -> None:
    """As the install script of a dependency can make one, in all that it may write to."""
    there = tmp_path / "there"
    for name in ("a/node_modules", "node_modules"):
        (there / name).mkdir(parents=True)
        (there / name / "kept").write_text("")
    root = project(WORKSPACE | {"index.js": "", "node_modules/x/index.js": ""})
    plan, room = detect(root), builder.room()
    assert plan.packages_beneath == ("packages/a",)
    shutil.copytree(root, room.source)
    room.directory("deps")
    (room.source / "packages/a/node_modules").mkdir()
    place = room.dependencies / "packages" if trap == "deps" else room.source / trap
    shutil.rmtree(place, ignore_errors=True)
    place.symlink_to(there)
    assert modules.take(room, plan, whole=True)
    assert (room.dependencies / "node_modules/x").is_dir()
    assert (there / "a/node_modules/kept").exists()
    assert (there / "node_modules/kept").exists()
    shutil.rmtree(room.workspace)
