"""The stages against the real engine, git and artifact store: what comes out runs, and nothing is made twice."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as live

from apps import engines
from apps.builds import bundle
from apps.builds.bundle import Manifest
from apps.builds.caching import index
from apps.builds.stages import room
from apps.builds.stages.room import Interrupted
from apps.core.errors import Invalid, UserError
from apps.core.ids import new_id
from apps.engines.base import RunSpec
from tests.builds.conftest import Builder

Make = Callable[[dict[str, str]], Path]
needs_node = pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="Node.js is not installed")


def run(manifest: Manifest, command: str) -> list[str]:
    """What `command` prints in the bundle, as it would be launched."""
    mounts, links, path = bundle.mounts(manifest)
    lines: list[str] = []
    spec = RunSpec(
        id=new_id(),
        pod="pod0test",
        command=("sh", "-c", command),
        env=manifest.env,
        mounts=mounts,
        links=links,
        path=path,
    )
    done = engines.engine().run_once(spec, on_line=lines.append, timeout=60, cancelled=lambda: False)
    assert done.exit_code == 0, lines
    return lines


def test_python_from_source_to_bundle(builder: Builder, project: Make) -> None:
    long = "# A comment, so that it is worth compiling before it starts.\n" * 1000
    root = project(
        {"requirements.txt": "iniconfig==2.1.0\n", "main.py": f"import iniconfig\nprint(iniconfig.__name__)\n{long}"}
    )
    try:
        first = builder.build(root)
    except UserError as error:
        if error.code == "network_timeout":
            pytest.skip("the package index cannot be reached")
        raise
    assert builder.layer
    assert not builder.layer.reused
    assert first.start == "python main.py"
    assert run(first, first.start) == ["iniconfig"]
    assert list(builder.stored(first.app).glob("__pycache__/main.*.pyc"))
    assert Manifest.from_json(json.loads(json.dumps(first.as_json()))) == first

    again = builder.build(root)
    assert again == first
    assert builder.layer.reused
    assert not [line for line in builder.lines if line.startswith("$")]

    (root / "main.py").write_text("import iniconfig\nprint('two')\n")
    changed = builder.build(root)
    assert (changed.deps, builder.layer.reused) == (first.deps, True)
    assert changed.app != first.app
    assert not list(builder.stored(changed.app).glob("__pycache__"))
    assert run(changed, changed.start) == ["two"]
    assert run(first, first.start) == ["iniconfig"]

    builder.build(root, cache=False)
    assert not builder.layer.reused


@needs_node
def test_node_from_source_to_bundle(builder: Builder, project: Make) -> None:
    package = {
        "name": "app", "version": "1.0.0", "dependencies": {"local": "file:./local"},
        "scripts": {"start": "node index.js", "build": "tool > built.txt"},
    }  # fmt: skip
    root = project(
        {
            "package.json": json.dumps(package),
            "index.js": "console.log(require('local') + require('fs').readFileSync('built.txt'))\n",
            "local/package.json": '{"name": "local", "version": "1.0.0", "bin": {"tool": "tool.js"}}',
            "local/index.js": "module.exports = 'local '\n",
            "local/tool.js": "#!/usr/bin/env node\nconsole.log('built ' + process.env.VITE_NAME)\n",
            "node_modules/committed/index.js": "",
        }
    )
    first = builder.build(root, env={"VITE_NAME": "x y"})
    assert run(first, first.start)[0] == "local built x y"
    assert (builder.stored(first.app) / "node_modules").is_symlink()
    assert not (builder.stored(first.app) / "package-lock.json").exists(), "a build with reused modules has none"
    assert not (builder.stored(str(first.deps)) / "node_modules/committed").exists()
    assert builder.build(root, env={"VITE_NAME": "x y"}) == first
    assert builder.layer
    assert not builder.layer.reused  # the package that is linked in is code of the repository


@needs_node
def test_modules_without_code_of_the_repository_are_reused(builder: Builder, project: Make) -> None:
    lock = {
        "name": "app",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "packages": {"": {"name": "app", "version": "1.0.0"}},
    }
    package = {"name": "app", "version": "1.0.0", "scripts": {"start": "node ."}}
    root = project(
        {"package.json": json.dumps(package), "package-lock.json": json.dumps(lock), "index.js": "console.log(1)"}
    )
    first = builder.build(root)
    assert run(first, "node .") == ["1"]
    (root / "index.js").write_text("console.log(2)")
    second = builder.build(root)
    assert run(second, "node .") == ["2"]
    assert second.deps == first.deps


@needs_node
def test_static_output_of_a_build(builder: Builder, project: Make) -> None:
    script = (
        "mkdir -p dist/css && echo '<p>' > dist/index.html && touch dist/css/a.css && ln -s index.html dist/home.html"
    )
    root = project({"package.json": json.dumps({"scripts": {"build": script}}), "secret.txt": "x"})
    manifest = builder.build(root, kind="static")
    assert (manifest.kind, manifest.deps) == ("static", None)
    stored = builder.stored(manifest.app)
    assert sorted(p.name for p in stored.rglob("*")) == ["a.css", "css", "home.html", "index.html"]


def test_plain_files_with_ignored_ones(builder: Builder, project: Make) -> None:
    root = project({"index.html": "<p>", "drafts/a.html": "", "b.tmp": "", "keep.tmp": "", "docs/x/notes.md": ""})
    (root / ".brainpodignore").write_text("drafts/\n*.tmp\n!keep.tmp\n/docs/**/notes.md\n")
    stored = builder.stored(builder.build(root).app)
    found = sorted(p.relative_to(stored).as_posix() for p in stored.rglob("*") if p.is_file())
    assert found == [".brainpodignore", "index.html", "keep.tmp"]


def test_root_directory_of_a_larger_repository(builder: Builder, project: Make) -> None:
    root = project({"apps/web/public/index.html": "web", "README.md": ""})
    assert (builder.stored(builder.build(root, root_dir="apps/web").app) / "index.html").read_text() == "web"
    assert builder.plan
    assert builder.plan.root == "apps/web"


@pytest.mark.parametrize(
    "root_dir", ["../x", "/etc", "apps/../..", "out", "out/sub", "nowhere", "index.html", "-x", "a\nb", "a\\b", "~"]
)
def test_root_directories_that_are_none(builder: Builder, project: Make, root_dir: str) -> None:
    root = project({"index.html": ""})
    (root / "out").symlink_to("/etc")
    with pytest.raises(Invalid) as caught:
        builder.build(root, root_dir=root_dir)
    assert caught.value.details[0].path == "source.rootDir"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd", "/", "..", "/app/../etc"])
def test_links_out_are_never_served(builder: Builder, project: Make, target: str) -> None:
    root = project({"index.html": ""})
    (root / "leak").symlink_to(target)
    with pytest.raises(Invalid) as caught:
        builder.build(root)
    assert caught.value.code == "artifact_escape"
    assert caught.value.details[0].path == "leak"


@needs_node
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("ln -s /etc dist", "invalid"),
        ("mkfifo dist", "invalid"),
        ("mkdir dist && mkfifo dist/pipe", "artifact_escape"),
        ("mkdir dist && ln -s /etc/passwd dist/x", "artifact_escape"),
        ("mkdir dist", "no_output_directory"),
        ("true", "no_output_directory"),
        ("echo x > dist", "no_output_directory"),
        ("exit 3", "build_failed"),
        ("no-such-program --now", "missing_build_tool"),
        ("node -e 'require(\"left-pad\")'", "module_not_found"),
        ("kill -9 $$", "out_of_memory"),
    ],
)
def test_builds_that_fail(builder: Builder, project: Make, command: str, code: str) -> None:
    root = project({"package.json": json.dumps({"scripts": {"build": "true"}})})
    with pytest.raises(UserError) as caught:
        builder.build(root, kind="static", build=command)
    assert caught.value.code == code


def test_a_build_that_takes_too_long_is_ended(builder: Builder, project: Make) -> None:
    root = project({"main.py": ""})
    builder.seconds = 2
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        builder.build(root, build="sleep 300", install="true")
    assert caught.value.code == "build_timeout"
    assert time.monotonic() - began < 60


def test_a_build_can_be_cancelled(builder: Builder, project: Make) -> None:
    root = project({"main.py": ""})
    builder.cancelled = lambda: "started" in builder.lines
    began = time.monotonic()
    with pytest.raises(Interrupted):
        builder.build(root, install="true", build="echo started; sleep 300")
    assert time.monotonic() - began < 60


def test_the_log_begins_with_what_was_found_and_who_builds_it(builder: Builder, project: Make) -> None:
    builder.build(project({"main.py": "", ".python-version": f"{sys.version_info.major}.{sys.version_info.minor}"}))
    told = [line.partition(":")[0] for line in builder.lines]
    head = builder.lines[told.index("Stack") :][: told.index("Builder") - told.index("Stack") + 1]
    assert "python" in head[0].lower()
    assert "(from .python-version)" in " ".join(head)
    assert head[-1] == "Builder: bundle, in a sandbox with this machine's tools"


def test_builds_yield_to_what_runs(builder: Builder, project: Make) -> None:
    builder.build(project({"main.py": ""}), install="echo of install: $(nice)", build="echo of build: $(nice)")
    lower = min(19, os.nice(0) + 10)
    assert {f"of install: {lower}", f"of build: {lower}"} <= set(builder.lines)


def test_a_python_that_is_not_there(builder: Builder, project: Make) -> None:
    with pytest.raises(UserError) as caught:
        builder.build(project({"main.py": "", ".python-version": "3.99"}))
    assert caught.value.code == "missing_toolchain"
    assert "python3.99" in caught.value.hint


def test_values_reach_commands_as_they_are_and_ours_stay(builder: Builder, project: Make) -> None:
    value = "a 'b' \"c\" $HOME `id` \\ \n\t ü\u2028 end"
    root = project({"main.py": "", "show.py": "import os\nopen('value', 'w').write(os.environ['VALUE'])\n"})
    env = {"VALUE": value, "UV_CACHE_DIR": "/elsewhere"}
    manifest = builder.build(root, env=env, build='python show.py && test "$UV_CACHE_DIR" = /layers/cache/uv || exit 9')
    assert (builder.stored(manifest.app) / "value").read_text() == value


def test_a_build_sees_nothing_of_the_host(builder: Builder, project: Make) -> None:
    if not engines.engine().check().sandbox:
        pytest.skip("no sandbox on this machine")
    there = builder.cache.parents[4]
    root = project({"main.py": ""})
    manifest = builder.build(root, build=f"ls {there} > seen 2>&1; ls /layers > layers; env > env; true")
    stored = builder.stored(manifest.app)
    assert "cache" not in (stored / "seen").read_text().split()
    assert sorted((stored / "layers").read_text().split()) == ["cache", "deps", "tmp"]
    assert "BRAINPOD_STATE" not in (stored / "env").read_text()


def test_what_a_build_writes_into_the_dependencies_is_dropped(builder: Builder, project: Make) -> None:
    root = project({"main.py": ""})
    first = builder.build(root, build="echo x > /layers/deps/venv/planted || true")
    assert first.deps
    assert not (builder.stored(first.deps) / "venv/planted").exists()


def test_a_lost_layer_is_made_again(builder: Builder, project: Make) -> None:
    root = project({"main.py": ""})
    first = builder.build(root)
    assert first.deps
    assert {entry.digest for _, _, entry in index.every(builder.cache)} == {first.deps}
    shutil.rmtree(builder.stored(first.deps))
    builder.build(root)
    assert builder.layer
    assert not builder.layer.reused


def test_the_demo_app(builder: Builder) -> None:
    root = Path(__file__).parents[2] / "examples/hello"
    try:
        manifest = builder.build(root)
    except UserError as error:
        if error.code == "network_timeout":
            pytest.skip("the package index cannot be reached")
        raise
    said = run(manifest, "python -c \"import app; print(app.app.test_client().get('/').status)\"")
    assert said == ["200 OK"]


def test_an_app_may_ask_for_more_memory_up_to_the_most(settings) -> None:
    settings.BRAINPOD = dataclasses.replace(live.BRAINPOD, build_memory=1000, build_memory_most=3000)
    assert [room.limits(asked).memory for asked in (0, 500, 2000, 9000)] == [1000, 500, 2000, 3000]
