"""Which detector is taken, what the repository's own settings change, and what hostile repositories cannot do."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path
from typing import get_args

import pytest
from django.core.management import CommandError, call_command

from apps.builds.detect import DETECTORS, detect
from apps.builds.detect.plan import CACHE, Overrides
from apps.builds.detect.project import LARGEST
from apps.builds.stages import commands
from apps.builds.toolchains import fetched
from apps.builds.versions import at_least, fits_range, same_minor
from apps.core.errors import UserError
from apps.pods.kinds.app import Build
from apps.pods.kinds.app_form import FORM
from tests.builds.test_detect import EXAMPLES, PLANS, project

GO = {"go.mod": "module x\n\ngo 1.21\n", "main.go": "package main\n"}
PACKAGE = {"package.json": '{"scripts": {"build": "b", "start": "node a.js"}, "dependencies": {"x": "1"}}'}
FLASK = {"requirements.txt": "flask\ngunicorn", "app.py": "from flask import Flask\napp = Flask(__name__)\n"}
RAILS = {"Gemfile": 'gem "rails"\n', "Gemfile.lock": "    rails (7.1)\n", "config/application.rb": "", "bin/rails": ""}
LARAVEL = {"composer.json": '{"require": {"laravel/framework": "11"}}', "artisan": "", "public/index.php": ""}
PHOENIX = {"mix.exs": '[app: :a, mod: {A, []}, deps: [{:phoenix, "1"}]]'}
DJANGO = {
    "requirements.txt": "django\ngunicorn",
    "manage.py": "'DJANGO_SETTINGS_MODULE', 'a.settings'",
    "a/wsgi.py": "",
}
POM = {"pom.xml": "<project><build><mainClass>a.B</mainClass></build></project>"}


@pytest.mark.parametrize(
    ("files", "stack"),
    [
        (RAILS, "ruby"),
        (LARAVEL, "php"),
        (PHOENIX, "elixir"),
        (DJANGO, "python"),
        ({"hugo.toml": "", "go.mod": "module x\n"}, "hugo"),
        ({"deno.json": '{"tasks": {"start": "x"}}'}, "deno"),
        ({"bun.lock": "{}"}, "bun"),
        ({"index.html": ""}, "node"),
        ({"Procfile": "web: node a.js"}, "node"),
        ({"mkdocs.yml": "site_name: x"}, "node"),
        ({"pyproject.toml": "[tool.ruff]\nline-length = 99\n"}, "node"),
        ({"Gemfile": 'gem "fastlane"\n'}, "node"),
        ({"composer.json": '{"require-dev": {"wp-coding-standards/wpcs": "3"}}'}, "node"),
        ({**POM, ".yo-rc.json": "{}"}, "java"),
    ],
)
def test_a_package_json_beside_what_carries_it_is_no_second_app(
    tmp_path: Path, files: dict[str, str], stack: str
) -> None:
    assert detect(project(tmp_path, {**PACKAGE, **files})).stack == stack


@pytest.mark.parametrize("files", [GO, FLASK, POM, {"Cargo.toml": '[package]\nname = "x"\n', "src/main.rs": ""}])
def test_two_apps_in_one_place_have_to_be_told_apart(tmp_path: Path, files: dict[str, str]) -> None:
    root = project(tmp_path, {**PACKAGE, **files})
    with pytest.raises(UserError) as caught:
        detect(root)
    assert caught.value.code == "multiple_builders_matched"
    assert "Node.js" in caught.value.message
    assert "framework" in caught.value.hint
    (root / "brainpod.json").write_text('{"build": {"framework": "node"}}')
    assert detect(root).stack == "node"


def test_nothing_found_lists_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        detect(tmp_path)
    assert all(detector.title in caught.value.hint for detector in DETECTORS)


def test_a_dockerfile_counts_where_images_are_made_or_nothing_else_is_there(tmp_path: Path) -> None:
    root = project(tmp_path, {**GO, "Dockerfile": "FROM x"})
    assert detect(root, Overrides(builder="image")).stack == "docker"
    assert detect(root, Overrides(framework="docker")).stack == "docker"
    plan = detect(root)
    assert plan.stack == "go"
    assert "Dockerfile" in plan.notes[-1]
    with pytest.raises(UserError, match="no Dockerfile"):
        detect(project(tmp_path / "other", GO), Overrides(framework="docker"))


def test_every_cache_of_a_plan_is_one_that_its_tool_is_told_of() -> None:
    every = {cache for case in PLANS.glob("*.json") for cache in json.loads(case.read_text()).get("caches", [])}
    named = {cache for cache in every if cache.startswith(CACHE)}  # the others are the frameworks', in the app
    told = " ".join((*commands.own_variables().values(), *fetched._ENV["pnpm"].values()))
    assert named
    assert not {cache for cache in named if cache not in told}


def test_a_registry_that_cannot_be_asked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(UserError) as caught:
        fetched.find("pnpm", "9.0.1", "from packageManager in package.json", tmp_path / "tools")
    assert caught.value.code == "missing_toolchain"
    assert "pnpm" in caught.value.message
    assert not list((tmp_path / "tools").glob("*")) or not shutil.which("npm")


def test_the_app_form_offers_every_detector() -> None:
    named = {detector.name for detector in DETECTORS} | {"", "docker"}
    assert set(get_args(Build.model_fields["framework"].annotation)) == named
    field = next(field for field in FORM if field.path == "build.framework")
    assert {name for name, _ in field.options} == named


@pytest.mark.parametrize(
    "text",
    ['{"startComand": "x"}', '{"type": "cron"}', '{"startCommand": 5}', '{"build": {"x": 1}}', "[]", "{",
     '{"startCommand": "a\\nb"}'],
)  # fmt: skip
def test_settings_that_do_not_hold_are_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError) as caught:
        detect(project(tmp_path, {"index.html": "", "brainpod.json": text}))
    assert caught.value.code == "manifest_invalid"
    assert "brainpod.json" in caught.value.message


def test_the_dashboard_wins_over_the_repository(tmp_path: Path) -> None:
    said = {
        "startCommand": "own",
        "build": {"buildCommand": "own", "installCommand": "own"},
        "releaseCommand": "migrate",
    }
    root = project(tmp_path, {**FLASK, "brainpod.json": json.dumps(said)})
    plan = detect(root, Overrides(kind="web", start="theirs", build="theirs"))
    assert (plan.start, plan.build, plan.install[1:], plan.release) == ("theirs", ("theirs",), ("own",), "migrate")


def test_settings_of_a_member_are_carried_out_in_its_directory(tmp_path: Path) -> None:
    files = {
        "package.json": '{"workspaces": ["apps/*"]}', "package-lock.json": "{}",
        "apps/my web/package.json": '{"name": "web", "scripts": {"start": "x"}}', "apps/my web/.nvmrc": "20",
    }  # fmt: skip
    root = project(tmp_path, files)
    plan = detect(root / "apps/my web", Overrides(kind="static", build="make", output="out"), repository=root)
    assert (plan.root, plan.member, plan.output) == ("", "apps/my web", "apps/my web/out")
    assert plan.build == ("cd 'apps/my web' && make",)
    assert plan.versions["node"] == ("20", "from .nvmrc")


def test_a_directory_that_no_workspace_lists_stands_alone(tmp_path: Path) -> None:
    files = {"package.json": '{"workspaces": ["apps/*", "!apps/old"]}', "apps/old/package.json": '{"main": "a.js"}'}
    root = project(tmp_path, {**files, "apps/old/a.js": ""})
    plan = detect(root / "apps/old", repository=root)
    assert (plan.root, plan.member, plan.start) == ("apps/old", "", "node a.js")


@pytest.mark.parametrize("name", ["package.json", "composer.json", "deno.json", "brainpod.json"])
def test_a_manifest_that_is_too_large_or_broken_is_named(tmp_path: Path, name: str) -> None:
    broken = project(tmp_path / "broken", {name: "{", "index.html": ""})
    huge = project(tmp_path / "huge", {name: '{"a": "' + "x" * LARGEST + '"}', "index.html": ""})
    for root in (broken, huge):
        with pytest.raises(UserError) as caught:
            detect(root)
        assert caught.value.code == "manifest_invalid"
        assert name in caught.value.message


def test_rings_of_links_and_ways_out_end(tmp_path: Path) -> None:
    listed = json.dumps({"workspaces": ["packages/**", "../**", "/etc/*", "up/*"], "main": "a.js"})
    root = project(tmp_path / "repo", {"package.json": listed, "a.js": "", "packages/a/package.json": "{}"})
    project(tmp_path, {"outside/x/package.json": '{"name": "x", "scripts": {"start": "stolen"}}'})
    (root / "packages/loop").symlink_to("..")
    (root / "packages/self").symlink_to("self")
    (root / "up").symlink_to("../outside")
    assert detect(root).start == "node a.js"


@pytest.mark.parametrize("start", ["a\0b", "a\ud800b", "a\x1b[2Jb", "x" * 30_000])
def test_commands_that_no_command_line_can_hold_are_refused(tmp_path: Path, start: str) -> None:
    root = project(tmp_path, {"package.json": json.dumps({"scripts": {"start": start}})})
    with pytest.raises(UserError) as caught:
        detect(root)
    assert caught.value.code == "manifest_invalid"
    caught.value.message.encode()


@pytest.mark.parametrize("text", [f"a = {'9' * 5000}", "a = 1979-02-30", "[" * 5000, '{"a": 1}'])
def test_manifests_that_only_look_like_toml(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError) as caught:
        detect(project(tmp_path, {"Cargo.toml": text, "src/main.rs": ""}))
    assert caught.value.code == "manifest_invalid"
    assert "Cargo.toml" in caught.value.message


def test_a_directory_where_a_file_is_expected_and_a_fifo_are_not_read(tmp_path: Path) -> None:
    root = project(tmp_path, {"index.html": "", "package.json/x": "", "mix.exs/y": ""})
    (root / "brainpod.json").mkdir()
    assert detect(root).stack == "static"


@pytest.mark.parametrize(
    ("there", "wanted", "fits"),
    [
        ("8.2.1", "^8.1", True), ("8.0.9", "^8.1", False), ("9.0.0", "^8.1", False), ("8.2.1", "~8.1", True),
        ("8.2.1", "~8.1.0", False), ("8.1.5", "~8.1.0", True), ("8.2.1", ">=8.1 <8.3", True),
        ("8.3.0", "8.1 || 8.3", True),
        ("8.3.0", "<8.3", False), ("8.2.9", "8.2.*", True), ("1.16.2", "~> 1.14", True), ("2.0.0", "~> 1.14", False),
        ("8.3.0", "!=8.3.0", False), ("8.3.0", "", True), ("8.3.1", ">8.3.0", True), ("8.2", "nonsense", True),
    ],
)  # fmt: skip
def test_ranges(there: str, wanted: str, fits: bool) -> None:
    assert fits_range(there, wanted) is fits


def test_versions_that_need_not_be_exact() -> None:
    assert at_least("1.26.8", "1.22")
    assert not at_least("1.21.0", "1.22")
    assert at_least("1.95.0", "stable")
    assert same_minor("3.2.4", "3.2.2")
    assert not same_minor("3.3.0", "3.2.2")
    assert same_minor("3.3.0", "~> 3.2")


def test_the_command_shows_a_table_and_a_member() -> None:
    out = StringIO()
    call_command("detect", str(EXAMPLES / "monorepo-npm"), "--root-dir", "apps/web", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["Stack", "node", "(vite)"]
    assert any(line.split() == ["Output", "apps/web/dist"] for line in lines)
    with pytest.raises(CommandError, match="root-dir"):
        call_command("detect", str(EXAMPLES / "monorepo-npm"), "--root-dir", "../hugo", stdout=out)
    out = StringIO()
    call_command("detect", str(EXAMPLES / "dockerfile-and-go"), "--json", "--builder", "image", stdout=out)
    assert json.loads(out.getvalue())["stack"] == "docker"
