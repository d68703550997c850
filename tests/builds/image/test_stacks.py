"""Dockerfiles made from plans, built for real with packages from the registry; what comes out runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.core.errors import UserError
from tests.builds.image import base_images
from tests.builds.image.conftest import ImageBuilder, configure
from tests.builds.test_detect_stacks import EXAMPLES

Make = Callable[[dict[str, str]], Path]


def test_python(stacks: ImageBuilder, project: Make) -> None:
    root = project(
        {
            "requirements.txt": "iniconfig==2.1.0\n",
            "main.py": "import iniconfig as i, os\nprint(i.__name__, os.getuid(), os.environ['PORT'], os.getcwd())\n",
        }
    )
    manifest = stacks.build(root, env={"SECRET": "hunter2hunter2"})
    assert stacks.run(manifest) == "iniconfig 1000 8080 /app"


def test_node(stacks: ImageBuilder, project: Make) -> None:
    package = {
        "name": "shop", "version": "1.0.0", "scripts": {"build": "node make.js", "start": "node server.js"},
        "dependencies": {"left-pad": "1.3.0"},
    }  # fmt: skip
    root = project(
        {
            "package.json": json.dumps(package),
            "make.js": "require('fs').writeFileSync('made.txt', require('left-pad')(process.env.NAME, 12, '.'))",
            "server.js": "console.log(`${require('fs').readFileSync('made.txt')} ${require('left-pad')('x', 3, '-')}`)",
            ".brainpodignore": "*.md\nnotes/\n",
            "README.md": "x",
            "notes/a": "x",
        }
    )
    manifest = stacks.build(root, env={"NAME": "two words", "NODE_OPTIONS": ""})
    assert stacks.run(manifest) == "...two words --x"
    assert stacks.run(manifest, "sh", "-c", "readlink node_modules; ls -A; touch written; id -u").split() == [
        "/layers/deps/node_modules", ".brainpodignore", "made.txt", "make.js", "node_modules", "package.json",
        "server.js", "1000",
    ]  # fmt: skip
    layers = stacks.daemon.client().api.inspect_image(manifest.image)["RootFS"]["Layers"]
    (root / "server.js").write_text("console.log('other')")
    second = stacks.build(root, env={"NAME": "two words", "NODE_OPTIONS": ""})
    assert "$ npm install" not in stacks.log
    assert stacks.run(second) == "other"
    again = stacks.daemon.client().api.inspect_image(second.image)["RootFS"]["Layers"]
    assert [a == b for a, b in zip(layers, again, strict=True)].count(False) == 1, "only the app's own layer is new"
    stacks.build(root, env={"NAME": "another", "NODE_OPTIONS": ""})
    assert "$ node make.js" in stacks.log, "a build sees its variables: with others it is made anew"
    assert "$ npm install" not in stacks.log


def test_static_files_come_out_of_an_image(stacks: ImageBuilder, project: Make) -> None:
    make = "const f = require('fs'); f.mkdirSync('dist/a', {recursive: true}); f.writeFileSync('dist/a/b.txt', 'hi')"
    root = project({"package.json": json.dumps({"scripts": {"build": "node make.js"}}), "make.js": make})
    manifest = stacks.build(root, kind="static", output="dist")
    assert (manifest.kind, manifest.image) == ("static", "")
    assert (stacks.store.path(manifest.app) / "a/b.txt").read_text() == "hi"


def test_a_build_that_leaves_no_output(stacks: ImageBuilder, project: Make) -> None:
    root = project({"package.json": json.dumps({"scripts": {"build": "true"}})})
    with pytest.raises(UserError) as caught:
        stacks.build(root, kind="static", output="dist")
    assert caught.value.code == "no_output_directory"


def test_plain_files_need_no_image(stacks: ImageBuilder, project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, docker_host="unix:///nowhere")
    manifest = stacks.build(project({"index.html": "<p>"}))
    assert (stacks.store.path(manifest.app) / "index.html").read_text() == "<p>"


def test_go(builder: ImageBuilder, base: str, with_go: str, project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, base_images=f"go={with_go},debian={base}")
    program = 'package main\n\nfunc main() { println("hello from go") }\n'
    manifest = builder.build(project({"go.mod": "module shop\n\ngo 1.21\n", "main.go": program}), kind="worker")
    assert builder.run(manifest) == "hello from go"
    assert builder.run(manifest, "sh", "-c", "command -v go || echo none") == "none"


@pytest.mark.heavy
def test_rust(builder: ImageBuilder, base: str, project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    image = base_images.rust(builder.daemon)
    configure(monkeypatch, base_images=f"rust={image},debian={base}")
    root = project({"src/main.rs": 'fn main() { println!("{}", itoa::Buffer::new().format(60000)) }\n'})
    for name in ("Cargo.toml", "Cargo.lock"):
        shutil.copy(EXAMPLES / "runs-rust" / name, root)
    manifest = builder.build(root, kind="worker")
    assert builder.run(manifest) == "60000"
    assert builder.run(manifest, "sh", "-c", "command -v cargo || echo none") == "none"


@pytest.mark.heavy
def test_java(builder: ImageBuilder, project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    image = base_images.java(builder.daemon)
    configure(monkeypatch, base_images=f"java={image},maven={image}")
    program = (
        "package com.acme;\npublic class Main {\n  public static void main(String[] args) {\n"
        '    System.out.println(com.eclipsesource.json.Json.object().add("said", "java"));\n  }\n}\n'
    )
    root = project({"src/main/java/com/acme/Main.java": program})
    shutil.copy(EXAMPLES / "runs-java-maven/pom.xml", root)
    manifest = builder.build(root, kind="worker")
    assert builder.run(manifest) == '{"said":"java"}'


def test_a_workspace_is_installed_once(stacks: ImageBuilder, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(EXAMPLES / "runs-npm-workspace", root)
    ask = ("node", "-p", "require('words')")
    assert stacks.run(stacks.build(root), *ask) == "built 2 minutes"
    script = root / "packages/words/make.js"
    script.write_text(script.read_text().replace("built ", "rebuilt "))
    again = stacks.build(root)
    assert "$ npm ci" not in stacks.log
    assert stacks.run(again, *ask) == "rebuilt 2 minutes"


def test_a_build_step_that_fails_is_explained(stacks: ImageBuilder, project: Make) -> None:
    root = project({"package.json": json.dumps({"scripts": {"start": "node x"}}), "x.js": ""})
    for command, code in (("exit 3", "build_failed"), ("node -e 'require(\"nothing-here\")'", "module_not_found")):
        with pytest.raises(UserError) as caught:
            stacks.build(root, build=command)
        assert caught.value.code == code
    with pytest.raises(UserError) as caught:
        stacks.build(root, install="echo no room; exit 7")
    assert caught.value.code == "install_failed"
    assert "7" in caught.value.message
