"""One project per stack that this machine can build, from its files to the answer of the app that was built."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import uv

from apps.builds import toolchains
from apps.builds.bundle import Manifest
from apps.builds.detect.plan import Plan
from apps.core.errors import UserError
from tests.builds.conftest import Builder
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
        if error.code == "network_timeout" or "registry did not" in error.message:
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
    ("runs-go-workspace", "api", "go", "go"),
    ("runs-rust", "", "cargo cc", "rust"),
    ("runs-java-maven", "", "javac mvn", "java"),
    ("runs-npm", "", "node npm", "1m"),
    ("runs-pnpm-workspace", "apps/api", "node npm", "built 1m"),
    ("runs-yarn-1", "", "node npm", "1m"),
    ("runs-yarn-berry", "", "node npm", "1m"),
    ("runs-bun", "", "node npm", "1m"),
    ("runs-deno", "", "npm", "deno"),
    ("runs-poetry", "", "", "iniconfig"),
    ("runs-pipenv", "", "", "iniconfig"),
    ("runs-pdm", "", "", "iniconfig"),
    ("runs-uv", "", "", "iniconfig"),
    ("runs-shell", "", "", "answer.txt"),
]


@pytest.mark.parametrize(("name", "root_dir", "programs", "said"), RUNS, ids=[run[0] for run in RUNS])
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
    built = build(kept, root, root_dir=root_dir, env=QUICK)
    assert said in answer(built)


@pytest.mark.parametrize(("name", "framework"), [("runs-hugo", "hugo"), ("runs-mkdocs", "mkdocs")])
def test_it_builds_a_site(kept: Builder, name: str, framework: str) -> None:
    built = build(kept, EXAMPLES / name)
    assert built.kind == "static"
    assert "Hi" in (kept.stored(built.app) / "index.html").read_text()
    assert kept.plan
    assert kept.plan.framework == framework


@pytest.mark.parametrize("tool", ["ruby", "php", "elixir", "dotnet", "gradle"])
def test_a_toolchain_that_is_not_there_is_named(tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    plan = Plan(stack=tool, kind="web", tools=(tool,))
    with pytest.raises(UserError) as caught:
        toolchains.find(plan, tmp_path)
    assert caught.value.code == "missing_toolchain"
    assert tool in str(caught.value).lower()
    assert "install" in caught.value.hint


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
    assert "Builder: docker" in builder.lines
